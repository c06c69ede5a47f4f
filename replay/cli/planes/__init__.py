"""Commands about planes: served, simulated, priced, chosen."""
