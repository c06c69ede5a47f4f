"""The fast path for HTTP/2: our own framing over asyncio protocols, callbacks only."""
