#!/bin/sh
# Prints the command for one of clang's tools: version 14 if it is there, since others format and warn
# differently, otherwise what the system has.
#
#   $(sh scripts/tool.sh clang-format) --version
#
# SPDX-License-Identifier: MIT OR Apache-2.0
command -v "$1-14" || command -v "$1" || {
    echo "no $1 here: sh scripts/setup.sh all" >&2
    exit 1
}
