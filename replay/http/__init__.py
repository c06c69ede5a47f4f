"""What HTTP/1.1 says, without I/O."""
