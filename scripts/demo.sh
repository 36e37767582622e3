#!/bin/sh
# Builds the demonstration as users would, with optimisation, and runs it: installs what is missing.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."

sh scripts/build.sh release bide_example_demo
exec build/release/examples/demo "$@"
