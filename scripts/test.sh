#!/bin/sh
# Builds and runs all tests: installs what is missing, shows its progress, ends with CTest's summary.
#
#   sh scripts/test.sh                  the preset dev, which has the checks for misuse
#   sh scripts/test.sh asan             another preset: release, asan, tsan
#   sh scripts/test.sh dev -R timer     further arguments go to ctest
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."

preset=${1-dev}
[ $# -eq 0 ] || shift
sh scripts/build.sh "$preset"

# The thread sanitizer of some compilers cannot bear the address randomisation of some kernels: then without.
runner=
if [ "$preset" = tsan ] && ! "build/tsan/tests/test_support" --list >/dev/null 2>&1; then
    runner="setarch $(uname -m) -R"
fi
exec $runner ctest --test-dir "build/$preset" --output-on-failure --parallel "$(nproc)" "$@"
