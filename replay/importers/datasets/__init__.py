"""Workloads that others published: one request or one invocation a row."""
