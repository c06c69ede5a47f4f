"""What the families of formats share: files found and read, rows and lines, times, refusals in plain words."""
