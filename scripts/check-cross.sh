#!/bin/sh
# The fibers on the processors that most machines are not: builds their tests with Debian's cross compilers and runs
# them under qemu-user, and assembles the switch of Windows. Installs what it needs with apt-get, as root or
# through sudo.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."

packages=
for pair in aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu riscv64-linux-gnu-gcc:gcc-riscv64-linux-gnu \
    qemu-aarch64:qemu-user; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || packages="$packages ${pair##*:}"
done
[ -e /usr/aarch64-linux-gnu/include/stdio.h ] || packages="$packages libc6-dev-arm64-cross"
[ -e /usr/riscv64-linux-gnu/include/stdio.h ] || packages="$packages libc6-dev-riscv64-cross"
if [ -n "$packages" ]; then
    root=
    [ "$(id -u)" -eq 0 ] || root=sudo
    $root apt-get update -q
    # shellcheck disable=SC2086
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# check <machine> <options…>: RISC-V's compiler leaves unwind tables out by default.
check() {
    machine=$1
    shift
    "$machine-linux-gnu-gcc" -std=c11 -O2 -g -Wall -Wextra -Wpedantic -Werror -fasynchronous-unwind-tables \
        -DBIDE_TEST_STANDALONE=1 -DBIDE_DEBUG=1 -Isrc -Iinclude -Itests "$@" -o "$work/test" \
        src/task/context.c src/task/switch_*.c src/task/switch_*.S tests/test_fiber.c \
        tests/test_fiber_registers.S tests/support/runner.c tests/support/check.c -lm -lpthread
    echo "$machine $*"
    "qemu-$machine" -L "/usr/$machine-linux-gnu" "$work/test"
}

check aarch64
check aarch64 -mbranch-protection=standard
check aarch64 -mbranch-protection=pac-ret+b-key+bti
check aarch64 -DBIDE_TASK_UCONTEXT
check riscv64
check riscv64 -DBIDE_TASK_UCONTEXT
"$(sh scripts/tool.sh clang)" --target=x86_64-w64-windows-gnu -Isrc -c -o "$work/windows.o" src/task/switch_x86_64_windows.S
echo "x86-64 Windows: assembled"
