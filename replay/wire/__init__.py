"""Bytes to and from a target."""
