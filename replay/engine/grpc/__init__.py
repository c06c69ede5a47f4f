"""gRPC calls: their messages, by descriptors or as bytes, and how they ended."""
