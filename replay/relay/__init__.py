"""Requests on their way between clients and servers, and answers back; where they go is decided elsewhere."""
