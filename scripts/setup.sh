#!/bin/sh
# Installs what building and testing needs, and nothing that is there already: the second run does nothing.
#
#   sh scripts/setup.sh          to build and run the tests
#   sh scripts/setup.sh all      to run every check of .ci/run as well
#
# Uses apt-get, as root or through sudo. Elsewhere it names what is missing, and fails unless that is
# Criterion alone: without it the tests use their own runner.
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

# by_hand <why>: names the packages, and lets the build go on if it can.
by_hand() {
    case $missing in
    " libcriterion-dev")
        echo "setup: $1, and there is no Criterion (libcriterion-dev): the tests will use their own runner"
        exit 0
        ;;
    esac
    echo "setup: $1; please install what these Debian packages hold:$missing" >&2
    case $missing in
    *libcriterion-dev*) echo "setup: libcriterion-dev may be missing: the tests have their own runner" >&2 ;;
    esac
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
[ -n "$packages" ] || exit 0
# shellcheck disable=SC2086
$root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages
