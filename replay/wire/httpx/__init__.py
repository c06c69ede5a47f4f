"""The httpx path: SOCKS and https proxies, and ASGI applications in this process."""
