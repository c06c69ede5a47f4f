"""An idle cap shortens think time, and nothing else."""

from replay.trace.transforms.idle import IdleCap
from replay.trace.transforms.types import Tally
from replay.trace.types import Edge, Session, Step


def chain() -> Session:
    return Session(
        "s",
        7.0,
        [
            Step("a", "llm", "x", (), 50.0, 100.0),
            Step("b", "llm", "x", (Edge("a", delay_ms=60_000.0),), 60_150.0, 100.0),
            Step("c", "llm", "x", (Edge("b", delay_ms=10.0),), 60_260.0, 100.0),
        ],
    )


def test_a_long_delay_is_cut_and_all_that_follows_moves_up(walked_starts_ms):
    tally = Tally()
    (session,) = IdleCap(1_000.0).apply(iter([chain()]), tally)
    assert walked_starts_ms(session) == {"a": 50.0, "b": 1_150.0, "c": 1_260.0}
    assert [step.at_ms for step in session.steps] == [50.0, 1_150.0, 1_260.0]
    assert tally["delays shortened"] == 1


def test_a_cap_above_every_delay_changes_nothing():
    (session,) = IdleCap(60_000.0).apply(iter([chain()]), Tally())
    assert session == chain()
