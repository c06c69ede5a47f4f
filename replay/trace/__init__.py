"""The recorded workload: its types, its file, its shape, and what is made of it."""
