"""Sessions put together out of what recordings tell: calls and their times, turns of agents, requests by themselves."""
