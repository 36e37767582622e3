#!/bin/sh
# Where the instructions go: of one hop of ping-pong (bench/chain.c) or of one message of the echo server with 64 clients,
# by source file, with the atomic read-modify-writes among them; counted by callgrind. What is inlined counts where it
# is called. Below callgrind a server is slower than its clients, so that messages wait for it more often than usual.
# And where the time goes, of these and two more, beside raw epoll: by perf, which looks 4,000 times a second where the
# program is.
#
#   sh scripts/profile.sh pingpong|echo|shares
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."

subject=${1-}
tool=valgrind
case $subject in
pingpong | echo) ;;
shares) tool=perf ;;
*)
    echo "usage: sh scripts/profile.sh pingpong|echo|shares" >&2
    exit 2
    ;;
esac
command -v $tool >/dev/null 2>&1 || {
    echo "no $tool here: sh scripts/setup.sh all" >&2
    exit 1
}

build=build/profile
[ -e $build/CMakeCache.txt ] ||
    cmake --preset release -B $build -DCMAKE_C_COMPILER=gcc -DCMAKE_C_FLAGS=-g -DBIDE_BUILD_BENCH=ON \
        -DBIDE_BUILD_TESTS=OFF >/dev/null
cmake --build $build --parallel "$(nproc)" --target bench_chain bench_load echo_server \
    bench_chain_epoll bench_echo_epoll >/dev/null

# serve <program…>: starts a server; its process and its address are $server and $address.
serve() {
    rm -f $build/address
    "$@" >$build/address &
    server=$!
    # The first line it prints is the address.
    while [ ! -s $build/address ] && kill -0 $server; do sleep 0.1; done
    address=$(sed 's/.* //;q' $build/address)
}

end_server() {
    kill $server
    wait $server || true
}

# share <what> <program>: of the samples in $build/perf.data.
share() {
    perf report --input $build/perf.data --no-children --sort dso 2>/dev/null | awk -v what="$1" -v program="$2" '
        /^ +[0-9.]+%/ {
            share = $1 + 0
            if ($2 ~ /^\[/) kernel += share
            else if ($2 == program) own += share
            else rest += share
        }
        END { printf "%-28s %-16s %6.1f %6.1f %6.1f\n", what, program, kernel, own, rest }'
}

# profile <program…>: for two seconds, on one processor.
profile="taskset -c 0 perf record --quiet --event cpu-clock --freq 4000 --output $build/perf.data"
if [ $subject = shares ]; then
    printf '%-28s %-16s %6s %6s %6s\n' "per cent of the time" program kernel own rest
    for program in "examples/echo_server --listen" bench/bench_echo_epoll; do
        for load in echo accept; do
            [ $load = echo ] && clients=64 || clients=16
            # The program and its option are two words.
            # shellcheck disable=SC2086
            serve taskset -c 0 $build/$program 127.0.0.1:0
            taskset -c 1 $build/bench/bench_load $load "$address" $clients 64 3 >/dev/null &
            $profile --pid $server sleep 2 2>/dev/null
            wait $!
            end_server
            name=${program#*/}
            share "$load, $clients connections" "${name% *}"
        done
    done
    for program in bench_chain bench_chain_epoll; do
        $profile $build/bench/$program pingpong 2 >/dev/null 2>&1
        share "ping-pong" $program
        $profile $build/bench/$program pairs 2 0 1000 1 >/dev/null 2>&1
        share "chain, one active" $program
    done
    exit
fi

counted="valgrind --quiet --tool=callgrind --callgrind-out-file=$build/callgrind.out --dump-instr=yes
    --dump-line=no --compress-pos=no --compress-strings=no"
if [ $subject = pingpong ]; then
    program=$build/bench/bench_chain
    $counted $program pingpong 1000 50000 >$build/result
else
    program=$build/examples/echo_server
    serve $counted $program --listen 127.0.0.1:0
    $build/bench/bench_load echo "$address" 64 64 3 >$build/result
    end_server
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
