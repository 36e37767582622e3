#!/bin/sh
# Runs the files of the system layer that macOS, the BSDs and illumos share, and the back end "kqueue", on Linux:
# builds the library from them (BIDE_PORTABLE) with kqueue(2) made of epoll (tests/kqueue), and runs the tests on
# it. Ends with "N passed, N failed, N skipped"; what is left out is named with the reason.
#
#   sh scripts/test-kqueue.sh             on the tests' own kqueue
#   sh scripts/test-kqueue.sh -R poller   further arguments go to ctest
#   LIBKQUEUE=<folder> sh scripts/test-kqueue.sh
#                                         on libkqueue, built in <folder>/build. By hand, and with -R: of sockets most
#                                         fails there, because it does not know NOTE_LOWAT, keeps what was closed, and
#                                         does not look again when a filter is added anew
#
# Installs what it needs: see setup.sh.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh

mkdir -p build
build=build/kqueue
kqueue=emulated
include=
if [ -n "${LIBKQUEUE-}" ]; then
    build=build/libkqueue
    kqueue=$LIBKQUEUE/build/libkqueue.so
    include=$LIBKQUEUE/build/include
fi

programs='test_time test_error test_future test_quiescence test_event test_set test_timer test_interval test_block_on
test_poller test_poller_events test_poller_backend test_poller_wait test_poller_notify test_async test_async_misuse
test_operations test_operations_waiting test_operations_custom test_readiness test_readiness_wakers test_tcp
test_tcp_transfer test_udp test_unix test_reader test_message test_reactor test_fork test_fork_threads test_races
test_races_reactor test_traps test_traps_others test_shutdown test_task test_kqueue test_kqueue_plain test_kqueue_process
test_kqueue_threads test_kqueue_faults test_examples test_examples_servers test_examples_udp test_examples_lines
test_examples_more test_examples_more_embed test_examples_kqueue test_examples_tasks test_examples_structured'

skips=
skip() {
    skips="$skips${skips:+|}$1"
    echo "skipped: $1: $2"
}
linux='names the back ends that Linux has'
skip poller/the_back_end_can_be_named "$linux"
skip poller/the_back_end_can_be_named_in_the_environment "$linux"
skip poller/all_descriptors_are_close_on_exec_and_free_closes_them "$linux"
skip reactor/uses_the_back_end_it_is_told "$linux"
skip poller/a_wait_fills_a_large_array_in_one_go 'epoll in epoll takes no more than 500 watches of one file'
skip async/a_device_that_cannot_be_polled_is_refused_where_the_system_can_tell 'epoll refuses /dev/null, kqueue need not'

cmake -G Ninja -S . -B "$build" -DCMAKE_BUILD_TYPE=Debug -DBIDE_DEBUG=ON -DBIDE_WERROR=ON -DBIDE_PORTABLE=ON \
    -DBIDE_KQUEUE="$kqueue" -DBIDE_KQUEUE_INCLUDE="$include" -DBIDE_TEST_STANDALONE=ON -DBIDE_BUILD_EXAMPLES=ON \
    >"$build.log" 2>&1 || {
    cat "$build.log"
    exit 1
}
# shellcheck disable=SC2086
cmake --build "$build" --parallel "$(nproc)" --target $programs >"$build.log" 2>&1 || {
    grep -E 'error|FAILED|undefined' "$build.log"
    exit 1
}
only=$(echo $programs | tr ' ' '|')
BIDE_BACKEND=kqueue ctest --test-dir "$build" --parallel "$(nproc)" --timeout 120 --output-on-failure \
    -R "^($only)/" -E "/($skips)\$" "$@" >"$build.log" 2>&1 || :
grep -v -e ' Passed ' -e '^ *Start ' -e ': passed$' "$build.log" || :
passed=$(grep -c ' Passed ' "$build.log" || :)
void=$(grep -c '\*\*\*Skipped ' "$build.log" || :)
total=$(sed -n 's/.* out of \([0-9][0-9]*\)$/\1/p' "$build.log")
left=$(ctest --test-dir "$build" -N -R "^($only)/.*($skips)\$" | sed -n 's/^Total Tests: //p')
failed=$((${total:-0} - passed - void))
echo "$passed passed, $failed failed, $((void + ${left:-0})) skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
