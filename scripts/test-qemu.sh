#!/bin/sh
# Runs tests on the processors that most machines are not: builds them with Debian's cross compilers and runs them
# under qemu-user. Ends with "N passed, N failed, N skipped"; what is left out is named with the reason.
#
#   sh scripts/test-qemu.sh             all of them
#   sh scripts/test-qemu.sh s390x       those alone: aarch64 riscv64 armhf s390x i386
#
# aarch64 runs the most, the others what depends on the processor: the order of bytes (s390x), words of 32 bits
# (armhf, i386), the switch of fibers, atomics, and the waits, for which i386 under qemu has no epoll_pwait2. The
# fibers are run with every switch and every protection of branches that the compiler knows.
#
# Installs what it needs with apt-get, as root or through sudo.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."

core='test_time test_heap test_poller test_poller_wait test_poller_notify test_poller_fallback test_future test_timer'
core="$core test_fiber test_deque"
more="$core test_error test_address test_address_text test_poller_events test_event test_set test_block_on test_async \
test_operations test_tcp test_udp test_unix test_message test_task test_races"

# skip <machines, or *> <test> <reason>
skips=
skip() {
    skips="$skips$1 $2
"
    echo "skipped on $1: $2: $3"
}
skip '*' udp/.*group.* 'qemu 7.2 does not pass MCAST_JOIN_GROUP on'
skip '*' udp/several_members_share_a_port 'qemu 7.2 does not pass MCAST_JOIN_GROUP on'
skip '*' udp/options_of_multicast_are_read_as_they_were_set 'qemu 7.2 does not pass IP_MULTICAST_IF on'
skip '*' udp/misuse_is_an_error_and_leaves_no_descriptor 'qemu 7.2 answers for options it does not know'
skip '*' event/set_by_signal_handlers_is_never_lost 'signals of timers come more often than qemu handles them'
for machine in aarch64 riscv64; do
    skip $machine poller_fallback/a_timer_descriptor_is_set_only_when_the_deadline_differs \
        'the C library waits by epoll_pwait, and in a static program both are counted'
done
skip armhf fiber/a_backtrace_ends_at_the_entry 'backtrace(3) of 32-bit ARM finds no frames in a static program'
skip '*' task/twenty_thousand_are_alive_at_once 'takes minutes, emulated'
skip '*' poller_wait/signals_do_not_move_the_deadline 'signals of timers come more often than qemu handles them'

packages=
want() {
    command -v "$1" >/dev/null 2>&1 || packages="$packages $2"
}
want cmake cmake
want ninja ninja-build
want qemu-aarch64 qemu-user
[ $# -gt 0 ] || set -- aarch64 riscv64 armhf s390x i386
for machine in "$@"; do
    case $machine in
    aarch64 | riscv64 | s390x)
        want "$machine-linux-gnu-gcc" "gcc-$machine-linux-gnu"
        debian=$machine
        [ "$machine" != aarch64 ] || debian=arm64
        [ -e "/usr/$machine-linux-gnu/include/stdio.h" ] || packages="$packages libc6-dev-$debian-cross"
        ;;
    armhf)
        want arm-linux-gnueabihf-gcc gcc-arm-linux-gnueabihf
        [ -e /usr/arm-linux-gnueabihf/include/stdio.h ] || packages="$packages libc6-dev-armhf-cross"
        ;;
    i386)
        want i686-linux-gnu-gcc gcc-i686-linux-gnu
        [ -e /usr/i686-linux-gnu/include/stdio.h ] || packages="$packages libc6-dev-i386-cross"
        ;;
    *)
        echo "test-qemu: unknown machine $machine" >&2
        exit 2
        ;;
    esac
done
if [ -n "$packages" ]; then
    root=
    [ "$(id -u)" -eq 0 ] || root=sudo
    $root apt-get update -q
    # shellcheck disable=SC2086
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages
fi

passed=0
failed=0
skipped=0

# The emulator of `machine` with the libraries it needs.
emulator() {
    case $1 in
    armhf) echo "qemu-arm;-L;/usr/arm-linux-gnueabihf" ;;
    i386) echo "qemu-i386;-L;/usr/i686-linux-gnu" ;;
    *) echo "qemu-$1;-L;/usr/$1-linux-gnu" ;;
    esac
}

compiler() {
    case $1 in
    armhf) echo arm-linux-gnueabihf-gcc ;;
    i386) echo i686-linux-gnu-gcc ;;
    *) echo "$1-linux-gnu-gcc" ;;
    esac
}

# suite <machine> <test programs>: RISC-V's compiler leaves the tables that a backtrace needs out by default.
suite() {
    machine=$1
    programs=$2
    folder=build/qemu/$machine
    log=build/qemu/$machine.log
    mkdir -p "$folder"
    {
        cmake -G Ninja -S . -B "$folder" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR="$machine" \
            -DCMAKE_C_COMPILER="$(compiler "$machine")" -DCMAKE_CXX_COMPILER=NOTFOUND \
            -DCMAKE_CROSSCOMPILING_EMULATOR="$(emulator "$machine")" -DCMAKE_EXE_LINKER_FLAGS=-static \
            -DCMAKE_FIND_ROOT_PATH="$(pwd)/$folder/none" -DCMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY \
            -DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY -DCMAKE_FIND_ROOT_PATH_MODE_PACKAGE=ONLY \
            -DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON -DCMAKE_DISABLE_FIND_PACKAGE_OpenSSL=ON \
            -DCMAKE_C_FLAGS=-fasynchronous-unwind-tables -DCMAKE_BUILD_TYPE=Debug -DBIDE_DEBUG=ON \
            -DBIDE_WERROR=ON -DBIDE_TEST_STANDALONE=ON -DBIDE_BUILD_EXAMPLES=OFF
        # shellcheck disable=SC2086
        cmake --build "$folder" --parallel "$(nproc)" --target $programs
    } >"$log" 2>&1 || {
        grep -E 'error|FAILED|undefined' "$log" | head -n 30
        echo "$machine: could not be built, see $log"
        failed=$((failed + 1))
        return 0
    }
    leave=$(printf '%s' "$skips" | awk -v machine="$machine" '$1 == machine || $1 == "*" { printf "%s%s", sep, $2; sep = "|" }')
    only=$(echo "$programs" | tr -s ' ' '|')
    # Emulated, everything takes ten times as long; nothing is retried.
    ctest --test-dir "$folder" --parallel "$(nproc)" --timeout 120 --output-on-failure -R "^($only)/" -E "/($leave)\$" \
        >"$log" 2>&1 || :
    good=$(grep -c ' Passed ' "$log" || :)
    void=$(grep -c '\*\*\*Skipped ' "$log" || :)
    total=$(sed -n 's/.* out of \([0-9][0-9]*\)$/\1/p' "$log")
    bad=$((${total:-0} - good - void))
    [ "${total:-0}" -gt 0 ] || bad=1
    [ $bad -eq 0 ] || grep -v -e ' Passed ' -e '^ *Start ' -e ': passed$' "$log" || :
    left=$(ctest --test-dir "$folder" -N -R "^($only)/($leave)\$" | sed -n 's/^Total Tests: //p')
    passed=$((passed + good))
    failed=$((failed + bad))
    skipped=$((skipped + void + ${left:-0}))
    echo "$machine: $good passed, $bad failed, $((void + ${left:-0})) skipped"
}

# fibers <machine> <options…>
fibers() {
    machine=$1
    shift
    "$(compiler "$machine")" -std=c11 -O2 -g -Wall -Wextra -Wpedantic -Werror -fasynchronous-unwind-tables \
        -DBIDE_TEST_STANDALONE=1 -DBIDE_DEBUG=1 -Isrc -Iinclude -Itests "$@" -o "build/qemu/fibers" \
        src/task/context.c src/task/switch_*.c src/task/switch_*.S tests/test_fiber.c \
        tests/test_fiber_registers.S tests/support/runner.c tests/support/runner_fork.c tests/support/check.c \
        -lm -lpthread
    echo "fibers: $machine $*"
    if "qemu-$machine" -L "/usr/$machine-linux-gnu" build/qemu/fibers >build/qemu/fibers.log 2>&1; then
        passed=$((passed + 1))
    else
        cat build/qemu/fibers.log
        failed=$((failed + 1))
    fi
}

mkdir -p build/qemu
for machine in "$@"; do
    case $machine in
    aarch64)
        suite aarch64 "$more"
        fibers aarch64 -mbranch-protection=standard
        fibers aarch64 -mbranch-protection=pac-ret+b-key+bti
        fibers aarch64 -DBIDE_TASK_UCONTEXT
        ;;
    riscv64)
        suite riscv64 "$core"
        fibers riscv64 -DBIDE_TASK_UCONTEXT
        ;;
    *) suite "$machine" "$core" ;;
    esac
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
