#!/bin/sh
# Runs tests on old kernels: Debian's cloud kernels 5.10 (no epoll_pwait2) and 6.1 under qemu-system without help
# from the processor, each with an initial file system that has nothing but the tests. The verdict is read from the
# console. Ends with "N passed, N failed, N skipped", where each test program counts as one; what a program skips or
# fails is shown.
#
#   sh scripts/test-kernels.sh            both
#   sh scripts/test-kernels.sh bullseye   Debian's releases: bullseye has 5.10, bookworm 6.1, trixie 6.12
#
# To be run by hand: it takes some minutes. Installs what it needs with apt-get, as root or through sudo; kernels are
# only downloaded, into build/kernels, from the mirror that this machine uses.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."

programs='test_error test_time test_poller test_poller_events test_poller_wait test_poller_notify test_poller_backend
test_future test_event test_timer test_interval test_block_on test_async test_operations test_tcp test_unix
test_fiber test_stack test_sandbox'

packages=
for pair in qemu-system-x86_64:qemu-system-x86 cpio:cpio gcc:gcc cmake:cmake ninja:ninja-build; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || packages="$packages ${pair##*:}"
done
if [ -n "$packages" ]; then
    root=
    [ "$(id -u)" -eq 0 ] || root=sudo
    $root apt-get update -q
    # shellcheck disable=SC2086
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages
fi
[ $# -gt 0 ] || set -- bullseye bookworm
work=$(pwd)/build/kernels
mkdir -p "$work"

# --- the initial file system --------------------------------------------------------------------------------

cmake -G Ninja -S . -B "$work/build" -DCMAKE_BUILD_TYPE=Debug -DBIDE_DEBUG=ON -DBIDE_TEST_STANDALONE=ON \
    -DBIDE_BUILD_EXAMPLES=OFF -DCMAKE_EXE_LINKER_FLAGS=-static -DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON \
    >"$work/log" 2>&1
# shellcheck disable=SC2086
cmake --build "$work/build" --parallel "$(nproc)" --target $programs >>"$work/log" 2>&1 || {
    grep -E 'error|FAILED' "$work/log" >&2
    exit 1
}
rm -rf "$work/root"
mkdir -p "$work/root/tests"
for program in $programs; do
    strip -o "$work/root/tests/$program" "$work/build/tests/$program"
done
gcc -std=c11 -O1 -Wall -Wextra -Werror -static -o "$work/root/init" tests/kernels/init.c
(cd "$work/root" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initrd"

# --- the kernels --------------------------------------------------------------------------------------------

mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
[ -n "$mirror" ] || mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p' /etc/apt/sources.list | head -n 1)

# apt_of <release> <command…>: apt as of another release, in a folder of its own.
apt_of() {
    private=$work/apt-$1
    command=$2
    shift 2
    $command -q -o Dir::Etc::sourcelist="$private/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$private/lists" -o Dir::Cache="$private/cache" "$@"
}

fetch_kernel() {
    private=$work/apt-$1
    [ -z "$(ls "$work/$1"/boot/vmlinuz-* 2>/dev/null)" ] || return 0
    mkdir -p "$private/lists/partial" "$private/cache/archives/partial" "$work/$1"
    chmod 755 "$work" "$private" "$private/lists" "$private/lists/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $1 main" >"$private/sources.list"
    apt_of "$1" apt-get -o APT::Sandbox::User=root update >"$work/log" 2>&1 || return 1
    image=$(apt_of "$1" apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1)
    [ -n "$image" ] || return 1
    (cd "$private" && apt_of "$1" apt-get -o APT::Sandbox::User=root download "$image") >>"$work/log" 2>&1 || return 1
    dpkg-deb -x "$private/$image"_*.deb "$work/$1"
}

passed=0
failed=0
skipped=0
for release in "$@"; do
    fetch_kernel "$release" || {
        tail -n 5 "$work/log"
        echo "$release: skipped: its kernel is not to be had from this machine's mirror"
        skipped=$((skipped + 1))
        continue
    }
    console=$work/console-$release
    kernel=$(ls "$work/$release"/boot/vmlinuz-* | head -n 1)
    timeout 1200 qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 1024 -nographic -no-reboot -nic none \
        -kernel "$kernel" -initrd "$work/initrd" -append 'console=ttyS0 quiet panic=-1' \
        </dev/null 2>&1 | tr -d '\r' >"$console" || :
    good=$(grep -c '^VERDICT .* passed$' "$console" || :)
    bad=$(grep -c '^VERDICT .* failed$' "$console" || :)
    grep -q '^THE END' "$console" || {
        bad=$((bad + 1))
        tail -n 20 "$console"
        echo "$release: the machine did not come to its end"
    }
    grep -B 3 -e ': FAILED$' "$console" || :
    grep -e ': skipped' "$console" || :
    version=$(grep -o 'KERNEL .*' "$console" | head -n 1)
    echo "$version ($release): $good passed, $bad failed"
    passed=$((passed + good))
    failed=$((failed + bad))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
