"""Commands that replay a trace, with a verdict or without."""
