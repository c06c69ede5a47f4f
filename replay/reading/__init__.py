"""Foreign files opened and read: encodings, rows and lines, documents, times, and what is damaged, in plain words."""
