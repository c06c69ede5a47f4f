"""Recording: a reverse proxy that passes requests through and turns them into a trace."""
