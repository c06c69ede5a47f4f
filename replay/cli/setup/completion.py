"""`replay completion`: what has a shell complete commands and options."""

import click
from click.shell_completion import get_completion_class

from replay.cli.command import Command

_PROGRAM = "replay"
_VARIABLE = "_REPLAY_COMPLETE"


@click.command(
    cls=Command,
    examples=(
        "replay completion bash > ~/.local/share/bash-completion/completions/replay",
        'replay completion zsh > "${fpath[1]}/_replay"',
        "replay completion fish > ~/.config/fish/completions/replay.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that has SHELL complete commands, options and their values on TAB.

    Write it to where the shell looks for such scripts, as the examples do, and open a new shell. Bash has to be 4.4 or
    newer, with the package bash-completion; zsh has to have run compinit.
    """
    made_by = get_completion_class(shell)
    assert made_by is not None
    script = made_by(ctx.find_root().command, {}, _PROGRAM, _VARIABLE)
    # As script.source() would, which for bash looks at the one of this machine first: it may be meant for another.
    click.echo(script.source_template % script.source_vars(), nl=False)
