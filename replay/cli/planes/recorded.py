"""What is told of a recording that answers."""

from replay.planes.recorded.kept import MOST_KEPT_BYTES
from replay.planes.recorded.recording import Recording
from replay.planes.recorded.types import Way
from replay.words.numbers import count, size
from replay.words.phrases import counted

_WAYS: dict[Way, str] = {
    "step": "by the session and step that they name",
    "body": "by method, path and body",
    "path": "by method and path",
    "name": "by kind and name",
}


def left_out(recording: Recording) -> str:
    """That there was no room for all bodies."""
    return (
        f"the bodies of {counted(recording.bodies_left_out, 'step')} are not kept in memory, which holds "
        f"{size(MOST_KEPT_BYTES)} of them; their answers have the recorded size."
    )


def told_at_the_end(recording: Recording) -> str:
    """What was answered, by which way it was found, and what was not."""
    rows = [
        (recording.by_way[way], f"answered {words}") for way, words in _WAYS.items() if recording.by_way[way]
    ]
    if recording.prepared:
        rows.append((recording.prepared, "answered as any MCP server opens sessions and lists its tools"))
    rows.append((recording.not_found, "not found, and answered with 404"))
    width = max(len(count(n)) for n, _ in rows)
    lines = [f"  {count(n):>{width}}  {words}" for n, words in rows]
    requests = counted(sum(n for n, _ in rows), "request")
    asked, steps = count(recording.steps - recording.never_asked), counted(recording.steps, "recorded step")
    return "\n".join([f"{requests}; {asked} of {steps} asked for", *lines])
