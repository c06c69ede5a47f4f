"""Spans and runs that tracing tools export."""
