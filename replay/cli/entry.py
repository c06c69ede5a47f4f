"""Where the `replay` command begins: before anything else is imported, since Ctrl-C may come that early."""

import sys

_EXIT_INTERRUPTED = 130


def main() -> None:
    """Run the command line."""
    try:
        from replay.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(_EXIT_INTERRUPTED)
