import pytest

from replay.engine.types import RunOptions
from replay.errors import InputError
from replay.judge.measures.slo import parse_slo
from replay.target.target import Target
from replay.trials.bounds import check_slos
from replay.trials.gate.trial import gate_run, gate_trace


@pytest.fixture
def trace(write_trace):
    return write_trace((0.0, [write_trace.get("search", "/a"), write_trace.get("crm", "/b", ["search"])]))


def problem_of(trace, *texts, has_baseline=False):
    try:
        check_slos([parse_slo(text) for text in texts], trace, has_baseline=has_baseline)
    except InputError as error:
        return str(error).replace(str(trace), "T")
    return None


def test_a_step_that_the_trace_has_not_is_said_with_what_it_has(trace):
    assert problem_of(trace, "p99(tool:nostep) < 1s") == (
        "p99(tool:nostep) < 1s: no step of T is tool:nostep. It has tool:crm, tool:search."
    )
    assert problem_of(trace, "p99 < 1s", "errors(tool:serch) < 1%") == (
        'errors(tool:serch) < 1%: no step of T is tool:serch. Did you mean "tool:search"?'
    )
    assert "no step of T is llm" in problem_of(trace, "p95(ttft, llm) < 1s")


@pytest.mark.parametrize(
    "text", ["p99 < 1s", "p99(tool) < 1s", "p99(tool:s*) < 1s", "p99(tool:crm) < recorded * 2"]
)
def test_what_the_trace_has_is_no_problem(text, trace):
    assert problem_of(trace, text) is None


def test_a_baseline_that_nobody_named_is_missed_before_anything_is_sent(trace, truth, tmp_path):
    bounds = [parse_slo("p99 < baseline * 1.1")]

    with pytest.raises(InputError, match="there is no baseline to compare it with"):
        gate_trace(trace, Target(url=truth.url, name="truth"), bounds, RunOptions(), out=tmp_path / "out")

    assert truth.arrivals == []
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="there is no baseline to compare it with"):
        gate_run(tmp_path, bounds)
    assert problem_of(trace, "p99 < baseline * 1.1", has_baseline=True) is None
