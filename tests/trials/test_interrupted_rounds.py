"""Sequential comparisons that end before every target had its turn."""

import os
import signal

from replay.engine.hosting.ownership import owning_signals
from replay.engine.types import RunOptions
from replay.report.terminal.verdicts import print_compare
from replay.target.target import Target
from replay.trials.compare import compare_targets


def test_a_target_whose_turn_never_came_is_not_given_the_figures_of_another(
    write_trace, truth, tmp_path, capsys
):
    get = write_trace.get
    trace = write_trace(*[(n * 20.0, [get("a", "/a?ms=1")]) for n in range(3_000)])
    told = []

    def interrupt_once(*_):
        if not told:
            told.append(True)
            os.kill(os.getpid(), signal.SIGINT)

    targets = [Target(url=truth.url, name=name) for name in ("first", "second", "third")]
    with owning_signals():
        outcome = compare_targets(
            trace, targets, RunOptions(), "sequential", out=tmp_path / "out", on_progress=interrupt_once
        )

    assert told
    assert outcome.status == "interrupted"
    assert {path.name for path in outcome.directory.iterdir()} == {"first", "verdict.json"}
    for verdict, name in zip((outcome.verdict, *outcome.verdict.further), ("second", "third"), strict=True):
        assert verdict.verdict == "inconclusive"
        assert verdict.reasons == [f"{name} was never replayed: a run before it did not finish"]
        assert verdict.differences == []
        assert [side.runs for side in verdict.targets] == [["first"], []]
    print_compare(outcome.verdict, outcome.directory)
    assert "second was never replayed" in capsys.readouterr().out
