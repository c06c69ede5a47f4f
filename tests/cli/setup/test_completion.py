"""`replay completion`: scripts that a shell takes, and that ask this program."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from replay.cli.main import cli

ROOT = Path(__file__).parents[3]


def script(shell):
    result = CliRunner().invoke(cli, ["completion", shell])
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_has_the_shell_ask_replay(shell):
    assert f"_REPLAY_COMPLETE={shell}_complete" in script(shell)
    assert "%(" not in script(shell)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_reads_it_without_complaint(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on this machine")
    read = subprocess.run([shell, "-n", "/dev/stdin"], input=script(shell), capture_output=True, text=True)

    assert (read.returncode, read.stderr) == (0, "")


def asked(shell, line):
    """What a shell offers at the end of a line: replay is on its PATH, and no file of a user's is read."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on this machine")
    run = {
        "bash": [
            "bash",
            "--norc",
            "-c",
            f'compopt() {{ echo "$@"; }}\n{script("bash")}{BASH_ASKS}',
            "bash",
            line,
        ],
        "fish": ["fish", "-N", "-c", f"{script('fish')}\ncomplete -C $argv[1]", "--", line],
    }[shell]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    told = subprocess.run(run, cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert told.stderr == ""
    return told.stdout.splitlines()


# As bash divides a line without quotation marks.
BASH_ASKS = """
read -ra COMP_WORDS <<< "${1//=/ = }"
[[ $1 == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_replay_completion replay
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("replay ga", ["gate"]),
        ("replay plane s", ["serve", "simulate"]),
        ("replay gate --timing ", ["causal", "recorded"]),
        # What bash replaces is what stands behind the "=".
        ("replay gate --timing=c", ["causal"]),
        ("replay gate --timing=", ["causal", "recorded"]),
        ("replay gate --timing=causal --slo-f", ["--slo-file"]),
        ("replay gate READ", ["-o default", ""]),
    ],
)
def test_bash_offers_commands_options_and_their_values(line, offered):
    assert asked("bash", line) == offered


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("replay coldst", ["coldstart\tFind cold starts, or how long a target stays warm."]),
        ("replay gate --timing ", ["causal", "recorded"]),
        ("replay gate --timing=c", ["--timing=causal"]),
        ("replay gate READ", ["README.md"]),
        ("replay gate --slo-file=READ", ["--slo-file=README.md"]),
    ],
)
def test_fish_offers_whole_descriptions_and_words(line, offered):
    assert asked("fish", line) == offered


def test_zsh_keeps_the_option_before_the_value_that_it_puts_in():
    assert "compset -P '--*='" in script("zsh")
    assert 'compadd -U -P "$IPREFIX"' in script("zsh")


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not on this machine")
def test_bash_knows_afterwards_how_replay_is_completed():
    bash = subprocess.run(
        ["bash", "--norc", "-c", script("bash") + "complete -p replay"], capture_output=True, text=True
    )

    assert bash.stdout == "complete -o nosort -F _replay_completion replay\n"


def test_a_shell_that_it_does_not_know_is_bad_input():
    result = CliRunner().invoke(cli, ["completion", "tcsh"])

    assert result.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in result.stderr
