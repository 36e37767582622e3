#!/bin/sh
# Compiles each public header alone, twice included, as C11, C++11 and C++20, with every warning an error.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."

clang=$(sh scripts/tool.sh clang)
checked=0

# check <header> <language> <standard> <compiler>
check() {
    printf '#include <%s>\n#include <%s>\n' "$1" "$1" |
        "$4" -x "$2" -std="$3" -Wall -Wextra -pedantic -Wundef -Werror -fsyntax-only -Iinclude - || {
        echo "$1 is no clean $3 for $4" >&2
        exit 1
    }
    checked=$((checked + 1))
}

for path in include/bide.h include/bide/*.h; do
    header=${path#include/}
    for compiler in gcc "$clang"; do
        check "$header" c c11 "$compiler"
    done
    for standard in c++11 c++20; do
        check "$header" c++ "$standard" g++
        check "$header" c++ "$standard" "$clang"
    done
done
echo "$checked compilations of $(ls include/bide.h include/bide/*.h | wc -l) headers, all clean"
