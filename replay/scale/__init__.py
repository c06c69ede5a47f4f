"""More than one process: a worker does a share of a run, a conductor starts, watches and stops them together."""
