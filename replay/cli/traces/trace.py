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
        "Look at traces": {
            "info": Member("replay.cli.traces.trace_info:info", "Describe the shape of a trace."),
            "validate": Member("replay.cli.traces.trace_info:validate", "Check every line of a trace."),
        },
        "Change traces": {
            "correlate": Member(
                "replay.cli.traces.trace_correlate:correlate",
                "Take ids and tokens of responses into later requests.",
            ),
            "transform": Member(
                "replay.cli.traces.trace_transform:transform",
                "Merge, slice, filter, scale, re-time or anonymise traces.",
            ),
        },
    },
)
def trace() -> None:
    """Import, record, inspect and check traces."""
