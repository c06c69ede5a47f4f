"""Changes to a trace as it streams by: each a small value whose `apply` takes sessions and gives sessions."""
