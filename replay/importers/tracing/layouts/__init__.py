"""Spans as programs other than OpenTelemetry's exporters lay them out, a module each."""
