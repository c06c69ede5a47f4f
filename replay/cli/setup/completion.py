"""`replay completion`: what has a shell complete commands and options."""

import click
from click.shell_completion import get_completion_class

from replay.cli.command import Command

_PROGRAM = "replay"
_VARIABLE = "_REPLAY_COMPLETE"

# Bash divides a line at "=", and click's own takes the parts of `--timing=c` for three words, the last of them a trace.
_BASH = """\
%(complete_func)s() {
    local words=() word type value
    COMPREPLY=()
    for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if [[ ${#words[@]} -gt 0 && ( $word == "=" && ${words[-1]} == --* || ${words[-1]} == --*= ) ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
    done
    local IFS=$'\n'
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(env COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) %(complete_var)s=bash_complete "$1")
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""

# Click's own puts a value in the place of the whole word, so that `--timing=c` becomes `causal`.
_ZSH = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local -a completions described response
    (( ! $+commands[%(prog_name)s] )) && return 1
    response=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \
%(complete_var)s=zsh_complete %(prog_name)s)}")
    compset -P '--*='
    for type key descr in ${response}; do
        case "$type:$descr" in
            plain:_) completions+=("$key") ;;
            plain:*) described+=("$key:$descr") ;;
            dir:*) _path_files -/ ;;
            file:*) _path_files -f ;;
        esac
    done
    if [ -n "$described" ]; then
        _describe -V unsorted described -U
    fi
    if [ -n "$completions" ]; then
        compadd -U -P "$IPREFIX" -V unsorted -a completions
    fi
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

# Click's own cuts descriptions at their first comma, and offers the value of `--timing=c` without the option, which
# fish takes for no completion of the word.
_FISH = """\
function %(complete_func)s
    set -l token (commandline -t)
    set -l option (string match --regex -- '^--[^=]+=' $token)
    for line in (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp) COMP_CWORD=$token %(prog_name)s)
        set -l item (string split --max 1 -- "," $line)
        switch $item[1]
            case dir
                string replace --regex -- '^' "$option" (__fish_complete_directories $item[2])
            case file
                string replace --regex -- '^' "$option" (__fish_complete_path $item[2])
            case plain
                echo "$option$item[2]"
        end
    end
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


@click.command(
    cls=Command,
    examples=(
        "replay completion bash > ~/.local/share/bash-completion/completions/replay",
        "replay completion zsh > ~/.zfunc/_replay",
        "replay completion fish > ~/.config/fish/completions/replay.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that has SHELL complete commands, options and their values on TAB.

    Write it to where the shell looks for such scripts, as the examples do (mkdir -p the folder first), and open a new
    shell. Bash has to be 4.4 or newer, with the package bash-completion; in ~/.zshrc, fpath=(~/.zfunc $fpath) has to
    stand before autoload -Uz compinit && compinit.
    """
    made_by = get_completion_class(shell)
    assert made_by is not None
    names = made_by(ctx.find_root().command, {}, _PROGRAM, _VARIABLE).source_vars()
    click.echo(_SCRIPTS[shell] % names, nl=False)
