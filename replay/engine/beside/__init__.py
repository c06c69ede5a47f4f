"""What goes on beside a run: things done to the target at set times, and what its plane says of itself."""
