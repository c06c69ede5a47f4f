"""The core of an execution plane: told of events with their times, it answers with decisions. No I/O."""
