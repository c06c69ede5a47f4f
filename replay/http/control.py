"""How whoever serves a plane's control address, and whoever asks it for a fault, name the token that it needs."""

TOKEN_VARIABLE = "REPLAY_CONTROL_TOKEN"
"""The variable of the environment that may hold the token."""

TOKEN_HEADER = "x-replay-control"
"""The header of a request that has the token; in lower case, as headers are compared."""
