"""A trace on disk: read and written as a stream, with errors that name the place."""
