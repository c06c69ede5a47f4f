"""When: due times, and the alarm that wakes the event loop for them."""
