#!/bin/sh
# Installs what building and testing needs, and nothing that is there already: the second run does nothing.
#
#   sh scripts/setup.sh          to build and run the tests
#   sh scripts/setup.sh all      to run every check of .ci/run as well
#
# Uses apt-get, as root or through sudo. On other systems it names what is missing and fails.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu

# has <command>: it can be run.
has() {
    command -v "$1" >/dev/null 2>&1
}

# The language tools are pinned to one version where it can be had, because their opinions change: see tool.sh.
missing=
want() {
    missing="$missing $1"
}
has gcc || want gcc
[ -e /usr/include/stdio.h ] || want libc6-dev
has cmake || want cmake
has ninja || want ninja-build
[ -e /usr/include/criterion/criterion.h ] || want libcriterion-dev

if [ "${1-}" = all ]; then
    has g++ || want g++
    has nm || want binutils
    has pkg-config || want pkg-config
    has setarch || want util-linux
    has spin || want spin
    has doxygen || want doxygen
    has clang-14 || has clang || want clang-14
    has clang-tidy-14 || has clang-tidy || want clang-tidy-14
    has clang-format-14 || has clang-format || want clang-format-14
fi

[ -n "$missing" ] || exit 0

if ! has apt-get; then
    echo "setup: this system has no apt-get; please install what these Debian packages hold:$missing" >&2
    exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
    root=
elif has sudo; then
    root=sudo
else
    echo "setup: neither root nor sudo; please have these packages installed:$missing" >&2
    exit 1
fi

echo "setup: installing$missing"
$root apt-get update -q
packages=
for package in $missing; do
    if apt-cache show "$package" >/dev/null 2>&1; then
        packages="$packages $package"
        continue
    fi
    plain=${package%-14}
    if [ "$plain" != "$package" ] && apt-cache show "$plain" >/dev/null 2>&1; then
        packages="$packages $plain"
    elif [ "$package" = libcriterion-dev ]; then
        echo "setup: this release has no Criterion; the tests will use their own runner"
    else
        echo "setup: this release has no package $package" >&2
        exit 1
    fi
done
# shellcheck disable=SC2086
[ -z "$packages" ] || $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages
