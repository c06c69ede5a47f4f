"""Recording: a reverse proxy that passes requests through and turns them into a trace.

It stands above planes, whose message framing it uses, and above trace, whose format it writes.
"""
