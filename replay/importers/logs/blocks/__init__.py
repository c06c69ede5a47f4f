"""Lines of logs told many at once."""
