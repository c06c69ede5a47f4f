"""Captures of HTTP traffic, by browsers, proxies and load generators."""
