"""Commands that make, show, check and change traces."""
