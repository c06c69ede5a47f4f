"""The fast path: HTTP/1.1 over asyncio protocols, callbacks only."""
