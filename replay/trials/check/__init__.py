"""A check of a target: one session of each sort, at once, to see whether a replay means anything there."""
