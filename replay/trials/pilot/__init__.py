"""The pilot: every experiment on every plane, from one trace, and a choice with its reasons."""
