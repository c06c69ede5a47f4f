"""What a plane costs: price tables, what a run used, bills, a month of them, and where two bills cross."""
