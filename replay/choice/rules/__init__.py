"""The rules by which a plane is chosen, a module for those that ask one thing; their table."""
