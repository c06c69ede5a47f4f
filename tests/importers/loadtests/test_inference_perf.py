"""inference-perf: a report that it wrote itself, and spans as it replays them."""

import json
import time
from pathlib import Path

import pytest

from replay.assembly.types import ImportOptions
from replay.importers.loadtests.inference_perf import InferencePerf
from replay.importers.tracing.layouts.plain_spans import PlainTraces
from replay.trace.errors import TraceError

REPORT = Path(__file__).parent / "inference_perf" / "per_request_lifecycle_metrics.json"


def imported(*paths):
    result = InferencePerf().read(paths, ImportOptions())
    return result, list(result.sessions())


def span(n, start, end, **told):
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", **told}
    ids = {"trace_id": "t", "span_id": f"s{n}", "parent_span_id": f"s{n - 1}" if n else None}
    day = "2026-02-25T10:00:"
    return {**ids, "name": "chat m", "start_time": day + start, "end_time": day + end, "attributes": attributes}


def written(path, *spans, trace_id="t"):
    path.write_text(json.dumps({"trace_id": trace_id, "span_count": len(spans), "spans": spans}))
    return path


def test_a_report_that_it_wrote_has_calls_with_their_tokens_and_times():
    """Written by inference-perf 0.7 as it replayed spans against a server that sent eight tokens, 10 ms apart."""
    result, sessions = imported(REPORT)
    said = json.loads(REPORT.read_text())

    assert [len(session.steps) for session in sessions] == [1, 1, 1]
    for session, told in zip(sessions, said, strict=True):
        [step] = session.steps
        assert (step.kind, step.llm.input_tokens, step.llm.output_tokens, step.llm.stream) == (
            "llm",
            12,
            8,
            True,
        )
        assert step.took_ms == pytest.approx((told["end_time"] - told["start_time"]) * 1e3, abs=0.002)
        first = told["info"]["response_metrics"]["output_token_times"][0]
        assert step.recorded.ttft_ms == pytest.approx((first - told["start_time"]) * 1e3, abs=0.002)
        assert session.start_ms == pytest.approx((told["start_time"] - said[0]["start_time"]) * 1e3, abs=0.002)
    assert "first_unix_ns" not in result.header.attributes["import"]


def test_a_request_that_failed_has_its_status_and_kind_and_no_words(tmp_path):
    told = {
        "start_time": 5.0,
        "end_time": 6.5,
        "request": "{'model': 'm'}",
        "response": None,
        "info": {"input_tokens": 7},
    }
    error = {"error_type": "504 - Gateway Timeout", "error_msg": "<html>who knows</html>"}
    (tmp_path / "r.json").write_text(json.dumps([{**told, "error": error}]))
    _, [session] = imported(tmp_path / "r.json")

    [step] = session.steps
    assert (step.recorded.status, step.attributes, step.llm.input_tokens) == (
        504,
        {"error": "504 - Gateway Timeout"},
        7,
    )


WINDOW = {"start_time": 0.0, "end_time": 2.5}


@pytest.mark.parametrize(
    "others",
    [
        [{**WINDOW, "text": "Hello and welcome", "speaker": "A"}],
        [{**WINDOW, "user": "x", "activity": "y"}],
        [{**WINDOW, "request": "GET /a HTTP/1.1", "response": "200 OK"}],
        [{**WINDOW, "request": {"id": 5}, "info": {"input_tokens": 7}}],
        [{**WINDOW, "request": "{}", "response": None, "info": {"title": "a talk"}}],
        [{**WINDOW, "request": "{}", "response": "{}", "status": "done"}],
        [WINDOW],
    ],
    ids=["speech", "activities", "requests of another program", "objects", "other info", "no info", "windows"],
)
def test_a_list_of_other_things_with_a_start_and_an_end_is_no_report(tmp_path, others):
    """These became calls of a model without tokens, with a status that nobody had seen."""
    for spaced in (None, 2):
        (tmp_path / "o.json").write_text(json.dumps(others, indent=spaced))

        assert not InferencePerf().sniff((tmp_path / "o.json").read_bytes())
        with pytest.raises(TraceError):
            imported(tmp_path / "o.json")


@pytest.mark.parametrize("long", ["request", "response"])
def test_a_report_is_known_where_its_first_request_or_answer_is_longer_than_what_is_looked_at(tmp_path, long):
    told = json.loads(REPORT.read_text())
    told[0][long] = '{"model": "m", "x": "' + 'é\\"' * 40_000 + '"}'
    (tmp_path / "r.json").write_text(json.dumps(told, indent=2))

    assert InferencePerf().sniff((tmp_path / "r.json").read_bytes()[:65_536])
    assert len(imported(tmp_path / "r.json")[1]) == 3


def test_what_is_no_request_among_others_costs_itself_only_and_no_status_is_made_up(tmp_path):
    told = json.loads(REPORT.read_text())
    others = [WINDOW, {**WINDOW, "request": "{}"}, {**WINDOW, "info": {"input_tokens": 7}}]
    (tmp_path / "r.json").write_text(json.dumps([*told, *others, *told]))
    result, sessions = imported(tmp_path / "r.json")

    assert result.header.attributes["import"]["unreadable"] == 3
    assert [step.recorded.status for session in sessions for step in session.steps] == [None] * 6


def test_two_reports_count_from_different_starts_and_are_refused(tmp_path):
    (tmp_path / "a.json").write_text(REPORT.read_text())
    (tmp_path / "b.json").write_text(REPORT.read_text())

    with pytest.raises(TraceError, match="Import one report at a time"):
        imported(tmp_path)


def test_a_turn_that_names_the_one_before_is_a_call_of_its_own(tmp_path):
    messages = {"gen_ai.input.messages": json.dumps([{"role": "user", "content": "x" * 40}])}
    counted = {"gen_ai.usage.prompt_tokens": 50, "gen_ai.usage.completion_tokens": 5}
    path = written(
        tmp_path / "a.json",
        span(0, "00.000", "02.000", **messages, **{"gen_ai.output.text": "y" * 12}),
        span(1, "03.000", "04.000", **messages, **counted),
    )
    result, [session] = imported(path)

    assert [(step.llm.input_tokens, step.llm.output_tokens) for step in session.steps] == [(10, 3), (50, 5)]
    assert [(edge.step, edge.delay_ms) for edge in session.steps[1].after] == [("1", 1_000.0)]
    assert any("4 bytes a token" in note for note in result.notes)


def test_each_file_is_a_trace_whatever_its_id(tmp_path):
    for name in "ab":
        counted = {"gen_ai.usage.input_tokens": 50, "gen_ai.input.messages": "[]"}
        written(tmp_path / f"{name}.json", span(0, "00.000", "02.000", **counted))
    result, sessions = imported(tmp_path)

    assert sorted(session.id for session in sessions) == ["t", "t~2"]
    assert not any("bytes a token" in note for note in result.notes)


@pytest.mark.parametrize("ids", [[None] * 4, ["t"] * 4, ["t~2", "t", "t", "t"], ["t", "t", "t~2", "t~2"]])
def test_traces_of_one_id_or_none_have_names_of_their_own(tmp_path, ids):
    traces = PlainTraces()
    names = [traces.name_of(tmp_path, str(n), trace_id or "") for n, trace_id in enumerate(ids)]
    again = [traces.name_of(tmp_path, str(n), trace_id or "") for n, trace_id in enumerate(ids)]

    assert len(set(names)) == len(ids)
    assert names == again


def test_names_of_many_traces_take_time_and_room_with_their_number(tmp_path):
    def named(n):
        traces, begun = PlainTraces(), time.process_time()
        names = [traces.name_of(tmp_path, str(each), "t") for each in range(n)]
        return time.process_time() - begun, sum(map(len, names))

    short_s, _ = min(named(1_000) for _ in range(3))
    long_s, size = named(16_000)

    # Where time grows as the square of it the ratio is 256, whatever the machine.
    assert long_s < 100 * short_s
    assert size < 16_000 * 10
