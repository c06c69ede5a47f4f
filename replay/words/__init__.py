"""Numbers and names as people read them: the one place that formats them."""
