"""WebSockets in virtual time: which instance holds them, how long, and what ends them, against hand calculation."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replay.engine.types import Knobs, RunOptions
from replay.simulation.simulation import simulate_trace
from replay.target.errors import TargetError
from replay.target.target import Target

MS = 1_000_000
BOOT = {"of": "constant", "ms": 1000.0}
PLANE = {"concurrency": 1, "scaling": {"policy": "request", "windows_s": [], "keep_instances": None}}


def table(plane=None, **instances):
    return {"as_recorded": True, "plane": {**PLANE, **(plane or {})}, "instances": {"boot": BOOT, **instances}}


def on_socket(step_id, *after, took_ms=100.0, delay_ms=0.0, **fields):
    ws = {"path": "/talk", "until": {}, "text": "x", **fields}
    if "action" in ws:
        del ws["until"], ws["text"]
    edges = [{"step": one, "delay_ms": delay_ms} for one in after]
    return {"id": step_id, "kind": "ws", "name": step_id, "after": edges, "took_ms": took_ms, "ws": ws}


@pytest.fixture
def simulate(tmp_path, write_trace):
    runs = []

    def simulated(sessions, simulate, retry=None, **options):
        target = Target(url="http://x", name="imagined", simulate=simulate)
        out = tmp_path / f"run-{len(runs)}"
        runs.append(out)
        outcome = simulate_trace(write_trace(*sessions), target, RunOptions(**options), out)
        lines = [json.loads(line) for line in (out / "steps.jsonl").read_text().splitlines()]
        return outcome.summary, lines

    return simulated


def test_a_connection_waits_for_a_boot_once_and_its_messages_go_to_its_instance(simulate):
    steps = [on_socket("a"), on_socket("b", "a", delay_ms=5_000.0)]
    summary, (a, b) = simulate([(0.0, steps)], table())

    assert [(one["status"], one["instance"], one["cold"]) for one in (a, b)] == [
        (101, "i-1", True),
        (101, "i-1", False),
    ]
    assert [(one["end_ns"] - one["intended_ns"]) / MS for one in (a, b)] == [1_100.0, 100.0]
    # Opening it is in the response time, and in connect_ns.
    assert (a["connect_ns"] / MS, (a["end_ns"] - a["sent_ns"]) / MS) == (1_000.0, 100.0)
    assert "connect_ns" not in b
    assert summary.plane.cold == 1
    # Which of them opened it is told, since that is a request of its plane.
    assert (a["connection"], b.get("connection")) == ("new", None)


def test_an_instance_is_busy_as_long_as_a_session_holds_a_connection(simulate):
    steps = [on_socket("a"), on_socket("b", "a", delay_ms=50_000.0)]
    summary, _ = simulate([(0.0, steps)], table({"idle_lifetime_s": 10.0}))

    # From its opening to the end of the session, whatever was said meanwhile: longer than an idle instance stays.
    assert summary.plane.busy_s == pytest.approx(0.1 + 50.0 + 0.1)
    assert summary.plane.instances == 1


def test_who_finds_each_slot_held_waits_for_a_boot_of_another_instance(simulate):
    held = [on_socket("a"), on_socket("b", "a", delay_ms=60_000.0)]
    summary, lines = simulate([(0.0, held), (5_000.0, [on_socket("c")])], table())

    assert {one["step"]: one["instance"] for one in lines} == {"a": "i-1", "b": "i-1", "c": "i-2"}
    assert summary.plane.most_instances == 2


def test_many_connections_are_one_instances_where_it_has_slots_for_them(simulate):
    held = [on_socket("a"), on_socket("b", "a", delay_ms=10_000.0)]
    _, lines = simulate([(n * 10.0, held) for n in range(8)], table({"concurrency": 8}))

    assert {one["instance"] for one in lines} == {"i-1"}
    assert {one["outcome"] for one in lines} == {"ok"}


def test_the_death_of_an_instance_ends_its_connections_and_the_next_message_opens_another(simulate):
    steps = [
        on_socket("a"),
        on_socket("b", "a", took_ms=9_000.0, delay_ms=1_000.0),
        on_socket("c", "b", delay_ms=500.0),
    ]
    _, (a, b, c) = simulate([(0.0, steps)], table(faults={"kills_s": [5.0]}))

    assert (a["outcome"], b["outcome"], b["error"], b["close_code"]) == ("ok", "failed", "reset", 1006)
    assert b["end_ns"] / MS == pytest.approx(5_000.0)
    assert (c["outcome"], c["instance"], c["cold"]) == ("ok", "i-2", True)


def test_a_connection_that_dies_while_nothing_is_said_costs_the_next_message_an_opening(simulate):
    steps = [on_socket("a"), on_socket("b", "a", delay_ms=20_000.0)]
    _, (_, b) = simulate([(0.0, steps)], table(faults={"kills_s": [5.0]}))

    assert (b["outcome"], b["instance"]) == ("ok", "i-2")
    # The plane had nobody to boot for until then.
    assert (b["end_ns"] - b["intended_ns"]) / MS == pytest.approx(1_100.0)


def test_a_connection_lasts_as_long_as_a_request_may_and_no_longer(simulate):
    steps = [on_socket("a"), on_socket("b", "a", took_ms=30_000.0), on_socket("c", "b")]
    summary, (_, b, c) = simulate([(0.0, steps)], table({"request_timeout_s": 10.0}))

    assert (b["error"], b["close_code"]) == ("reset", 1006)
    # A request's time counts from its arrival, the wait for a boot included.
    assert b["end_ns"] / MS == pytest.approx(10_000.0)
    assert c["outcome"] == "ok"
    assert summary.plane.timed_out == 1
    # Its slot is free again: what served it hears that it is over.
    assert c["instance"] == "i-1"


def test_a_deploy_ends_a_connection_once_it_has_drained_for_as_long_as_it_may(simulate):
    steps = [on_socket("a"), on_socket("b", "a", took_ms=60_000.0), on_socket("c", "b")]
    rules = {"drain_s": 5.0, "max_instances": 2, "request_timeout_s": 3_600.0}
    _, (_, b, c) = simulate([(0.0, steps)], table(rules, faults={"deploys_s": [10.0]}))

    # A successor boots for a second, then the old one drains for five.
    assert b["error"] == "reset"
    assert b["end_ns"] / MS == pytest.approx(16_000.0, abs=1.0)
    assert (c["outcome"], c["instance"]) == ("ok", "i-2")


def test_closing_lets_the_instance_go_and_an_opening_is_a_step_of_its_own(simulate):
    steps = [
        on_socket("o", action="open", took_ms=20.0),
        on_socket("a", "o"),
        on_socket("z", "a", action="close", took_ms=1.0),
        on_socket("late", "z", delay_ms=30_000.0),
    ]
    summary, (o, a, z, late) = simulate([(0.0, steps)], table({"idle_lifetime_s": 5.0}))

    assert {one["outcome"] for one in (o, a, late)} == {"ok"}
    assert (o["end_ns"] - o["sent_ns"]) / MS == pytest.approx(1_020.0)
    assert (z["outcome"], z["close_code"], z["end_ns"] - z["sent_ns"]) == ("ok", 1000, 0)
    assert late["instance"] == "i-2"
    assert summary.plane.busy_s == pytest.approx(0.12 + 0.1)


def test_an_opening_that_is_refused_fails_its_step_with_the_status(simulate):
    held = [on_socket("a"), on_socket("b", "a", delay_ms=600_000.0)]
    rules = {"max_instances": 1, "pending_limit": {"wait_s": 3.0, "status": 429}, "request_timeout_s": 3_600.0}
    _, lines = simulate([(0.0, held), (5_000.0, [on_socket("c")])], table(rules))

    (c,) = [one for one in lines if one["step"] == "c"]
    assert (c["outcome"], c["status"], c["error"]) == ("failed", 429, "status_4xx")
    assert (c["end_ns"] - c["intended_ns"]) / MS == pytest.approx(3_000.0)


def test_each_connection_of_a_session_has_a_slot_of_its_own(simulate):
    steps = [on_socket("a"), on_socket("b", connection="second"), on_socket("c", path="/other")]
    _, lines = simulate([(0.0, steps)], table())

    assert sorted(one["instance"] for one in lines) == ["i-1", "i-2", "i-3"]


def test_steps_at_once_wait_for_one_opening(simulate):
    _, lines = simulate([(0.0, [on_socket("a"), on_socket("b")])], table())

    assert {one["instance"] for one in lines} == {"i-1"}
    assert [(one["end_ns"] - one["intended_ns"]) / MS for one in lines] == [1_100.0, 1_100.0]


def test_functions_that_take_one_request_each_hold_no_websockets(simulate):
    with pytest.raises(TargetError) as refused:
        simulate([(0.0, [on_socket("a")])], {"profile": "lambda", "as_recorded": True})

    assert str(refused.value) == (
        "imagined: trace has 1 step on WebSockets, and AWS Lambda (binding early) gives each request an instance of its "
        "own for that request alone, and holds no connections. Simulate another plane."
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sessions=st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["message", "open", "close", "ping", "request"]),
                st.integers(0, 3_000),
                st.integers(0, 5_000),
                st.sampled_from(["", "two"]),
            ),
            min_size=1,
            max_size=5,
        ),
        min_size=1,
        max_size=4,
    ),
    concurrency=st.sampled_from([1, 2, 80]),
    timeout_s=st.sampled_from([2.0, 300.0]),
    faults=st.fixed_dictionaries(
        {"kills_s": st.lists(st.floats(0, 20), max_size=2), "deploys_s": st.lists(st.floats(0, 20), max_size=2)}
    ),
    memory=st.sampled_from([{}, {"memory_mib": 200.0, "idle_mib": 100.0, "request_mib": 60.0}]),
)
def test_whatever_comes_every_step_ends_once_and_no_slot_is_left_held(
    tmp_path_factory, sessions, concurrency, timeout_s, faults, memory
):
    written = []
    for n, steps in enumerate(sessions):
        made = []
        for k, (action, at_ms, took_ms, name) in enumerate(steps):
            if action == "request":
                one = {"id": f"{k}", "kind": "http", "name": "r", "request": {"method": "GET", "path": "/"}}
            else:
                one = on_socket(f"{k}", **({} if action == "message" else {"action": action}))
                one["ws"] |= {"connection": name} if name else {}
            made.append(one | {"at_ms": float(at_ms), "took_ms": float(took_ms)})
        written.append({"id": f"s-{n}", "start_ms": n * 100.0, "steps": made})
    folder = tmp_path_factory.mktemp("run")
    path = folder / "t.jsonl"
    header = {"format": "replay-trace", "version": 1, "name": "t"}
    path.write_text("".join(json.dumps(line) + "\n" for line in (header, *written)))
    rules = {"concurrency": concurrency, "request_timeout_s": timeout_s, "drain_s": 3.0, "max_instances": 3}
    target = Target(url="http://x", name="t", simulate=table(rules, faults=faults, **memory))

    summary = simulate_trace(path, target, RunOptions(knobs=Knobs(seed=1)), folder / "run").summary

    counts = summary.counts
    assert counts.ok + counts.failed == sum(map(len, sessions))
    lives = [json.loads(line) for line in (folder / "run" / "instances.jsonl").read_text().splitlines()]
    records = [json.loads(line) for line in (folder / "run" / "steps.jsonl").read_text().splitlines()]
    over_ns = max(one["end_ns"] for one in records)
    for life in lives:
        until_ns = over_ns if life.get("gone_ns") is None else life["gone_ns"]
        assert 0 <= life.get("busy_ns", 0) <= max(0, until_ns - life.get("ready_ns", until_ns))
