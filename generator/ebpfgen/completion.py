"""``ebpfgen completion SHELL``: a script that makes the shell complete both commands.

Receives a shell's name, returns the script's text. The script asks the commands themselves (``--help``), so that it knows
what they know: of ebpfrun also the parameters of the spec on the command line. Never installs anything.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

SHELLS = ("bash", "zsh")

BASH = r"""# Completion of ebpfgen and ebpfrun. To have it: eval "$(ebpfgen completion bash)"
_ebpfgen_commands() { # of the help on stdin: lines indented by four
    sed -n 's/^    \([a-z][a-z-]*\)\( .*\)\{0,1\}$/\1/p'
}
_ebpfgen_values() { # of the help on stdin, for the option $1: --option {a,b}
    sed -n "s/.*$1 {\([^}]*\)}.*/\1/p" | head -n 1 | tr , ' '
}
_ebpfgen_complete() {
    local program=$1 word=$2 previous=$3 path=() help commands values i
    help=$("$program" --help 2>/dev/null)
    for ((i = 1; i < COMP_CWORD; i++)); do
        commands=" $(_ebpfgen_commands <<<"$help" | tr '\n' ' ') "
        if [[ $commands == *" ${COMP_WORDS[i]} "* || (${program##*/} == ebpfrun && $i == 1 && ${COMP_WORDS[i]} != -*) ]]; then
            path+=("${COMP_WORDS[i]}")
            help=$("$program" "${path[@]}" --help 2>/dev/null)
        else
            break
        fi
    done
    COMPREPLY=()
    if [[ $previous == -* ]] && values=$(_ebpfgen_values "$previous" <<<"$help") && [[ -n $values ]]; then
        COMPREPLY=($(compgen -W "$values" -- "$word"))
    elif [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$(grep -oE -- '(^|[ [,])--?[a-z][a-z-]*' <<<"$help" | tr -d ' [,' | sort -u)" -- "$word"))
    elif commands=$(_ebpfgen_commands <<<"$help") && [[ -n $commands && $previous != -* && $i -eq $COMP_CWORD ]]; then
        [[ ${program##*/} == ebpfrun ]] && commands+=" $("$program" list 2>/dev/null | sed -n '1!s/ .*//p')"
        COMPREPLY=($(compgen -W "$commands" -- "$word"))
    fi
} # what is not found here completes as a file name: -o default
complete -o default -F _ebpfgen_complete ebpfgen
complete -o default -o plusdirs -F _ebpfgen_complete ebpfrun
"""

ZSH = "autoload -Uz +X compinit bashcompinit\n(( ${+functions[compdef]} )) || compinit\nbashcompinit\n"


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command; ``run`` of the parsed arguments is :func:`run`."""
    parser = subparsers.add_parser(
        "completion",
        help="print a script that makes the shell complete both commands",
        description='Prints a script that makes the shell complete both commands: eval "$(ebpfgen completion bash)"',
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the script. Returns the exit status."""
    print(script(args.shell), end="")
    return 0


def script(shell: str) -> str:
    """The script for one of :data:`SHELLS`."""
    return ZSH + BASH.replace("completion bash", "completion zsh") if shell == "zsh" else BASH
