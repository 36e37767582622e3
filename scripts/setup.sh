#!/bin/sh
# Installs what building and testing needs, and nothing that is there already: the second run does nothing.
#
#   sh scripts/setup.sh          to build and run the tests
#   sh scripts/setup.sh all      to run every check of .ci/run as well
#   sh scripts/setup.sh bench    to measure side by side with peers (scripts/bench.sh)
#
# Uses apt-get, as root or through sudo. Elsewhere it names what is missing, and fails unless the build can do
# without it: see without().
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu

# has <command>: it can be run.
has() {
    command -v "$1" >/dev/null 2>&1
}

# The language tools are pinned to one version where it can be had, because their opinions change: see
# tool.sh.
missing=
want() {
    missing="$missing $1"
}
has gcc || want gcc
[ -e /usr/include/stdio.h ] || want libc6-dev
has cmake || want cmake
has ninja || want ninja-build
[ -e /usr/include/criterion/criterion.h ] || want libcriterion-dev
[ -e /usr/include/http_parser.h ] || want libhttp-parser-dev
[ -e /usr/include/ev.h ] || want libev-dev
[ -e /usr/include/uv.h ] || want libuv1-dev
[ -e /usr/include/event2/event.h ] || want libevent-dev
[ -d /usr/include/glib-2.0 ] || want libglib2.0-dev
[ -e /usr/include/openssl/ssl.h ] || want libssl-dev
[ -e /usr/include/cjson/cJSON.h ] || want libcjson-dev
has openssl || want openssl

if [ "${1-}" = all ] || [ "${1-}" = bench ]; then
    has python3 || want python3
    has taskset || want util-linux
    has strace || want strace
fi
if [ "${1-}" = bench ]; then
    has gnuplot || want gnuplot-nox
    [ -e /usr/include/boost/context/detail/fcontext.hpp ] || want libboost-context-dev
    has wrk || want wrk
    # Debian 12 has a cargo that reads no lock file of today beside the one that it builds browsers with.
    has cargo || want cargo-web
    has go || want golang-go
fi

if [ "${1-}" = all ]; then
    has g++ || want g++
    has nm || want binutils
    has pkg-config || want pkg-config
    has setarch || want util-linux
    has spin || want spin
    has doxygen || want doxygen
    has man || want man-db
    has mandoc || want mandoc
    has clang-14 || has clang || want clang-14
    has clang-tidy-14 || has clang-tidy || want clang-tidy-14
    has clang-format-14 || has clang-format || want clang-format-14
    # libFuzzer and the sanitizers of clang.
    [ -e "$(clang-14 -print-file-name=libclang_rt.fuzzer-$(uname -m).a 2>/dev/null)" ] ||
        [ -e "$(clang -print-file-name=libclang_rt.fuzzer-$(uname -m).a 2>/dev/null)" ] || want libclang-rt-14-dev
    # What the tests of connections and of http_get have at the other end. They skip what is not there.
    has ip || want iproute2
    has socat || want socat
    has nc || want netcat-openbsd
    has gdb || want gdb
    [ -e /usr/include/valgrind/callgrind.h ] || want valgrind
    has curl || want curl
    [ -x /usr/sbin/nginx ] || want nginx-light
fi

[ -n "$missing" ] || exit 0

# without <package>: tells what becomes of a build that lacks it, and fails if that is nothing.
without() {
    case $1 in
    libcriterion-dev) echo "setup: no Criterion ($1): the tests will use their own runner" ;;
    libhttp-parser-dev) echo "setup: no http_parser ($1): the examples http_get and http_server will not be built" ;;
    libev-dev) echo "setup: no libev ($1): embed_libev and a server of docs/migrating.md will not be built" ;;
    libuv1-dev) echo "setup: no libuv ($1): a server of docs/migrating.md will not be built" ;;
    libevent-dev) echo "setup: no libevent ($1): a server of docs/migrating.md will not be built" ;;
    libglib2.0-dev) echo "setup: no GLib ($1): the example embed_glib will not be built" ;;
    libcjson-dev) echo "setup: no cJSON ($1): the library bide-countdown and its program will not be built" ;;
    libclang-rt-14-dev) echo "setup: no $1: clang may bring libFuzzer itself" ;;
    libboost-context-dev) echo "setup: no boost.context ($1): no peer for the switch of tasks" ;;
    wrk) echo "setup: no $1: no workload by HTTP" ;;
    cargo-web) echo "setup: no cargo: no peers in Rust" ;;
    golang-go) echo "setup: no Go ($1): no peers in Go" ;;
    gnuplot-nox) echo "setup: no gnuplot ($1): no charts of what is measured" ;;
    libssl-dev) echo "setup: no OpenSSL ($1): the examples for TLS will not be built" ;;
    openssl | iproute2 | python3 | socat | netcat-openbsd | gdb | curl | nginx-light) echo "setup: no $1: some tests will be skipped" ;;
    *) return 1 ;;
    esac
}

# by_hand <why>: names the packages, and lets the build go on if it can.
by_hand() {
    needed=
    for package in $missing; do
        without "$package" || needed="$needed $package"
    done
    [ -n "$needed" ] || exit 0
    echo "setup: $1; please install what these Debian packages hold:$needed" >&2
    exit 1
}

has apt-get || by_hand "this system has no apt-get"
if [ "$(id -u)" -eq 0 ]; then
    root=
elif has sudo; then
    root=sudo
else
    by_hand "neither root nor sudo"
fi

echo "setup: installing$missing"
$root apt-get update -q || by_hand "apt-get update has failed"
packages=
for package in $missing; do
    if apt-cache show "$package" >/dev/null 2>&1; then
        packages="$packages $package"
        continue
    fi
    plain=${package%-14}
    plain=${plain%-web}
    if [ "$plain" != "$package" ] && apt-cache show "$plain" >/dev/null 2>&1; then
        packages="$packages $plain"
    elif ! without "$package"; then
        echo "setup: this release has no package $package" >&2
        exit 1
    fi
done
[ -n "$packages" ] || exit 0
# shellcheck disable=SC2086
$root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages ||
    by_hand "apt-get install has failed"
