#!/bin/sh
# Runs a program under Wine and ends with it:  cmake/wine.sh <wine> <program> [argument…]
#
# Services that Wine starts on demand keep the standard output and error of the program that needed them. Those
# are files here: who reads a pipe to its end would wait for the services.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -u
wine=$1
shift
told=$(mktemp -d) || exit 1
trap 'rm -rf "$told"' EXIT
"$wine" "$@" >"$told/output" 2>"$told/error" </dev/null
status=$?
cat "$told/output"
cat "$told/error" >&2
[ $status -eq 0 ] || [ -s "$told/output" ] || [ -s "$told/error" ] || echo "$1: ended with $status and no word" >&2
exit $status
