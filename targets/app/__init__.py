"""A small real agent application: tools, streamed model calls, and a session state that can be lost on purpose."""
