#!/bin/sh
# Builds the library and the tests that make sense on Windows with Debian's mingw-w64, and runs them under Wine.
# Ends with "N passed, N failed, N skipped"; each test that is skipped is named with the reason.
#
#   sh scripts/test-windows.sh             all of them
#   sh scripts/test-windows.sh -R poller   further arguments go to ctest
#
# Installs what it needs with apt-get, as root or through sudo. Wine's prefix is made once, in build/wine.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."

packages=
command -v x86_64-w64-mingw32-gcc >/dev/null 2>&1 || packages="$packages gcc-mingw-w64-x86-64"
command -v cmake >/dev/null 2>&1 || packages="$packages cmake"
command -v ninja >/dev/null 2>&1 || packages="$packages ninja-build"
[ -x /usr/lib/wine/wine64 ] || command -v wine64 >/dev/null 2>&1 || packages="$packages wine64"
command -v wineserver >/dev/null 2>&1 || packages="$packages wine"
if [ -n "$packages" ]; then
    root=
    [ "$(id -u)" -eq 0 ] || root=sudo
    $root apt-get update -q
    # shellcheck disable=SC2086
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages
fi

build=build/windows
mkdir -p build/wine
WINEPREFIX=$(pwd)/build/wine
WINEDEBUG=-all,err+all # what keeps a program from starting
WINEDLLOVERRIDES='mscoree,mshtml=' # asks for no downloads
DISPLAY=
export WINEPREFIX WINEDEBUG WINEDLLOVERRIDES DISPLAY
wine=/usr/lib/wine/wine64
[ -x "$wine" ] || wine=wine64

# The server lives for as long as this script, or each program would start one. A prefix whose making was cut
# short is made again. The first program after the server starts Wine's services, which takes longer.
wineserver -k || :
trap 'wineserver -k || :' EXIT
if [ ! -e "$WINEPREFIX/whole" ]; then
    rm -rf "$WINEPREFIX"
    mkdir "$WINEPREFIX"
    timeout 300 "$wine" wineboot -i </dev/null >/dev/null 2>&1
    wineserver -w
    : >"$WINEPREFIX/whole"
fi
wineserver -p
timeout 120 "$wine" cmd /c exit </dev/null >/dev/null 2>&1

cmake -G Ninja -S . -B "$build" -DCMAKE_TOOLCHAIN_FILE="$(pwd)/cmake/mingw-w64.cmake" \
    -DCMAKE_BUILD_TYPE=Debug -DBIDE_DEBUG=ON -DBIDE_WERROR=ON -DBIDE_BUILD_EXAMPLES=ON
cmake --build "$build" --parallel "$(nproc)"

status=0
ctest --test-dir "$build" --output-on-failure --parallel "$(nproc)" "$@" >"$build/tests.log" 2>&1 || status=$?
# What failed, with what it printed; what was skipped, with the reason.
grep -v -e ' Passed ' -e '^ *Start ' -e '\*\*\*Skipped ' "$build/tests.log" || :
grep -h ': skipped: ' "$build/Testing/Temporary/LastTest.log" || :
passed=$(grep -c ' Passed ' "$build/tests.log" || :)
skipped=$(grep -c '\*\*\*Skipped ' "$build/tests.log" || :)
total=$(sed -n 's/.* out of \([0-9][0-9]*\)$/\1/p' "$build/tests.log")
failed=$((${total:-0} - passed - skipped))

# The installed package, from which another project builds a program that runs: consumer <static|shared>
consumer() {
    rm -rf "$build/consumer"
    cmake -G Ninja -S tests/package -B "$build/consumer" -DCMAKE_TOOLCHAIN_FILE="$(pwd)/cmake/mingw-w64.cmake" \
        -Dbide_DIR="$(pwd)/$build/installed/lib/cmake/bide" -DBIDE_TARGET="bide::$1" -DBIDE_COUNTDOWN_TARGET= &&
        cmake --build "$build/consumer" && cp "$build"/installed/bin/*.dll "$build/consumer" &&
        sh cmake/wine.sh "$wine" "$build/consumer/consumer.exe"
}
rm -rf "$build/installed"
cmake --install "$build" --prefix "$(pwd)/$build/installed" >"$build/install.log" 2>&1 || {
    failed=$((failed + 1))
    cat "$build/install.log"
}
for kind in static shared; do
    if consumer $kind >"$build/consumer.log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "a program of the installed package, bide::$kind: FAILED"
        cat "$build/consumer.log"
    fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ] || exit 1
exit $status
