"""The recorded workload: its types, its file, its importers."""
