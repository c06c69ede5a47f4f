"""A recording that answers: what it holds of its answers, and which of them a request gets."""
