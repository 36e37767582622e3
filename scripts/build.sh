#!/bin/sh
# Builds a preset of CMakePresets.json into build/<preset>, after installing what that needs.
#
#   sh scripts/build.sh <preset> [<target>…]
#
# A folder that is configured already is only brought up to date.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."

preset=$1
shift
sh scripts/setup.sh
[ -e "build/$preset/CMakeCache.txt" ] || cmake --preset "$preset"
if [ $# -gt 0 ]; then
    cmake --build "build/$preset" --parallel "$(nproc)" --target "$@"
else
    cmake --build "build/$preset" --parallel "$(nproc)"
fi
