"""Values that a request takes from earlier answers or from the run, and what is expected of an answer."""
