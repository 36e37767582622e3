#!/bin/sh
# Builds and runs all tests: installs what is missing, shows its progress, ends with CTest's summary.
#
#   sh scripts/test.sh                  the preset dev, which asserts the invariants
#   sh scripts/test.sh asan             another preset: release, asan, tsan
#   sh scripts/test.sh dev -R timer     further arguments go to ctest
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."

preset=${1-dev}
[ $# -eq 0 ] || shift

# Compilers up to gcc 13 and clang 17 have a thread sanitizer that cannot bear more than 28 bits of address
# randomisation, which newer kernels use: then its programs, which the build runs too, go without.
run=
if [ "$preset" = tsan ] && [ "$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28)" -gt 28 ] &&
    setarch "$(uname -m)" -R true 2>/dev/null; then
    run="setarch $(uname -m) -R"
fi
$run sh scripts/build.sh "$preset"
exec $run ctest --test-dir "build/$preset" --output-on-failure --parallel "$(nproc)" "$@"
