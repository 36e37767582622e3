#!/bin/sh
# Counts the instructions and the atomic read-modify-writes of the hot paths (bench/counts.c, under callgrind) and
# fails if one has grown by over 5 % since bench/counts.txt was written. Times are no subject of this.
#
#   sh scripts/check-counts.sh             compares
#   sh scripts/check-counts.sh --update    writes bench/counts.txt anew: part of the change that makes them grow
#
# The numbers are those of the library's and the program's own code: the C library's depend on the processor. They
# hold for one compiler; with another one the comparison is only told.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."

if ! command -v valgrind >/dev/null 2>&1 || [ ! -e /usr/include/valgrind/callgrind.h ]; then
    echo "no valgrind here: sh scripts/setup.sh all" >&2
    exit 1
fi

build=build/counts
file=bench/counts.txt
[ -e $build/CMakeCache.txt ] ||
    cmake --preset release -B $build -DCMAKE_C_COMPILER=gcc -DBIDE_BUILD_BENCH=ON -DBIDE_BUILD_TESTS=OFF \
        -DBIDE_BUILD_EXAMPLES=OFF -DBIDE_COUNTDOWN=OFF
cmake --build $build --parallel "$(nproc)" --target bench_counts

program=$build/bench/bench_counts
rm -f $build/callgrind.out*
valgrind --quiet --tool=callgrind --callgrind-out-file=$build/callgrind.out --combine-dumps=yes --dump-instr=yes \
    --dump-line=no --compress-pos=no --compress-strings=no $program

# What is locked: by prefix, and an exchange with memory always is.
objdump -d --no-show-raw-insn $program | awk '
    /^ *[0-9a-f]+:\t(lock |xchg .*\()/ { sub(":", "", $1); print $1 }' >$build/locked

# A part of the counts ends each subject and bears its name and the number of its operations. Within it only lines
# of the program itself count, and of these not the ones after calls=, which tell again what the callee says itself.
awk -v program="/${program#*/}" '
    function finish() {
        if (name != "") printf "%-28s %10.2f %10.3f\n", name, instructions / operations, atomics / operations
        name = ""
    }
    FNR == NR { locked["0x" $1] = 1; next }
    /^part: / { finish(); instructions = atomics = 0; own = called = 0 }
    /^desc: Trigger: Client Request: / { split($NF, words, "/"); name = words[1]; operations = words[2] }
    /^ob=/ { own = substr($0, length($0) - length(program) + 1) == program }
    /^calls=/ { called = 1; next }
    /^0x/ {
        if (own && !called) {
            instructions += $2
            if ($1 in locked) atomics += $2
        }
        called = 0
    }
    END { finish() }' $build/locked $build/callgrind.out >$build/counts.txt

compiler="$(uname -m) $(gcc --version | head -n 1)"
known=$(sed -n 's/^compiler //p' $file)
if [ "${1-}" = --update ]; then
    # What is as good as the same stays as it is written, so that a change shows what it has changed.
    [ "$known" = "$compiler" ] && before=$file || before=/dev/null
    awk '
        old && !/^#/ && NF == 3 { instructions[$1] = $2; atomics[$1] = $3; line[$1] = $0 }
        old { next }
        {
            same = $1 in line && ($2 - instructions[$1]) ^ 2 < (0.005 * $2) ^ 2 && ($3 - atomics[$1]) ^ 2 < 0.0001
            print same ? line[$1] : $0
        }' old=1 $before old=0 $build/counts.txt >$build/counts.new
    {
        cat <<'END'
# Instructions and atomic read-modify-writes an operation, in code of the library (and the loop of bench/counts.c):
# what scripts/check-counts.sh compares. Written by it, with --update; after a rebase in which both sides have
# changed this file, take either side and write it anew.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
END
        echo "compiler $compiler"
        cat $build/counts.new
    } >$build/counts.file
    cp $build/counts.file $file
    cat $file
    exit 0
fi

[ "$known" = "$compiler" ] || {
    echo "counts: $file is of another compiler, so that it is no measure: $known"
    other=1
}

# 5 % of instructions; of atomics, of which there are few, any at all.
awk -v other="${other-0}" '
    /^#/ || $1 == "compiler" { next }
    FNR == NR { instructions[$1] = $2; atomics[$1] = $3; next }
    {
        verdict = ""
        if (!($1 in instructions)) verdict = "NEW"
        else if ($2 > instructions[$1] * 1.05 || $3 > atomics[$1] + 0.05) verdict = "GREW"
        else if ($2 < instructions[$1] * 0.95 || $3 < atomics[$1] - 0.05) verdict = "shrank: write it down"
        printf "%-28s %10.2f (%8.2f) %8.3f (%6.3f) %s\n", $1, $2, instructions[$1], $3, atomics[$1], verdict
        if (verdict ~ /^[A-Z]/) bad++
        else good++
        seen[$1] = 1
    }
    END {
        for (name in instructions)
            if (!(name in seen)) {
                print name, "GONE"
                bad++
            }
        printf "counts: %d as in the file, %d not\n", good, bad
        if (bad && !other) {
            print "counts: if that is how it must be: sh scripts/check-counts.sh --update"
            exit 1
        }
    }' $file $build/counts.txt
