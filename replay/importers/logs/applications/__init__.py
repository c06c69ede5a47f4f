"""Logs of requests that stand among the lines of an application."""
