"""A run or a verdict as one HTML page: its charts and tables."""
