#!/bin/sh
# Lays out all C and C++ files as .clang-format says; with --check it only tells which are not.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."

format=$(sh scripts/tool.sh clang-format)
case "${1-}" in
--check) set -- --dry-run -Werror ;;
*) set -- -i ;;
esac
git ls-files -z -- '*.c' '*.h' '*.cpp' '*.hpp' | xargs -0 "$format" --style=file "$@"
