#!/bin/sh
# Measures Bide side by side with its peers: installs what that needs, builds, and runs bench/run.py.
#
#   sh scripts/bench.sh                       all workloads, nine pairs each: under twenty minutes
#   sh scripts/bench.sh --quick echo wake     three pairs, of the workloads whose names begin so
#   sh scripts/bench.sh --json FILE           writes the rows there as well; of docs/bench/results.json
#                                             python3 bench/report.py makes the tables and charts of docs/performance.md
#   sh scripts/bench.sh --smoke               one short run each: whether all of it works
#
# On a machine that does nothing else. A peer whose compiler, library or packages cannot be had is named and skipped.
# bench/README.md has the rest.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh bench

build=build/bench
# Libraries are looked for anew.
cmake --preset release -B $build -U 'BENCH_LIB_*' -DBIDE_BUILD_BENCH=ON -DBIDE_BUILD_TESTS=OFF -DBIDE_WERROR=ON >/dev/null
cmake --build $build --parallel "$(nproc)" >$build/build.log 2>&1 || {
    cat $build/build.log >&2
    exit 1
}

# What is not to be run, with the reason: CMake has begun it with the libraries that it has not found. A program that an
# earlier build has left is no measurement of today's.
missing=$build/bench/missing

# reason: what a compiler says in the end, cargo as the cause of an error, Go as a line.
reason() {
    why=$(sed -n '/^Caused by:/{n;s/^ *//;p;}' $build/peer.log | tail -n 1)
    [ -n "$why" ] || why=$(grep -m 1 '^error' $build/peer.log) || why=$(grep . $build/peer.log | tail -n 1)
    echo "$why" | sed "s|$PWD/||g"
}

# attempt <folder> <tool> <command…>: builds the peers in a folder; without the tool, or when it fails, they are left out.
attempt() {
    folder=$1 tool=$2
    shift 2
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "$folder no $tool" >>$missing
    elif ! "$@" >$build/peer.log 2>&1; then
        echo "$folder $tool cannot build it: $(reason)" >>$missing
    fi
}
attempt bench/rust/ cargo cargo build --quiet --locked --release --manifest-path bench/peers/rust/Cargo.toml \
    --target-dir $build/bench/rust
for program in echo http crowd; do
    attempt bench/go/$program go go build -o $build/bench/go/$program bench/peers/go/$program.go
done

# The scheduler puts each program where run.py says; frequencies are the machine's own business.
exec python3 bench/run.py --build $build "$@"
