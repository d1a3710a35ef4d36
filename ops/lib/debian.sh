# shellcheck shell=bash
# shellcheck disable=SC2034 # the lists are read by the scripts that source this
#
# What Carrel needs of Debian 12, and how to have it. Sourced from the root of the repository.

# package and why
packages_to_build='
build-essential  links Rust, and compiles the C that some crates carry
ca-certificates  trusts the registry that crates are fetched from
clang            reads C headers for crates that bind to them
cmake            builds the C libraries that some crates carry
curl             fetches rustup, which Debian 12 does not package
git              fetches, and lists the files that are tidied
libvirt-dev      is what programs that ask libvirt are linked with
pkg-config       finds C libraries for crates that bind to them
'

# package and why
packages_to_run='
dnsmasq-base           gives guests their addresses
iproute2               makes their networks
libvirt-clients        looks at domains from outside
libvirt-daemon-system  runs domains
ovmf                   is the UEFI firmware of guests
qemu-system-x86        runs guests
qemu-utils             reads and writes disk images
swtpm                  is the TPM of guests
swtpm-tools            makes such a TPM when its guest is first started
'

# package and why
packages_to_demonstrate='
busybox-static    is all that the guest has
dosfstools        makes the file system that it boots from
jq                reads the JSON that Carrel writes
mtools            puts files into it without mounting it
qemu-guest-agent  answers from within it
syslinux          boots it
'

# package and why
packages_to_test='
busybox-static           is all that guests of tests have
chromium                 shows the page about the API, as a browser would to anybody
dnsmasq-base             gives guests of tests their addresses
dosfstools               makes the file system that guests of tests boot from
genisoimage              has isoinfo, which reads the CD that a guest learns its name from
iproute2                 gives each libvirtd of a test a network of its own
jq                       reads the JSON that Carrel and cargo write
libvirt-clients          looks at domains from outside, and knows the schema of their XML
libvirt-daemon-system    runs domains, in tests one for each
mtools                   puts files into their file system without mounting it
ovmf                     is the UEFI firmware of guests
openssl                  judges certificates, as viewers would
python3-venv             has a place for the tool that asks the API with random data
postgresql               has the server that tests start for themselves, on ports of their own
qemu-guest-agent         answers from within a guest
qemu-system-x86          runs guests
qemu-utils               reads and writes disk images
strace                   shows which system calls the log makes, and in which order
swtpm                    is the TPM of guests
swtpm-tools              makes such a TPM when its guest is first started
syslinux                 boots guests of tests
virt-viewer              has remote-viewer, which opens a desktop as people do
xfsprogs                 makes a file system on which copies share blocks
xvfb                     is the screen that a viewer shows it on
'

# package and why
packages_to_test_slowly='
apparmor           reads the rule that the package of Carrel has for it
lintian            knows what a package should be like
protobuf-compiler  turns a protocol into code, for a peer that the load test is built with
shellcheck         reads the scripts that the package runs on a host
systemd            looks at the unit of Carrel, and starts it where the package is tried
systemd-container  has that in a root of its own
'

say() {
    printf '%s\n' "$@"
}

# Installs what is missing of lists like those above. Touches nothing when all is there.
have_packages() {
    local package why missing=()
    if ! command -v dpkg-query >/dev/null; then
        say "This is not Debian: expecting that these, or their like, are installed:"
        grep . <<<"$*"
        return 0
    fi
    while read -r package why; do
        if [[ -n $package && $(package_state "$package") != installed ]]; then
            say "missing: $package, which $why"
            missing+=("$package")
        fi
    done <<<"$*"
    if ((${#missing[@]} == 0)); then
        say "nothing is missing"
        return 0
    fi
    local install="DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install --yes"
    install+=" --no-install-recommends"
    as_root "apt-get update"
    as_root "$install ${missing[*]}" && return 0
    # One that is there from another release may be in the way of its kin.
    say "once more, with what is there as this release has it"
    as_root "$install --allow-downgrades ${missing[*]} $(as_released "$*")"
}

# Those of a list that are there in a version which no archive has, with the version that one has.
as_released() {
    local package why there has
    while read -r package why; do
        [[ $(package_state "$package") == installed ]] || continue
        there=$(dpkg-query --show --showformat '${Version}' "$package")
        has=$(apt-cache madison "$package" | awk '{ print $3 }')
        if [[ -n $has ]] && ! grep --quiet --line-regexp --fixed-strings "$there" <<<"$has"; then
            printf '%s=%s ' "$package" "$(head -n 1 <<<"$has")"
        fi
    done <<<"$*"
}

package_state() {
    # An unknown package has no state, which is all there is to know about it.
    dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null || true
}

as_root() {
    if ((EUID == 0)); then
        bash -c "$1"
    elif command -v sudo >/dev/null; then
        sudo bash -c "$1"
    else
        say "This needs root, and there is no sudo. As root, run" "$1" >&2
        return 1
    fi
}

# The version of rustup that is fetched where there is none.
rustup_version=1.29.0

# What rustup put into its usual place comes before any other cargo, whatever PATH says.
find_rust() {
    local bin=${CARGO_HOME:-$HOME/.cargo}/bin
    if [[ -x $bin/cargo && $(command -v cargo) != "$bin/cargo" ]]; then
        PATH="$bin:$PATH"
    fi
}

# Rust as rust-toolchain.toml asks for it. Where there is no rustup, another cargo will do if it is
# new enough. Touches nothing when all is there.
have_rust() {
    local wanted list components
    wanted=$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)
    list=$(sed -n 's/^components = \[\(.*\)\]$/\1/p' rust-toolchain.toml)
    read -ra components <<<"${list//[\",]/}"
    find_rust
    if command -v rustup >/dev/null || ! cargo_will_do "$wanted"; then
        have_toolchain "$wanted" "${components[@]}" || return 1
    fi
    cargo --version || return 1
    if ! cargo --version | grep --quiet --fixed-strings "cargo $wanted"; then
        say "This is not Rust $wanted, which rust-toolchain.toml asks for and only rustup heeds."
    fi
}

# Whether there is a cargo of this version or a later one, with what else the checks call.
cargo_will_do() {
    local there
    there=$(cargo --version 2>/dev/null) || return 1
    there=$(cut -d ' ' -f 2 <<<"$there")
    if [[ $(printf '%s\n' "$1" "$there" | sort --version-sort | head -n 1) != "$1" ]]; then
        say "cargo $there is older than $1"
        return 1
    fi
    cargo clippy --version && cargo fmt --version
} >&2

# A toolchain with these components, by rustup, which is fetched if there is none. Asks no network
# when all is there.
have_toolchain() {
    local toolchain=$1 component there missing=() wanted=()
    shift
    command -v rustup >/dev/null || install_rustup || no_rust "rustup $rustup_version" || return 1
    # Asked for a toolchain that is not there, rustup would fetch it, without these components.
    there=$(RUSTUP_AUTO_INSTALL=0 rustup component list --toolchain "$toolchain" --installed \
        2>/dev/null || true)
    for component in rustc "$@"; do
        grep --quiet "^$component-" <<<"$there" || missing+=("$component")
    done
    if ((${#missing[@]} == 0)); then
        say "Rust $toolchain is there, by rustup"
        return 0
    fi
    say "missing of Rust $toolchain: ${missing[*]}"
    for component in "$@"; do
        wanted+=(--component "$component")
    done
    rustup toolchain install "$toolchain" --profile minimal --no-self-update "${wanted[@]}" ||
        no_rust "Rust $toolchain"
}

# Into the home directory, and no file of a shell is changed.
install_rustup() {
    local machine from into status=0
    machine=$(uname -m)-unknown-linux-gnu
    from=${RUSTUP_UPDATE_ROOT:-https://static.rust-lang.org/rustup}
    from=$from/archive/$rustup_version/$machine/rustup-init
    say "there is no rustup: fetching $from"
    into=$(mktemp --directory --tmpdir carrel-rustup-XXXXXXXX) || return 1
    fetch_rustup "$from" "$into/rustup-init" &&
        RUSTUP_INIT_SKIP_PATH_CHECK=yes "$into/rustup-init" -y --no-modify-path --profile minimal \
            --default-toolchain none >/dev/null || status=1
    rm -rf "$into"
    find_rust
    return "$status"
}

fetch_rustup() {
    local file
    for file in "" .sha256; do
        curl --fail --silent --show-error --retry 3 --output "$2$file" "$1$file" || return 1
    done
    # Some versions say the name of a file as well, which is none of ours.
    printf '%s  %s\n' "$(cut -d ' ' -f 1 "$2.sha256")" "$2" | sha256sum --check --quiet || return 1
    chmod +x "$2"
}

no_rust() {
    say "" "$1 could not be installed. Run this again when the network is there; or set" \
        "RUSTUP_UPDATE_ROOT and RUSTUP_DIST_SERVER to a mirror that this machine can reach; or put a" \
        "cargo on PATH that is as new as rust-toolchain.toml says, with clippy and rustfmt."
    return 1
} >&2
