# Shared by the scripts of tools/: sourced, not run. Finds the root of the tree and installs missing
# Debian packages. Works for root and by sudo, with and without a terminal.
# shellcheck shell=sh

ff_root=$(cd "$(dirname "$0")/.." && pwd)
ff_script=$(basename "$0")

ff_say() {
    printf '%s: %s\n' "$ff_script" "$*"
}

ff_die() {
    ff_say "$*" >&2
    exit 1
}

ff_as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else
        ff_die "root is needed for: $*"
    fi
}

# Of the packages given, those that are not installed.
ff_missing() {
    for ff_package; do
        case $(dpkg-query --show --showformat='${db:Status-Status}' "$ff_package" 2>/dev/null) in
        installed) ;;
        *) printf '%s ' "$ff_package" ;;
        esac
    done
}

# ff_need WHY PACKAGE...: installs what is missing. On other systems it only says what is needed, and
# the build tells what it does not find.
ff_need() {
    ff_why=$1
    shift
    if ! command -v dpkg-query >/dev/null 2>&1; then
        ff_say "this is no Debian system; needed $ff_why, under Debian's names: $*"
        return 0
    fi
    ff_wanted=$(ff_missing "$@")
    [ -n "$ff_wanted" ] || return 0
    ff_say "installing with apt-get, $ff_why: $ff_wanted"
    ff_log=$(mktemp)
    # ff_wanted is a list of words.
    # shellcheck disable=SC2086
    if ! { ff_as_root apt-get update -q &&
        ff_as_root apt-get install -q -y --no-install-recommends $ff_wanted; } \
        >"$ff_log" 2>&1 </dev/null; then
        cat "$ff_log" >&2
        rm -f "$ff_log"
        ff_die "could not install: $ff_wanted"
    fi
    rm -f "$ff_log"
}

# What the library and its examples need to be built.
ff_need_build() {
    ff_need "to build" gcc libc6-dev libunwind-dev meson ninja-build pkg-config python3
}

# ff_build DIRECTORY [MESON_ARGUMENT...]: configures the directory unless it is, and builds.
ff_build() {
    ff_dir=$1
    shift
    if [ ! -f "$ff_dir/build.ninja" ]; then
        meson setup "$ff_dir" "$ff_root" "$@" || return 1
    fi
    ninja -C "$ff_dir"
}
