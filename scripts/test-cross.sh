#!/bin/sh
# Builds the library, the examples and the tests that make sense there for systems that this machine is not,
# against those systems' own headers and libraries, which zig's C compiler brings; every warning is an error.
# Nothing of it is run. illumos, which zig does not have, is checked against declarations of the documented
# interface (tests/illumos). Ends with "N passed, N failed, N skipped".
#
#   sh scripts/test-cross.sh                  all of them
#   sh scripts/test-cross.sh aarch64-macos    those alone, by zig's names; or: illumos
#
# Installs what it needs: cmake, ninja and python3-venv with apt-get, as root or through sudo, and zig, of a fixed
# version, with pip into build/zig.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."

version=0.17.1
packages=
for pair in cmake:cmake ninja:ninja-build gcc:gcc python3:python3; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || packages="$packages ${pair##*:}"
done
python3 -c 'import ensurepip' >/dev/null 2>&1 || packages="$packages python3-venv"
if [ -n "$packages" ]; then
    root=
    [ "$(id -u)" -eq 0 ] || root=sudo
    $root apt-get update -q
    # shellcheck disable=SC2086
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages
fi
mkdir -p build
[ -x build/zig/bin/python ] || python3 -m venv build/zig
build/zig/bin/python -c "import importlib.metadata as m; assert m.version('ziglang') == '$version'" 2>/dev/null ||
    build/zig/bin/python -m pip install --quiet "ziglang==$version"
zig=$(build/zig/bin/python -c 'import os, ziglang; print(os.path.join(os.path.dirname(ziglang.__file__), "zig"))')

passed=0
failed=0

# judge <what> <status> <log>
judge() {
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
        echo "$1: built"
    else
        failed=$((failed + 1))
        grep -E 'error|FAILED|undefined' "$3" | head -n 30 || :
        echo "$1: FAILED, see $3"
    fi
}

# check_headers <zig's target> <folder> <header>: that of the system alone, twice included, as C and C++.
check_headers() {
    printf '#include <bide/os/%s>\n#include <bide/os/%s>\n' "$3" "$3" >"$2/header.c"
    for standard in c11 c++11 c++20; do
        case $standard in
        c11) language=c tool=cc ;;
        *) language=c++ tool=c++ ;;
        esac
        "$zig" $tool -target "$1" -x $language -std=$standard -Wall -Wextra -pedantic -Wundef -Werror -Iinclude \
            -c "$2/header.c" -o "$2/header.o" || return 1
    done
}

# cross <zig's target> <CMake's name of the system> <options…>
cross() {
    target=$1
    system=$2
    shift 2
    folder=$(pwd)/build/cross/$target
    mkdir -p "$folder"
    # CMake wants programs of one word.
    for tool in cc ar ranlib rc; do
        options=
        [ $tool != cc ] || options="-target $target"
        printf '#!/bin/sh\nexec "%s" %s %s "$@"\n' "$zig" "$tool" "$options" >"$folder/$tool"
        chmod +x "$folder/$tool"
    done
    status=0
    case $system in
    Linux) header=platform.h ;;
    Windows) header=windows.h ;;
    *) header=kqueue.h ;;
    esac
    {
        check_headers "$target" "$folder" $header &&
            cmake -G Ninja -S . -B "$folder/build" -DCMAKE_SYSTEM_NAME="$system" \
            -DCMAKE_SYSTEM_PROCESSOR="${target%%-*}" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER="$folder/cc" \
            -DCMAKE_CXX_COMPILER=NOTFOUND -DCMAKE_AR="$folder/ar" -DCMAKE_RANLIB="$folder/ranlib" \
            -DCMAKE_RC_COMPILER="$folder/rc" \
            -DCMAKE_FIND_ROOT_PATH="$folder" -DCMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY \
            -DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY -DCMAKE_FIND_ROOT_PATH_MODE_PACKAGE=ONLY \
            -DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON -DCMAKE_DISABLE_FIND_PACKAGE_OpenSSL=ON \
            -DBIDE_DEBUG=ON -DBIDE_WERROR=ON -DBIDE_TEST_STANDALONE=ON "$@" &&
            cmake --build "$folder/build" --parallel "$(nproc)"
    } >"$folder/log" 2>&1 || status=1
    judge "$target" $status "$folder/log"
}

# What is illumos' alone; what it shares with the others they compile.
illumos() {
    mkdir -p build/cross
    log=build/cross/illumos.log
    : >$log
    status=0
    for file in src/poll/port.c src/os/credentials_illumos.c src/os/thread_illumos.c src/os/sleeper_posix.c \
        src/os/environment_issetugid.c; do
        gcc -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wundef -Wwrite-strings -Wvla -Wformat=2 -Werror -D_GNU_SOURCE= -D__sun -U__linux__ \
            -include tests/illumos/illumos.h -Itests/illumos -Isrc -Iinclude -fsyntax-only $file >>$log 2>&1 ||
            status=1
    done
    judge "illumos (against declarations)" $status $log
}

# Of Linux with musl the library and the examples: the tests are the GNU C library's, whose calls they wrap. Those of
# Windows are built and run by scripts/test-windows.sh. There are no fibers for Windows on AArch64 yet.
build_one() {
    case $1 in
    *-macos*) cross "$1" Darwin ;;
    *-freebsd*) cross "$1" FreeBSD ;;
    *-netbsd*) cross "$1" NetBSD ;;
    *-openbsd*) cross "$1" OpenBSD ;;
    aarch64-windows*) cross "$1" Windows -DBIDE_BUILD_TESTS=OFF -DBIDE_TASKS=OFF \
        -DBIDE_SYNCHRONIZATION=api-ms-win-core-synch-l1-2-0 ;;
    *-windows*) cross "$1" Windows -DBIDE_BUILD_TESTS=OFF -DBIDE_SYNCHRONIZATION=api-ms-win-core-synch-l1-2-0 ;;
    *-linux-musl*) cross "$1" Linux -DBIDE_BUILD_TESTS=OFF ;;
    illumos) illumos ;;
    *)
        echo "test-cross: unknown target $1" >&2
        exit 2
        ;;
    esac
}

[ $# -gt 0 ] || set -- x86_64-macos aarch64-macos x86_64-freebsd x86_64-netbsd.11.0 x86_64-openbsd \
    x86_64-windows-gnu aarch64-windows-gnu x86_64-linux-musl aarch64-linux-musl illumos
for target in "$@"; do
    build_one "$target"
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
