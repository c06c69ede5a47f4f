"""`replay completion`: scripts that a shell takes, and that ask this program."""

import shutil
import subprocess

import pytest
from click.testing import CliRunner

from replay.cli.main import cli


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
