"""Whether two targets give the same answers: what differs, what is only noise, and how sure that is."""
