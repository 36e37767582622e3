# Completion of bide-countdown for bash.
#
# SPDX-License-Identifier: MIT OR Apache-2.0

_bide_countdown() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} words
    COMPREPLY=()
    case $before in
    --unix | --config)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    --preset) words='pomodoro 52/17 112/26' ;;
    --loops) words=infinite ;;
    --connect | --listen)
        words=
        ;;
    --cycle | --clients | --timeout) return ;;
    *)
        if [ "$COMP_CWORD" -eq 1 ]; then
            words='serve start pause resume stop get set watch --help --version'
        elif [ "$command" = serve ]; then
            words='--unix --listen --config --preset --cycle --loops --clients --verbose --help'
        elif [ "$command" = set ] && [ "$COMP_CWORD" -eq 2 ]; then
            words='5m 15m 25m 52m 1h'
        else
            words='--unix --connect --config --timeout --json --help'
        fi
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _bide_countdown bide-countdown
