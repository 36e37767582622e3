#!/bin/sh
# Checks every Promela model in docs/models with Spin, or those named by their paths. A model says how in comment
# lines of its own:
#
#   CHECK: <options>       a run that must find nothing wrong
#   MUST-FAIL: <options>   a run in which the checker must find an error: a bug planted with -DBUG_…
#
# Options go to whom they are for: the macros of Spin's checker (-DSAFETY, -DCOLLAPSE and others, see below) to
# its compiler, all other -D to Spin, and the rest (-a, -f, -m1000000) to the checker itself.
#
# SPDX-License-Identifier: MIT OR Apache-2.0
set -eu
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
runs=0

# run <model> <must: clean|error> <options…>
run() {
    model=$1
    must=$2
    shift 2
    spin_options=
    cc_options=
    pan_options=
    for option in "$@"; do
        case $option in
        -DSAFETY | -DCOLLAPSE | -DNOREDUCE | -DNP | -DBFS | -DBITSTATE | -DXUSAFE | -DHC* | -DMA=* | \
            -DMEMLIM=* | -DVECTORSZ=* | -DNFAIR=*) cc_options="$cc_options $option" ;;
        -D*) spin_options="$spin_options $option" ;;
        *) pan_options="$pan_options $option" ;;
        esac
    done
    # What is soon found needs no fast checker, but a soon compiled one.
    optimise=-O2
    [ "$must" = clean ] || optimise=-O0
    rm -rf "$work/run"
    mkdir "$work/run"
    path=$(pwd)/$model
    started=$(date +%s)
    # shellcheck disable=SC2086
    (
        cd "$work/run"
        spin $spin_options -a "$path" >spin.log 2>&1 || { cat spin.log >&2; exit 1; }
        gcc $optimise -w $cc_options -o pan pan.c >cc.log 2>&1 || { cat cc.log >&2; exit 1; }
        ./pan $pan_options >pan.log 2>&1 || :
        grep -q '^State-vector' pan.log || { cat pan.log >&2; echo "the checker did not finish" >&2; exit 1; }
    ) || {
        echo "$model: could not be checked with: $*" >&2
        exit 1
    }
    errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$work/run/pan.log")
    found=clean
    [ "${errors:-1}" = 0 ] || found=error
    # A search that was cut short, or that left the claim out, proves nothing.
    short='max search depth too small|Search not completed|out of memory|requires -a flag'
    if [ "$found" = clean ] && grep -Eq "$short" "$work/run/pan.log"; then
        found=incomplete
    fi
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$work/run/pan.log")
    echo "$model: $must as it must be, $states states, $(($(date +%s) - started)) s:$(printf ' %s' "$@")" >"$work/line"
    if [ "$found" != "$must" ]; then
        cat "$work/run/pan.log" >&2
        echo "$model: $found, must be $must:$(printf ' %s' "$@")" >&2
        exit 1
    fi
    cat "$work/line"
    runs=$((runs + 1))
}

[ $# -gt 0 ] || set -- docs/models/*.pml
for model; do
    [ -e "$model" ] || { echo "no models in docs/models" >&2; exit 1; }
    grep -E '(CHECK|MUST-FAIL):' "$model" >"$work/lines" || {
        echo "$model has no CHECK: line" >&2
        exit 1
    }
    while IFS= read -r line <&3; do
        case $line in
        *MUST-FAIL:*) must=error ;;
        *) must=clean ;;
        esac
        # shellcheck disable=SC2086
        run "$model" $must $(printf '%s\n' "$line" | sed -e 's/.*\(CHECK\|MUST-FAIL\)://' -e 's/\*\/.*//')
    done 3<"$work/lines"
done
echo "$runs runs, each as it must be"
