"""The commands: parse, call one function, print, pick the exit code."""
