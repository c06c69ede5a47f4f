"""Pure functions from results to verdicts."""
