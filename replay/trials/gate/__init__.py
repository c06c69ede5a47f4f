"""A run held to SLOs: made for it or made before, ended early or not, against the runs that passed before it."""
