"""Logs that coding agents keep of their own sessions."""
