"""`python -m replay`, the same as the `replay` command."""

from replay.cli.main import main

main()
