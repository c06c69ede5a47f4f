"""When the steps of a session are due, told plainly: what the engine's walk and every importer are held to."""

from replay.trace.types import Edge, Session, Step


def walked_starts_ms(session: Session) -> dict[str, float]:
    """When every step of a session is due if each takes what was recorded: the file's rule, told plainly."""
    steps = {step.id: step for step in session.steps}
    starts: dict[str, float] = {}

    def anchor_ms(edge: Edge) -> float:
        parent = steps[edge.step]
        start_ms = start_of(parent)
        if edge.anchor == "start":
            return start_ms
        if edge.anchor == "first_byte":
            assert parent.recorded is not None
            assert parent.recorded.ttft_ms is not None
            return start_ms + parent.recorded.ttft_ms
        return start_ms + (parent.took_ms or 0.0)

    def start_of(step: Step) -> float:
        if step.id not in starts:
            starts[step.id] = max((anchor_ms(edge) + edge.delay_ms for edge in step.after), default=step.at_ms)
        return starts[step.id]

    for step in session.steps:  # recorded order, so parents come first and this does not recurse deeply
        start_of(step)
    return starts
