"""Cold starts of a live target, found by leaving it alone for a while and asking again."""
