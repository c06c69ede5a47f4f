"""The run directory: its files, their types, reading and writing them."""
