"""Logs of one line a request in a layout that their server fixes, a module each."""
