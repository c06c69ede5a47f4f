"""What answers look like: recorded in a run's slack, so that two targets can be held to each other by it."""
