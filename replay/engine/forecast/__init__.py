"""What a run would send, told before anything is sent."""
