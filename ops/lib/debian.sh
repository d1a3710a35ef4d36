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
pkg-config       finds C libraries for crates that bind to them
'

# package and why
packages_to_test='
jq               reads the JSON that Carrel and cargo write
postgresql       has the server that tests start for themselves, on ports of their own
strace           shows which system calls the log makes, and in which order
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
    local install="apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends"
    as_root "apt-get update && DEBIAN_FRONTEND=noninteractive $install ${missing[*]}"
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

# Where rustup puts cargo, for shells that have not read its profile.
find_rust() {
    if ! command -v cargo >/dev/null && [[ -x ${CARGO_HOME:-$HOME/.cargo}/bin/cargo ]]; then
        PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    fi
}

# With rustup, the first call of cargo installs what rust-toolchain.toml asks for.
have_rust() {
    local wanted
    wanted=$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)
    if ! command -v cargo >/dev/null; then
        say "There is no cargo. Install rustup, and run this again: it takes Rust $wanted by itself." >&2
        say "rustup is a package of Debian from 13 on; for Debian 12 see https://rustup.rs" >&2
        return 1
    fi
    cargo --version || return 1
    if ! cargo --version | grep --quiet --fixed-strings "cargo $wanted"; then
        say "This is not Rust $wanted, which rust-toolchain.toml asks for and only rustup heeds."
    fi
}
