"""Results of load tests: what the last test did, to be done again."""
