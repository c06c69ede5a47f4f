"""Whole runs against a target that knows the truth. Lateness is not asserted; being early, or wrong, is."""

import json
from collections import Counter

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from replay.engine.forecast.dryrun import foresee
from replay.engine.run import replay_trace
from replay.engine.types import Knobs, RunOptions
from replay.engine.walker import Walk
from replay.results.histogram import HIGHEST
from replay.results.summary import rebuild
from replay.target.auth import Auth
from replay.target.errors import TargetError
from replay.target.file import load_target
from replay.target.routes import Route
from replay.target.sending import Connections, Retry, Timeouts
from replay.target.target import Target
from replay.trace.errors import TraceError
from replay.wire.errors import TargetUnreachable

MS = 1_000_000


@pytest.fixture
def run(tmp_path, truth):
    """Replay a trace against the truth; returns the summary and the lines of steps.jsonl."""

    def replayed(trace, target=None, **options):
        knobs = Knobs(**{k: options.pop(k) for k in list(options) if k in Knobs.__struct_fields__})
        target = target or Target(url=truth.url, name="truth")
        outcome = replay_trace(trace, target, RunOptions(knobs=knobs, **options), tmp_path / "run")
        lines = [json.loads(line) for line in (tmp_path / "run" / "steps.jsonl").read_text().splitlines()]
        return outcome.summary, lines

    return replayed


def by_step(lines):
    return {(line["session"], line["step"]): line for line in lines}


def many(get, paths, gap_ms=2.0):
    return [(n * gap_ms, [get("a", path, name="call")]) for n, path in enumerate(paths)]


def test_causal_steps_follow_the_events_they_wait_for(run, truth, write_trace, tmp_path):
    get = write_trace.get
    steps = [
        get("a", "/a?ms=60&fb=20"),
        get("b", "/b", [{"step": "a", "anchor": "first_byte", "delay_ms": 10}]),
        get("c", "/c", [{"step": "a", "anchor": "start", "delay_ms": 5}]),
        get("d", "/d?ms=15", [{"step": "a", "delay_ms": 7}]),
        get("e", "/e", [{"step": step, "delay_ms": 3} for step in "bcd"]),
    ]

    summary, lines = run(write_trace((0.0, steps)))

    at = {name: truth.arrival_ns(f"/{name}") for name in "abcde"}
    origin_ns = json.loads((tmp_path / "run" / "run.json").read_text())["clock"]["start_ns"]
    seen = {line["step"]: line for line in lines}
    assert summary.counts.ok == 5
    assert seen["b"]["intended_ns"] == seen["a"]["first_byte_ns"] + 10 * MS
    assert seen["d"]["intended_ns"] == seen["a"]["end_ns"] + 7 * MS
    assert seen["e"]["intended_ns"] == max(seen[step]["end_ns"] for step in "bcd") + 3 * MS
    assert at["b"] - at["a"] >= 30 * MS
    assert at["c"] >= origin_ns + seen["a"]["intended_ns"] + 5 * MS
    assert at["d"] - at["a"] >= 67 * MS
    assert at["e"] - at["d"] >= 18 * MS


def test_recorded_steps_go_out_at_their_times_whatever_the_target_does(run, truth, write_trace):
    get = write_trace.get
    steps = [get("a", "/a?ms=400"), get("b", "/b", ["a"], at_ms=50.0), get("c", "/c", ["b"], at_ms=90.0)]

    _, lines = run(write_trace((0.0, steps)), timing="recorded")

    assert [line["intended_ns"] for line in sorted(lines, key=lambda line: line["step"])] == [
        0,
        50 * MS,
        90 * MS,
    ]
    assert truth.arrival_ns("/c") - truth.arrival_ns("/a") < 400 * MS


def test_nothing_is_sent_early(run, truth, write_trace, tmp_path):
    run(write_trace(*many(write_trace.get, [f"/n={n}." for n in range(300)], gap_ms=1.0)))

    origin_ns = json.loads((tmp_path / "run" / "run.json").read_text())["clock"]["start_ns"]
    for n in range(300):
        assert truth.arrival_ns(f"/n={n}.") >= origin_ns + n * MS


def test_every_step_ends_as_ok_failed_or_unsent_and_the_files_agree(run, truth, write_trace, tmp_path):
    wishes = ["/", "/?do=503", "/?do=cut", "/?do=reset&ms=1"] * 50
    summary, lines = run(write_trace(*many(write_trace.get, wishes)))
    counts = summary.counts

    final = [line for line in lines if line.get("final", True)]
    assert counts.ok + counts.failed + counts.unsent == counts.steps == 200
    assert (counts.ok, counts.errors) == (50, {"reset": 100, "status_5xx": 50})
    assert len(final) == 200
    assert Counter(line["outcome"] for line in final) == {"ok": 50, "failed": 150}
    assert len(lines) - len(final) == counts.retries
    assert len(truth.arrivals) == 200 + counts.retries
    assert rebuild(tmp_path / "run") == summary

    reader = HistogramLogReader(str(tmp_path / "run" / "latency.hlog"), HdrHistogram(1, HIGHEST, 3))
    logged = {tag: HdrHistogram(1, HIGHEST, 3) for tag in ("response", "failed")}
    while (interval := reader.get_next_interval_histogram()) is not None:
        if interval.get_tag() in logged:
            logged[interval.get_tag()].add(interval)
    reader.close()
    assert logged["response"].get_total_count() == summary.latency_ms["response"].n == 50
    assert logged["failed"].get_total_count() == summary.latency_ms["failed"].n == 150
    longest_us = max(line["end_ns"] - line["intended_ns"] for line in final) / 1000
    most_us = max(histogram.get_max_value() for histogram in logged.values())
    assert abs(most_us - longest_us) <= longest_us / 1000 + 1


def test_a_target_that_goes_away_fails_what_is_left_and_loses_nothing(run, write_trace):
    paths = ["/"] * 20 + ["/?do=exit"] + ["/"] * 60
    summary, _ = run(write_trace(*many(write_trace.get, paths, gap_ms=5.0)))
    counts = summary.counts

    assert counts.ok + counts.failed == 81
    assert counts.ok >= 20
    assert counts.errors["connect"] >= 30
    failed = summary.latency_ms.get("failed")
    assert summary.latency_ms["response"].n == counts.ok
    assert counts.ok + (0 if failed is None else failed.n) == counts.sent


def test_a_slow_response_is_cut_at_its_limit_and_counted(run, truth, write_trace):
    get = write_trace.get
    target = Target(url=truth.url, name="t", timeouts=Timeouts(first_byte_s=0.1, total_s=0.2))
    slow = [get("a", "/?ms=5000"), get("b", "/?ms=5000&fb=10")]
    summary, lines = run(write_trace((0.0, slow)), target)

    seen = {line["step"]: line for line in lines}
    assert summary.counts.errors == {"timeout": 2}
    assert seen["a"]["end_ns"] - seen["a"]["sent_ns"] == 100 * MS
    assert seen["b"]["end_ns"] - seen["b"]["sent_ns"] == 200 * MS
    assert all(line["censored"] for line in lines)
    assert summary.latency_ms["failed"].max >= 200.0
    assert "response" not in summary.latency_ms


def test_waits_pass_without_a_request(run, truth, write_trace):
    get = write_trace.get
    wait = {"id": "w", "kind": "tool", "name": "local", "after": [{"step": "a"}], "took_ms": 40.0}
    summary, lines = run(write_trace((0.0, [get("a", "/a"), wait, get("b", "/b", ["w"])])))

    seen = {line["step"]: line for line in lines}
    assert (summary.counts.ok, summary.counts.waits, summary.counts.sent) == (3, 1, 2)
    assert seen["b"]["intended_ns"] == seen["w"]["end_ns"] == seen["a"]["end_ns"] + 40 * MS
    assert truth.arrival_ns("/b") - truth.arrival_ns("/a") >= 40 * MS


def test_a_route_turns_a_step_into_a_wait(run, truth, write_trace):
    get = write_trace.get
    target = Target(url=truth.url, name="t", routes=(Route(kind="tool", name="loc*", wait=True),))
    steps = [get("a", "/local", name="local", took_ms=30.0), get("b", "/far", ["a"])]
    summary, _ = run(write_trace((0.0, steps)), target)

    assert summary.counts.waits == 1
    assert [seen["path"] for seen in truth.arrivals] == ["/far"]


def test_no_more_than_max_in_flight_are_in_flight(run, truth, write_trace):
    summary, lines = run(
        write_trace(*many(write_trace.get, ["/?ms=30"] * 40, gap_ms=1.0)), max_in_flight=3, timing="recorded"
    )

    assert truth.log()["most_in_flight"] <= 3
    assert summary.counts.ok == 40
    assert summary.generator.verdict != "ok"
    assert any("--max-in-flight" in reason for reason in summary.generator.reasons)
    assert max(line["sent_ns"] - line["intended_ns"] for line in lines) > 100 * MS


def test_after_a_failure_the_rest_of_the_session_can_be_skipped(run, truth, write_trace):
    get = write_trace.get
    steps = [get("a", "/?do=503"), get("b", "/", ["a"]), get("c", "/", ["b"])]
    summary, _ = run(write_trace((0.0, steps), (1.0, [get("a", "/")])), on_error="skip-rest")

    assert (summary.counts.ok, summary.counts.failed, summary.counts.unsent) == (1, 1, 2)
    assert summary.counts.unsent_reasons == {"skip-rest": 2}
    assert len(truth.arrivals) == 2


def test_after_a_failure_the_session_goes_on_by_default(run, write_trace):
    get = write_trace.get
    steps = [get("a", "/?do=503"), get("b", "/", [{"step": "a", "anchor": "first_byte"}]), get("c", "/", ["b"])]
    summary, _ = run(write_trace((0.0, steps)))

    assert (summary.counts.ok, summary.counts.failed) == (2, 1)


def test_a_step_found_too_late_can_be_left_unsent(run, truth, write_trace):
    summary, _ = run(write_trace(*many(write_trace.get, ["/"] * 5)), late="skip", late_limit_s=0.0)

    assert (summary.counts.unsent, summary.counts.unsent_reasons) == (5, {"late": 5})
    assert truth.arrivals == []


def test_nothing_is_sent_after_the_duration(run, truth, write_trace):
    get = write_trace.get
    chain = [get("a", "/a"), get("b", "/b", [{"step": "a", "delay_ms": 5000}])]
    summary, _ = run(
        write_trace((0.0, chain), (10.0, [get("a", "/c")]), (900.0, [get("a", "/d")])), duration_s=0.5
    )

    assert sorted(seen["path"] for seen in truth.arrivals) == ["/a", "/c"]
    assert (summary.counts.steps, summary.counts.ok, summary.counts.unsent) == (3, 2, 1)
    assert summary.counts.unsent_reasons == {"duration": 1}
    # The chain was cut off after /a, so the makespan is that of the other session alone.
    assert summary.latency_ms["makespan"].n == 1
    assert summary.notes[-1].startswith("1 session was cut off before the end, as a step was left unsent")


def test_waiting_for_a_connection_that_the_target_is_slow_to_free_is_no_lateness_of_ours(
    run, truth, write_trace
):
    """Five requests of 150 ms over one connection; the last is sent 600 ms after it was due."""
    target = Target(url=truth.url, name="truth", connections=Connections(max=1))

    summary, lines = run(write_trace(*many(write_trace.get, ["/x?ms=150"] * 5)), target)

    waited_ns = sorted(line.get("waited_ns", 0) for line in lines)
    assert waited_ns[-1] >= 500 * MS
    assert [w >= 100 * MS for w in waited_ns] == [False, True, True, True, True]
    assert summary.fidelity.arrivals == 1.0


def test_scale_replays_copies_with_ids_of_their_own(run, truth, write_trace):
    summary, lines = run(write_trace(*many(write_trace.get, ["/x", "/y"], gap_ms=20.0)), scale=3)

    assert (summary.counts.sessions, summary.counts.ok) == (6, 6)
    assert {line["session"] for line in lines} == {"s-0", "s-0~2", "s-0~3", "s-1", "s-1~2", "s-1~3"}
    assert Counter(seen["path"] for seen in truth.arrivals) == {"/x": 3, "/y": 3}


def test_speed_and_idle_cap_shorten_gaps_and_say_by_how_much(run, write_trace):
    get = write_trace.get
    steps = [get("a", "/a"), get("b", "/b", [{"step": "a", "delay_ms": 60_000}])]
    summary, lines = run(write_trace((0.0, steps)), speed=10.0, idle_cap_s=1.0)

    seen = {line["step"]: line for line in lines}
    assert seen["b"]["intended_ns"] - seen["a"]["end_ns"] == 100 * MS
    assert summary.removed_s == {"idle_cap": 59.0, "speed": 0.9}


@pytest.mark.parametrize(
    ("options", "span_s"),
    [({}, 2.0), ({"scale": 2}, 2.0), ({"sessions": 1}, None), ({"duration_s": 60.0}, None)],
)
def test_a_run_of_a_whole_recording_knows_how_long_that_lasts(run, write_trace, options, span_s):
    steps = [{**write_trace.get("a", "/a"), "took_ms": 1000.0}]
    summary, _ = run(write_trace((0.0, steps), (1000.0, steps)), **{"speed": 10.0, **options})

    assert summary.trace.recorded_span_s == span_s


def test_every_request_carries_a_traceparent_of_its_session_and_step(run, truth, write_trace):
    get = write_trace.get
    run(write_trace((0.0, [get("a", "/0a"), get("b", "/0b", ["a"])]), (1.0, [get("a", "/1a")])))

    ids = {seen["path"]: seen["headers"]["traceparent"].split("-") for seen in truth.arrivals}
    assert all(version == "00" and flags == "01" for version, _, _, flags in ids.values())
    assert ids["/0a"][1] == ids["/0b"][1] != ids["/1a"][1]
    assert len({span for _, _, span, _ in ids.values()}) == 3


def test_model_calls_are_sent_as_the_shape_says(run, truth, write_trace):
    call = {
        "id": "a", "kind": "llm", "name": "plan",
        "llm": {"model": "m-1", "input_tokens": 50, "output_tokens": 7, "stream": True},
    }  # fmt: skip
    run(write_trace((0.0, [call])))

    (seen,) = truth.arrivals
    body = json.loads(seen["body"])
    assert (seen["method"], seen["path"]) == ("POST", "/v1/chat/completions")
    assert (body["model"], body["max_tokens"], body["stream"]) == ("m-1", 7, True)
    assert len(body["messages"][0]["content"].split()) == 50


def test_secrets_reach_the_target_and_no_file(run, truth, write_trace, tmp_path, monkeypatch):
    monkeypatch.setenv("THE_TOKEN", "s3cret-token")
    target_file = tmp_path / "target.toml"
    target_file.write_text(
        f'url = "{truth.url}"\n[auth]\nbearer_env = "THE_TOKEN"\n[headers]\nx-api-key = "s3cret-header"\n'
    )
    run(write_trace((0.0, [write_trace.get("a", "/")])), load_target(str(target_file)))

    (seen,) = truth.arrivals
    assert seen["headers"]["authorization"] == "Bearer s3cret-token"
    assert seen["headers"]["x-api-key"] == "s3cret-header"
    for file in (tmp_path / "run").iterdir():
        assert b"s3cret" not in file.read_bytes(), file.name


def test_a_dry_run_foresees_what_a_run_then_sends(run, truth, write_trace):
    get = write_trace.get
    steps = [
        get("a", "/?ms=20", took_ms=20.0),
        get("b", "/", [{"step": "a", "delay_ms": 30}], at_ms=50.0, took_ms=0.0),
    ]
    trace = write_trace((0.0, steps), (10.0, steps))
    options = RunOptions(knobs=Knobs(scale=2))

    forecast = foresee(trace, Target(url=truth.url, name="t"), options)
    summary, _ = run(trace, scale=2)

    assert (forecast.sessions, forecast.requests) == (summary.counts.sessions, summary.counts.sent) == (4, 8)
    assert forecast.wall_s == pytest.approx(0.06, abs=0.011)


def test_what_cannot_be_carried_out_is_refused_before_anything_is_written(tmp_path, write_trace):
    trace = write_trace((0.0, [write_trace.get("a", "/")]))
    empty = write_trace(file="empty.jsonl")
    out = tmp_path / "run"

    with pytest.raises(TargetUnreachable, match=r"cannot connect to http://127\.0\.0\.1:1: connection refused"):
        replay_trace(trace, Target(url="http://127.0.0.1:1", name="t"), RunOptions(), out)
    with pytest.raises(TraceError, match="has no sessions, so there is nothing to replay"):
        replay_trace(empty, Target(url="http://127.0.0.1:1", name="t"), RunOptions(), out)
    secret = Target(url="http://127.0.0.1:1", name="t", auth=Auth(bearer_env="MISSING_TOKEN"))
    with pytest.raises(TargetError, match="the environment variable MISSING_TOKEN is not set"):
        replay_trace(trace, secret, RunOptions(), out)
    assert not out.exists()


def test_a_stale_connection_is_retried_once_where_that_is_safe(run, truth, write_trace):
    get = write_trace.get
    target = Target(url=truth.url, name="t", retry=Retry(stale_unsafe=False))
    steps = [get("a", "/ok"), get("b", "/?do=reset", ["a"], method="POST")]
    summary, lines = run(write_trace((0.0, steps)), target)

    assert summary.counts.retries == 0
    assert by_step(lines)["s-0", "b"]["error"] == "reset"
    assert len(truth.arrivals) == 2


def test_a_fault_of_ours_ends_the_run_and_says_so(run, write_trace, monkeypatch):
    def broken(self, i, at_ns):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(Walk, "ended", broken)
    get = write_trace.get
    summary, _ = run(write_trace((0.0, [get("a", "/"), get("b", "/", ["a"])])))

    assert summary.status == "failed"
    assert any("planted" in note for note in summary.notes)
