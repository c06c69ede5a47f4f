"""WebSockets by the fast path: connections that a session holds, callbacks only."""
