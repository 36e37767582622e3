#!/bin/sh
# Measures Bide side by side with its peers: installs what that needs, builds, and runs bench/run.py.
#
#   sh scripts/bench.sh                       all workloads, nine pairs each: some twenty minutes
#   sh scripts/bench.sh --quick echo wake     three pairs, of the workloads whose names begin so
#   sh scripts/bench.sh --json FILE           writes the rows there as well
#   sh scripts/bench.sh --smoke               one short run each: whether all of it works
#
# On a machine that does nothing else. Peers in Rust and Go are built if their compilers are there, and their packages
# can be had; what is missing is named and skipped. bench/README.md has the rest.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh bench

build=build/bench
cmake --preset release -B $build -DBIDE_BUILD_BENCH=ON -DBIDE_BUILD_TESTS=OFF -DBIDE_WERROR=ON >/dev/null
cmake --build $build --parallel "$(nproc)" >$build/build.log 2>&1 || {
    cat $build/build.log >&2
    exit 1
}

# attempt <what> <command…>: a peer that cannot be built is left out.
attempt() {
    what=$1
    shift
    "$@" >$build/peer.log 2>&1 || echo "the peers in $what could not be built: $(tail -n 1 $build/peer.log)"
}
if command -v cargo >/dev/null 2>&1; then
    attempt Rust cargo build --quiet --locked --release --manifest-path bench/peers/rust/Cargo.toml \
        --target-dir $build/bench/rust
fi
if command -v go >/dev/null 2>&1; then
    attempt Go go build -o $build/bench/go/echo bench/peers/go/echo.go
fi

# The scheduler puts each program where run.py says; frequencies are the machine's own business.
exec python3 bench/run.py --build $build "$@"
