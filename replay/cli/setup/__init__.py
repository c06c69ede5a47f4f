"""Commands that come before the first run, and those that set up the shell."""
