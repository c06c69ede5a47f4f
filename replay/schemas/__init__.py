"""What every file looks like, as JSON Schema: made from the types that it is written and read by."""
