#!/bin/sh
# Compiles each public header alone, twice included, as C11, C++11 and C++20, with every warning an error. Of those in
# bide/os each is for its system: kqueue.h is told that there is a kqueue(2), windows.h needs MinGW (mingw-w64, which
# scripts/test-windows.sh installs), and is left out without; so is what Microsoft's compiler would say. Ends with what
# was compiled.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."

clang=$(sh scripts/tool.sh clang)
checked=0

# check <header> <language> <standard> <compiler> [<option>…]
check() {
    header=$1 language=$2 standard=$3 compiler=$4
    shift 4
    printf '#include <%s>\n#include <%s>\n' "$header" "$header" |
        "$compiler" -x "$language" -std="$standard" -Wall -Wextra -pedantic -Wundef -Werror -fsyntax-only \
            -Iinclude "$@" - || {
        echo "$header is no clean $standard for $compiler" >&2
        exit 1
    }
    checked=$((checked + 1))
}

# check_all <header> [<option>…]
check_all() {
    header=$1
    shift
    for compiler in gcc "$clang"; do
        check "$header" c c11 "$compiler" "$@"
    done
    for standard in c++11 c++20; do
        check "$header" c++ "$standard" g++ "$@"
        check "$header" c++ "$standard" "$clang" "$@"
    done
    headers=$((headers + 1))
}

headers=0
for path in include/bide.h include/bide/*.h; do
    check_all "${path#include/}"
done
check_all bide/os/platform.h
check_all bide/os/kqueue.h -DBIDE_WITH_KQUEUE=1
mingw=x86_64-w64-mingw32
if command -v $mingw-gcc >/dev/null 2>&1; then
    check bide/os/windows.h c c11 $mingw-gcc
    headers=$((headers + 1))
else
    echo "skipped: bide/os/windows.h: no MinGW here"
fi
if command -v $mingw-g++ >/dev/null 2>&1; then
    for standard in c++11 c++20; do
        check bide/os/windows.h c++ $standard $mingw-g++
    done
else
    echo "skipped: bide/os/windows.h in C++: no MinGW for that here"
fi
# For Microsoft's compiler, as clang takes it off, with MinGW's C library for want of the other. sansio_run.h is POSIX'.
if [ -d /usr/$mingw/include ]; then
    for path in include/bide.h include/bide/*.h include/bide/os/windows.h; do
        [ "$path" != include/bide/sansio_run.h ] || continue
        for language in 'c c11' 'c++ c++14'; do
            # shellcheck disable=SC2086
            check "${path#include/}" $language "$clang" --target=x86_64-pc-windows-msvc \
                -fms-compatibility-version=19.30 -nostdinc -isystem "$("$clang" -print-resource-dir)/include" \
                -isystem /usr/$mingw/include
        done
    done
fi
echo "$checked compilations of $headers headers, all clean"
