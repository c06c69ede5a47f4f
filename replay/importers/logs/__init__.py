"""Access logs of servers, proxies and platforms."""
