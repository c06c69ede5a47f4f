"""What model APIs and tool protocols look like when they answer: pure, sans I/O, one file a dialect."""
