"""Where runs turn, an event loop of their own, and who may break them off."""
