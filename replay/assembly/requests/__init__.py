"""Single requests with their times, made into sessions: millions of them, in memory that does not grow with them."""
