"""WebSocket without I/O: frames, messages, the request that opens a connection, and compression."""
