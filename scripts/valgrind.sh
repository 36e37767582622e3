#!/bin/sh
# Runs the tests of tasks under Valgrind, which must not complain: fibers are told to it (src/task/sanitize.h).
#
#   sh scripts/valgrind.sh [<test program>…]
#
# Each suite once, in a build of its own (build/valgrind) with the tests' own runner. Leaks that are certain count; a
# thread that is just ending would be told as a possible one. Left out are tests that Valgrind cannot run in useful
# time: it has one thread at a time, and spinning ones.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."

if ! command -v valgrind >/dev/null 2>&1 || [ ! -e /usr/include/valgrind/valgrind.h ]; then
    root=
    [ "$(id -u)" -eq 0 ] || root=sudo
    $root apt-get update -q
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends valgrind
fi

build=build/valgrind
[ -e $build/CMakeCache.txt ] || cmake --preset dev -B $build -DBIDE_TEST_STANDALONE=ON -DBIDE_BUILD_EXAMPLES=OFF
[ $# -gt 0 ] || set -- test_fiber test_stack test_task test_task_life test_group test_group_room test_group_owner
cmake --build $build --parallel "$(nproc)" --target "$@"

# What needs several threads that run at once, or more time or memory than is reasonable here.
left_out='floating_point_modes|makers_modes|_thousand_are_alive|yields_to_a_busy_one|child_of_a_task_that_forks|_limit_of_mappings|many_stacks'
for program in "$@"; do
    for test in $($build/tests/"$program" --list | grep -Ev "$left_out"); do
        status=0
        valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
            --show-leak-kinds=definite --fair-sched=yes \
            $build/tests/"$program" "$test" >$build/valgrind.log 2>&1 || status=$?
        if [ $status -ne 0 ] && [ $status -ne 77 ] || grep -q '^==[0-9]*==' $build/valgrind.log; then
            cat $build/valgrind.log >&2
            echo "valgrind: $program $test" >&2
            exit 1
        fi
        echo "valgrind: $program $test: nothing to complain about"
    done
done
