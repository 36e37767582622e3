#!/bin/sh
# Installs into a temporary folder and looks at the result as users and distributors will:
#
#  - the public symbols are the same in the headers, in the version map and in the shared library, for bide and
#    for bide-countdown;
#  - every global of the static libraries begins with bide_;
#  - the shared libraries have their sonames; libbide stays loaded, and needs nothing but libc; libbide-countdown
#    needs nothing but cJSON besides, and is left out together with its headers when it is not wanted;
#  - gdb finds what it needs to know of tasks by the name of the library, wherever that is installed;
#  - each public function and each header has a manual page, in which nothing is wrong;
#  - a program builds and runs through find_package, pkg-config and add_subdirectory, shared and static; one
#    in C++ does too;
#  - all of that without tests, without Criterion, without pkg-config in CMake, and offline.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."
LC_ALL=C
export LC_ALL

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source=$(pwd)
prefix=$work/prefix
warnings="-std=c11 -Wall -Wextra -Wpedantic -Werror"

fail() {
    echo "check-package: $*" >&2
    exit 1
}

# same <what> <file> <what> <file>: both lists are equal.
same() {
    diff "$2" "$4" >"$work/diff" || {
        cat "$work/diff" >&2
        fail "symbols differ: < $1, > $3"
    }
}

quietly() {
    "$@" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        fail "failed: $*"
    }
}

# --- install ------------------------------------------------------------------------------------------------

quietly cmake -G Ninja -S . -B "$work/build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_LIBDIR=lib \
    -DBIDE_BUILD_TESTS=OFF -DBIDE_BUILD_EXAMPLES=OFF -DFETCHCONTENT_FULLY_DISCONNECTED=ON \
    -DCMAKE_DISABLE_FIND_PACKAGE_Criterion=ON -DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON
quietly cmake --build "$work/build" --parallel "$(nproc)"
quietly cmake --install "$work/build" --prefix "$prefix"

# --- symbols ------------------------------------------------------------------------------------------------

# symbols <library> <map> <header>…: the same ones in all three places, and no foreign ones.
symbols() {
    library=$1
    map=$2
    shift 2
    # Everything between BIDE_API and the first parenthesis; the name stands last.
    cat "$@" | grep -v '^ *#' | tr '\n' ' ' | grep -o 'BIDE_API [^(;]*[(;]' |
        sed -e 's/[(;]$//' -e 's/.*[ *]//' | sort >"$work/headers"
    sed -n 's/^ *\(bide_[a-z0-9_]*\);$/\1/p' "$map" | sort >"$work/map"
    nm -D --defined-only "$prefix/lib/$library.so" | awk '$2 != "A" { sub("@.*", "", $3); print $3 }' |
        sort >"$work/shared"
    same headers "$work/headers" "$map" "$work/map"
    same "$map" "$work/map" "$library.so" "$work/shared"
    cat "$work/map" >>"$work/functions"

    nm -g --defined-only "$prefix/lib/$library.a" | awk 'NF == 3 && $3 !~ /^bide_/ { print $3 }' >"$work/foreign"
    [ ! -s "$work/foreign" ] || fail "globals of $library.a without bide_: $(tr '\n' ' ' <"$work/foreign")"

    readelf -d "$prefix/lib/$library.so" >"$work/dynamic"
    grep -q "SONAME.*\[$library\.so\.[0-9][0-9.]*\]" "$work/dynamic" || fail "$library.so has no soname"
    needed=$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' "$work/dynamic" | grep -v '^libc\.' | tr '\n' ' ')
    echo "$(wc -l <"$work/map") public symbols, the same in the headers, $map and $library"
}

find "$prefix/include/bide" -name '*.h' ! -name 'sansio*.h' ! -name countdown.h >"$work/core"
# shellcheck disable=SC2046
symbols libbide src/bide.map $(cat "$work/core")
grep -q 'NODELETE' "$work/dynamic" || fail "not marked nodelete"
[ -z "$needed" ] || fail "libbide.so needs $needed"
symbols libbide-countdown src/countdown.map "$prefix"/include/bide/sansio.h "$prefix"/include/bide/countdown.h
case $needed in
libcjson.so.*) [ "$(echo "$needed" | wc -w)" -eq 1 ] || fail "libbide-countdown.so needs $needed" ;;
*) fail "libbide-countdown.so does not need cJSON, but $needed" ;;
esac

# --- gdb ----------------------------------------------------------------------------------------------------

auto_load=$prefix/share/gdb/auto-load
library=$(readlink -f "$prefix/lib/libbide.so")
[ -e "$auto_load$library-gdb.py" ] || fail "no script for gdb at $auto_load$library-gdb.py"
DESTDIR=$work/staged quietly cmake --install "$work/build" --prefix /opt/bide
[ -e "$work/staged/opt/bide/share/gdb/auto-load/opt/bide/lib/$(basename "$library")-gdb.py" ] ||
    fail "no script for gdb below DESTDIR"
echo "gdb finds the script beside ${library##*/}"

# --- manual pages -------------------------------------------------------------------------------------------

pages=$prefix/share/man/man3
while read -r name; do
    [ -e "$pages/$name.3" ] || fail "no manual page for $name"
done <"$work/functions"
for header in "$prefix"/include/bide/*.h; do
    [ -e "$pages/bide_$(basename "$header").3" ] || fail "no manual page for $header"
done
# Style is left alone: it has its opinions on long lines of code.
mandoc -Tlint -Wwarning "$pages"/*.3 "$prefix"/share/man/man1/*.1 >"$work/lint" 2>&1 || :
[ ! -s "$work/lint" ] || {
    head -n 20 "$work/lint" >&2
    fail "mandoc complains"
}
for name in bide bide_read bide_tcp_connect bide_io_read bide_async.h; do
    MANPATH=$prefix/share/man man -w 3 "$name" >"$work/log" 2>&1 || fail "man does not find $name"
    MANPATH=$prefix/share/man MANROFFOPT='' man --warnings=w -P cat 3 "$name" >"$work/page" 2>"$work/log"
    grep -q "$name" "$work/page" || fail "the manual page of $name does not name it"
    [ ! -s "$work/log" ] || fail "man complains about $name: $(head -n 3 "$work/log")"
done
echo "$(find "$pages" -type f | wc -l) manual pages for every function and header"

# --- programs -----------------------------------------------------------------------------------------------

# The consumer, built by CMake with the given options, runs.
by_cmake() {
    rm -rf "$work/consumer"
    quietly cmake -G Ninja -S tests/package -B "$work/consumer" -DCMAKE_PREFIX_PATH="$prefix" "$@"
    quietly cmake --build "$work/consumer" --parallel "$(nproc)"
    quietly "$work/consumer/consumer"
    quietly "$work/consumer/countdown"
}

# is_linked <program> <yes|no>: whether the program loads the shared library.
is_linked() {
    if readelf -d "$1" | grep -q 'NEEDED.*libbide\.'; then linked=yes; else linked=no; fi
    [ "$linked" = "$2" ] || fail "$1: linked with the shared library: $linked, expected: $2"
}

by_cmake -DBIDE_TARGET=bide::static -DBIDE_COUNTDOWN_TARGET=bide::countdown_static
is_linked "$work/consumer/consumer" no
by_cmake -DBIDE_TARGET=bide::shared -DBIDE_COUNTDOWN_TARGET=bide::countdown_shared
is_linked "$work/consumer/consumer" yes
by_cmake -DBUILD_SHARED_LIBS=ON
is_linked "$work/consumer/consumer" yes
by_cmake -DBUILD_SHARED_LIBS=OFF
is_linked "$work/consumer/consumer" no
by_cmake -DBIDE_SOURCES="$source"
is_linked "$work/consumer/consumer" no
by_cmake -DBIDE_SOURCES="$source" -DBUILD_SHARED_LIBS=ON
is_linked "$work/consumer/consumer" yes

PKG_CONFIG_PATH=$prefix/lib/pkgconfig
export PKG_CONFIG_PATH
version=$(pkg-config --modversion bide)
grep -q "set(PACKAGE_VERSION \"$version\")" "$prefix/lib/cmake/bide/bideConfigVersion.cmake" ||
    fail "bide.pc has another version than the CMake package"
# shellcheck disable=SC2046,SC2086
quietly gcc $warnings tests/package/consumer.c -o "$work/by-pc" $(pkg-config --cflags --libs bide)
is_linked "$work/by-pc" yes
LD_LIBRARY_PATH=$prefix/lib quietly "$work/by-pc"
# shellcheck disable=SC2046,SC2086
quietly gcc $warnings -static tests/package/consumer.c -o "$work/by-pc" \
    $(pkg-config --static --cflags --libs bide)
quietly "$work/by-pc"
# shellcheck disable=SC2046,SC2086
quietly gcc $warnings tests/package/countdown.c -o "$work/by-pc" $(pkg-config --cflags --libs bide-countdown)
is_linked "$work/by-pc" no
LD_LIBRARY_PATH=$prefix/lib quietly "$work/by-pc"
# shellcheck disable=SC2046,SC2086
quietly gcc $warnings -c examples/common.c -o "$work/common.o" $(pkg-config --cflags bide)
# shellcheck disable=SC2046
quietly g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror examples/cpp_consumer.cpp "$work/common.o" \
    -o "$work/by-cpp" $(pkg-config --cflags --libs bide)
LD_LIBRARY_PATH=$prefix/lib quietly "$work/by-cpp" --help

# --- without bide-countdown ---------------------------------------------------------------------------------

quietly cmake -S . -B "$work/build" -DBIDE_COUNTDOWN=OFF
quietly cmake --build "$work/build" --parallel "$(nproc)"
quietly cmake --install "$work/build" --prefix "$work/bare"
for left in include/bide/sansio.h include/bide/countdown.h lib/libbide-countdown.a lib/pkgconfig/bide-countdown.pc \
    bin/bide-countdown share/man/man3/bide_countdown_init.3 share/man/man1/bide-countdown.1 \
    share/bash-completion/completions/bide-countdown; do
    [ -e "$prefix/$left" ] || fail "no $left"
    [ ! -e "$work/bare/$left" ] || fail "$left although bide-countdown was not wanted"
done
[ -e "$work/bare/include/bide.h" ] || fail "no bide.h without bide-countdown"
echo "programs build and run through find_package, add_subdirectory and pkg-config, shared and static"
