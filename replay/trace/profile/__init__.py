"""The shape of a trace: how many, how often, how deep, how long, and what kind of load that is."""
