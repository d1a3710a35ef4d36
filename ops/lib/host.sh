# shellcheck shell=bash
#
# This machine as a host of desktops. Sourced from the root of the repository, after debian.sh.

libvirt_uri=${CARREL_LIBVIRT_URI:-qemu:///system}
# libvirtd looks at QEMU when it begins, which takes seconds on a busy machine.
readonly LIBVIRT_SECONDS_MAX=60

libvirt_answers() {
    timeout 10 virsh --quiet --connect "$libvirt_uri" version >/dev/null 2>&1
}

# A socket may be left by one that is gone.
virtlogd_answers() {
    timeout 10 virt-admin --quiet --connect virtlogd:///system srv-list >/dev/null 2>&1
}

# By systemd where it runs, and otherwise by itself. Touches nothing when libvirt answers.
have_libvirt() {
    if libvirt_answers && { [[ $libvirt_uri != qemu:///system ]] || virtlogd_answers; }; then
        say "libvirt answers at $libvirt_uri"
        return 0
    fi
    if [[ -d /run/systemd/system ]]; then
        say "starting libvirtd by systemd"
        as_root "systemctl enable --now virtlogd.socket libvirtd.socket libvirtd.service"
    elif [[ $libvirt_uri == qemu:///system ]]; then
        say "starting virtlogd and libvirtd: there is no systemd here that would"
        virtlogd_answers || as_root "virtlogd --daemon" || true
        libvirt_answers || as_root "libvirtd --daemon" || true
    fi
    local seconds
    for ((seconds = 0; seconds < LIBVIRT_SECONDS_MAX; seconds++)); do
        if libvirt_answers; then
            say "libvirt answers at $libvirt_uri"
            return 0
        fi
        sleep 1
    done
    say "libvirt does not answer at $libvirt_uri:" "$(virsh --connect "$libvirt_uri" version 2>&1)"
    return 1
}

# What guests reach others by until there is a bridge. Without it machines have no card.
have_network() {
    local state
    if ! state=$(virsh --quiet --connect "$libvirt_uri" net-info default 2>/dev/null); then
        say "libvirt has no network \"default\" here: machines get a card when there is a network"
        return 0
    fi
    if [[ $state =~ Active:\ +no ]]; then
        if ! virsh --quiet --connect "$libvirt_uri" net-start default; then
            say "libvirt's network \"default\" does not start, and machines get no card from it"
            return 0
        fi
        virsh --quiet --connect "$libvirt_uri" net-autostart default
    fi
    say "libvirt's network \"default\" is up"
}
