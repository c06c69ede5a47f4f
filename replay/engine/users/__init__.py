"""Who each session of a run is: its number, its row of a file of users, its cookies, and what they make of requests."""
