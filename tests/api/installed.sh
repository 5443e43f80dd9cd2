#!/bin/sh
# Installs the built library into a folder of its own, and builds and runs programs against it with
# what pkg-config says: in C, in C with -fexceptions, in C++; shared and static.
# Usage: installed.sh BUILD_DIR CC... -- CXX...
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$1
shift
cc=
while [ "$1" != -- ]; do
    cc="$cc $1"
    shift
done
shift
cxx=$*

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
DESTDIR="$work/root" meson install -C "$build" --no-rebuild --quiet

pc=$(find "$work/root" -name failfast.pc)
test -n "$pc" || { echo "no failfast.pc was installed"; exit 1; }
prefix=$(sed -n 's/^prefix=//p' "$pc")
sed -i "s|^prefix=.*|prefix=$work/root$prefix|" "$pc"
flags() {
    PKG_CONFIG_PATH=$(dirname "$pc") pkg-config "$@" failfast
}
libdir=$(flags --variable=libdir)

fail() {
    echo "FAILED: $*"
    exit 1
}

expect_no_unwind() {
    case $1 in *unwind*) fail "libunwind is on $2: $1" ;; esac
}

# Builds the program with the command given and runs it.
try() {
    what=$1
    shift
    "$@" || fail "$what: does not build"
    output=$(LD_LIBRARY_PATH="$libdir" "$work/program") || fail "$what: exit code $?"
    test "$output" = ok || fail "$what: it printed '$output'"
    echo "ok: $what"
}

expect_no_unwind "$(flags --libs)" "the shared link line"
test -f "$libdir/libfailfast.so" || fail "no libfailfast.so in $libdir"

# Flags are lists of words.
# shellcheck disable=SC2046,SC2086
{
    try "C, shared" $cc -std=c11 -D_XOPEN_SOURCE=700 -Wall -Wextra -Werror -pthread \
        "$here/program.c" -o "$work/program" $(flags --cflags --libs)
    expect_no_unwind "$(readelf -d "$work/program" | grep NEEDED)" "what the program needs"
    try "C with -fexceptions, shared" $cc -std=c11 -D_XOPEN_SOURCE=700 -fexceptions -pthread \
        "$here/program.c" -o "$work/program" $(flags --cflags --libs)
    try "C++, shared" $cxx -std=c++17 -Wall -Wextra -Werror -pthread -x c++ \
        "$here/program.c" -x none -o "$work/program" $(flags --cflags --libs)
    expect_no_unwind "$(readelf -d "$work/program" | grep NEEDED)" "what the C++ program needs"

    # Without the shared library beside it the static one is found.
    rm "$libdir"/libfailfast.so*
    try "C, static" $cc -std=c11 -D_XOPEN_SOURCE=700 -Wall -Wextra -Werror -pthread \
        "$here/program.c" -o "$work/program" $(flags --static --cflags --libs)
    try "C with -fexceptions, static" $cc -std=c11 -D_XOPEN_SOURCE=700 -fexceptions -pthread \
        "$here/program.c" -o "$work/program" $(flags --static --cflags --libs)
    try "C++, static" $cxx -std=c++17 -Wall -Wextra -Werror -pthread -x c++ \
        "$here/program.c" -x none -o "$work/program" $(flags --static --cflags --libs)
}
