"""`python -m replay`, the same as the `replay` command."""

from replay.cli.entry import main

main()
