"""Load over time: how much a target bears, and how it recovers."""
