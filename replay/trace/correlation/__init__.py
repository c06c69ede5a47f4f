"""Values that later requests took from earlier responses: found, proposed, and put in place."""
