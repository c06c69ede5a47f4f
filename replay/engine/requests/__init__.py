"""Requests: where each goes, what is sent there, and what is held back."""
