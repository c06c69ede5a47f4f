"""`replay trace`: make traces, look at them, check them, change them."""

import click

from replay.cli.lazy import LazyGroup, Member


@click.group(
    cls=LazyGroup,
    members={
        "Make traces": {
            "record": Member(
                "replay.cli.traces.trace_record:record", "Record requests through a reverse proxy."
            ),
            "import": Member(
                "replay.cli.traces.trace_import:import_", "Turn a log, a capture or an export into a trace."
            ),
            "synth": Member(
                "replay.cli.traces.trace_synth:synth", "Make a trace from a preset, a recipe or a likeness."
            ),
        },
        "Inspect traces": {
            "info": Member(
                "replay.cli.traces.trace_info:info", "Describe a trace: sessions, sizes, load over time."
            ),
            "validate": Member("replay.cli.traces.trace_info:validate", "Check every line of a trace."),
        },
        "Change traces": {
            "correlate": Member(
                "replay.cli.traces.trace_correlate:correlate",
                "Carry ids and tokens from responses into requests.",
            ),
            "transform": Member(
                "replay.cli.traces.trace_transform:transform",
                "Merge, slice, filter, scale, re-time or anonymise traces.",
            ),
        },
    },
    examples=(
        "replay trace info traces/support-agent.jsonl",
        "replay trace import capture.har -o trace.jsonl.zst",
    ),
)
def trace() -> None:
    """Record, import, make, inspect and change traces."""
