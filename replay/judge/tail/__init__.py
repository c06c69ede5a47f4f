"""Why slow requests are slow: cold starts, causes, critical paths, saturation."""
