"""A plane that serves on this machine: its gateway, its processes, its control address."""
