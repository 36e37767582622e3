#!/bin/sh
# Fuzzes the server's and the client's coroutine of the countdown with libFuzzer, under the address and
# undefined-behaviour sanitizers: first everything in tests/fuzz/corpus, then new inputs for so many seconds each.
# Needs clang and cJSON: sh scripts/setup.sh all.
#
#   sh scripts/fuzz.sh               60 seconds each
#   sh scripts/fuzz.sh 600 server    one of them, longer
#
# An input that breaks something is left in build/fuzz, and its name printed: run build/fuzz/<target> on it.
# New inputs that reach further are in build/fuzz/<target>.corpus; to keep the best of them:
#
#   build/fuzz/server -merge=1 tests/fuzz/corpus/server build/fuzz/server.corpus
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."

seconds=${1-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- server client
clang=$(sh scripts/tool.sh clang)
folder=build/fuzz
mkdir -p "$folder"

for target in "$@"; do
    # shellcheck disable=SC2046
    "$clang" -std=c11 -g -O1 -Wall -Wextra -Werror -DBIDE_DEBUG=1 -fsanitize=fuzzer,address,undefined \
        -fno-sanitize-recover=all -Iinclude -Isrc -o "$folder/$target" "tests/fuzz/$target.c" \
        src/sansio/*.c src/countdown/*.c -lcjson
    mkdir -p "$folder/$target.corpus"
    echo "fuzz: $target for $seconds s"
    "$folder/$target" -max_total_time="$seconds" -max_len=4096 -timeout=5 -rss_limit_mb=1024 \
        -dict=tests/fuzz/json.dict -artifact_prefix="$folder/$target-" -print_final_stats=1 \
        "$folder/$target.corpus" "tests/fuzz/corpus/$target" >"$folder/$target.log" 2>&1 || {
        tail -n 60 "$folder/$target.log" >&2
        echo "fuzz: $target broke; see $folder" >&2
        exit 1
    }
    sed -n -e 's/^stat::number_of_executed_units: *\(.*\)/fuzz: \1 inputs, nothing broke/p' "$folder/$target.log"
done
