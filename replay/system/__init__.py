"""What belongs to this machine: files written whole, what it runs short of, and what is ended with it."""
