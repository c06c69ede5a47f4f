"""The traces of a pilot, cut from the user's own, and the shape of that."""
