"""What CI systems show of a verdict: Markdown, JUnit, annotations and job summaries."""
