"""What is known of HTTP methods."""

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""Those that ask and change nothing (RFC 9110, section 9.2.1). Methods are case-sensitive."""
