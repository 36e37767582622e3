#!/bin/sh
# Where the instructions go: of one hop of ping-pong (bench/chain.c) or of one message of the echo server with 64 clients,
# by source file, with the atomic read-modify-writes among them; counted by callgrind. What is inlined counts where it
# is called. Below callgrind a server is slower than its clients, so that messages wait for it more often than usual.
#
#   sh scripts/profile.sh pingpong|echo
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."

subject=${1-}
case $subject in
pingpong | echo) ;;
*)
    echo "usage: sh scripts/profile.sh pingpong|echo" >&2
    exit 2
    ;;
esac
command -v valgrind >/dev/null 2>&1 || {
    echo "no valgrind here: sh scripts/setup.sh all" >&2
    exit 1
}

build=build/profile
[ -e $build/CMakeCache.txt ] ||
    cmake --preset release -B $build -DCMAKE_C_COMPILER=gcc -DCMAKE_C_FLAGS=-g -DBIDE_BUILD_BENCH=ON \
        -DBIDE_BUILD_TESTS=OFF >/dev/null
cmake --build $build --parallel "$(nproc)" --target bench_chain bench_load echo_server >/dev/null

counted="valgrind --quiet --tool=callgrind --callgrind-out-file=$build/callgrind.out --dump-instr=yes
    --dump-line=no --compress-pos=no --compress-strings=no"
if [ $subject = pingpong ]; then
    program=$build/bench/bench_chain
    $counted $program pingpong 1000 50000 >$build/result
else
    program=$build/examples/echo_server
    rm -f $build/address
    $counted $program --listen 127.0.0.1:0 >$build/address &
    server=$!
    # The first line it prints is the address.
    while [ ! -s $build/address ] && kill -0 $server; do sleep 0.1; done
    $build/bench/bench_load echo "$(sed 's/.* //;q' $build/address)" 64 64 3 >$build/result
    kill $server
    wait $server
fi
operations=$(sed -n 's/.*operations=\([0-9]*\).*/\1/p' $build/result)

# What is locked: by prefix, and an exchange with memory always is.
objdump -d --no-show-raw-insn $program | awk '
    /^ *[0-9a-f]+:\t(lock |xchg .*\()/ { sub(":", "", $1); print $1 }' >$build/locked

# Of lines after calls= the callee tells itself.
awk -v operations="$operations" -v root="$PWD/" -v program="/${program#*/}" '
    FNR == NR { locked["0x" $1] = 1; next }
    /^ob=/ { own = substr($0, length($0) - length(program) + 1) == program }
    /^fl=/ {
        file = substr($0, 4)
        if (index(file, root) == 1) file = substr(file, length(root) + 1)
        if (!own) file = "other libraries"
    }
    /^calls=/ { called = 1; next }
    /^0x/ {
        if (!called) {
            instructions[file] += $2
            all += $2
            if (own && ($1 in locked)) {
                atomics[file] += $2
                all_atomics += $2
            }
        }
        called = 0
    }
    END {
        for (file in instructions)
            if (instructions[file] >= operations)
                printf "%8.0f %6.2f  %s\n", instructions[file] / operations, atomics[file] / operations, file
        printf "%8.0f %6.2f  all\n", all / operations, all_atomics / operations
    }' $build/locked $build/callgrind.out | sort -rn | sed '1i instructions atomics'
