"""What a command line is refused with, found without a process of its own."""

from click.testing import CliRunner

from replay.cli.failures import failure_of
from replay.cli.main import cli


def refusal(*arguments: str) -> tuple[int, str]:
    """The exit code and the sentence. Fails for what is taken, and for faults of the program itself."""
    raised = CliRunner().invoke(cli, arguments, standalone_mode=False).exception
    assert raised is not None, f"{arguments} was taken"
    failure = failure_of(raised)
    assert not failure.is_ours, raised
    return failure.exit_code, failure.sentence
