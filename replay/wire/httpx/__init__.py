"""The httpx path: HTTP/2, proxies, and ASGI applications in this process."""
