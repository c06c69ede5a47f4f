"""Two planes in one virtual world: steps that routes send elsewhere, beside those that stay."""

import json
from typing import Any

import pytest

from replay.engine.types import RunOptions
from replay.planes.profiles import VM
from replay.results.types import InstanceRecord
from replay.simulation.simulation import simulate_trace, simulated_plane
from replay.target.errors import TargetError
from replay.target.routes import Route
from replay.target.target import Target
from replay.trials.evidence import read_instances

MS, NS = 1_000_000, 1_000_000_000
URL, OTHER = "http://127.0.0.1:9", "http://127.0.0.1:10"
FROM_ZERO = {
    "concurrency": 1,
    "idle_lifetime_s": 30.0,
    "scaling": {"policy": "request", "windows_s": [], "keep_instances": None},
}
BOOT = {"boot": {"of": "constant", "ms": 1000.0}}


def hybrid(slots: int = 1, **changed: Any) -> Target:
    """What is named build goes to one machine that is always on; the rest to instances of one request each."""
    fields: dict[str, Any] = {
        "url": URL,
        "name": "both",
        "plane": "hybrid",
        "routes": (Route(name="build", send_to=OTHER),),
        "simulate": {
            "as_recorded": True,
            "plane": FROM_ZERO,
            "instances": BOOT,
            "elsewhere": {
                "as_recorded": True,
                "plane": {"kind": "vm", "concurrency": slots, "max_instances": 1},
                "instances": BOOT,
            },
        },
    }
    return Target(**(fields | changed))


@pytest.fixture
def simulate(tmp_path, write_trace):
    """Simulates sessions, given as (start in ms, steps); returns the summary, steps by session and id, and lives."""

    def simulated(target: Target, *sessions: Any):
        outcome = simulate_trace(write_trace(*sessions), target, RunOptions(), tmp_path / "run")
        lines = map(json.loads, (tmp_path / "run" / "steps.jsonl").read_text().splitlines())
        return (
            outcome.summary,
            {(line["session"], line["step"]): line for line in lines},
            read_instances(tmp_path / "run"),
        )

    return simulated


def chain(get: Any) -> list[Any]:
    """Ask, build, tell: one after the other, 10 ms between."""
    return [
        get("a", "/", name="ask", took_ms=100.0),
        get("b", "/", name="build", took_ms=5000.0, after=[{"step": "a", "delay_ms": 10.0}]),
        get("c", "/", name="tell", took_ms=200.0, after=[{"step": "b", "delay_ms": 10.0}]),
    ]


def test_a_session_goes_from_plane_to_plane_and_back_in_its_own_order(simulate, write_trace):
    _, steps, _ = simulate(hybrid(), (0.0, chain(write_trace.get)))

    told = [
        (step["instance"], step["cold"], step["intended_ns"] / MS, step["end_ns"] / MS)
        for step in steps.values()
    ]
    start = told[0][2]
    # The first waits for a boot of one second; the machine is there; the instance of the first is still warm.
    assert [(name, cold, at - start, end - start) for name, cold, at, end in told] == [
        ("i-1", True, 0.0, 1100.0),
        ("elsewhere-1", False, 1110.0, 6110.0),
        ("i-1", False, 6120.0, 6320.0),
    ]


def test_each_plane_has_its_own_places_and_queue(simulate, write_trace):
    sessions = [(0.0, chain(write_trace.get)), (0.0, chain(write_trace.get))]

    _, steps, _ = simulate(hybrid(), *sessions)

    builds = sorted(steps[session, "b"]["end_ns"] for session in ("s-0", "s-1"))
    asks = {steps[session, "a"]["instance"] for session in ("s-0", "s-1")}
    # Two instances for two requests at once; the machine has one place, so the second build waits for the first.
    assert asks == {"i-1", "i-2"}
    assert (builds[1] - builds[0]) / MS == 5000.0


def test_what_each_plane_did_is_told_apart_and_together(simulate, write_trace):
    summary, _, lives = simulate(hybrid(), (0.0, chain(write_trace.get)))

    own, elsewhere = summary.plane.parts["own"], summary.plane.parts["elsewhere"]
    assert (own.instances, own.cold, own.busy_s, own.booting_s) == (1, 1, 0.3, 1.0)
    assert (elsewhere.instances, elsewhere.cold, elsewhere.busy_s, elsewhere.booting_s) == (1, 0, 5.0, 0.0)
    assert (summary.plane.instances, summary.plane.most_instances, summary.plane.busy_s) == (2, 2, 5.3)
    assert summary.plane.instance_s == pytest.approx(own.instance_s + elsewhere.instance_s)
    assert [(life.part, life.instance, life.request_ns) for life in lives] == [
        ("own", "i-1", 300 * MS),
        ("elsewhere", "elsewhere-1", 5000 * MS),
    ]


def test_a_run_on_one_plane_says_nothing_of_parts(simulate, write_trace, tmp_path):
    alone = {name: value for name, value in (hybrid().simulate or {}).items() if name != "elsewhere"}

    summary, steps, _ = simulate(hybrid(routes=(), simulate=alone), (0.0, chain(write_trace.get)))

    assert summary.plane.parts == {}
    assert {step["instance"] for step in steps.values()} == {"i-1"}
    assert b"part" not in (tmp_path / "run" / "instances.jsonl").read_bytes()
    assert InstanceRecord("i-1", 0).part == "own"


def test_all_that_routes_send_elsewhere_is_one_plane_and_what_waits_is_on_none(simulate, write_trace):
    routes = (
        Route(name="ask", send_to=OTHER),
        Route(name="build", send_to="http://127.0.0.1:11"),
        Route(name="tell", wait=True),
    )

    _, steps, _ = simulate(hybrid(routes=routes), (0.0, chain(write_trace.get)))

    assert [step.get("instance") for step in steps.values()] == ["elsewhere-1", "elsewhere-1", None]


def test_a_hybrid_that_sends_everything_elsewhere_is_that_plane(simulate, write_trace, tmp_path):
    sessions = [(100.0 * n, chain(write_trace.get)) for n in range(5)]
    elsewhere = (hybrid(slots=2).simulate or {})["elsewhere"]

    both, _, _ = simulate(hybrid(slots=2, routes=(Route(send_to=OTHER),)), *sessions)
    alone = simulate_trace(
        write_trace(*sessions), Target(url=URL, name="vm", simulate=elsewhere), RunOptions(), tmp_path / "alone"
    )

    assert both.latency_ms == alone.summary.latency_ms
    assert both.plane.parts["own"].instances == 0
    assert both.plane.parts["elsewhere"] == alone.summary.plane


def test_a_plane_that_no_file_describes_is_asked_for(simulate, write_trace):
    with pytest.raises(TargetError) as caught:
        simulate(hybrid(simulate={"as_recorded": True}), (0.0, chain(write_trace.get)))

    assert str(caught.value) == (
        f"both: sends steps to {OTHER}, and its [simulate] table does not say what plane is there. Add "
        "[simulate.elsewhere]."
    )


@pytest.mark.parametrize(
    ("elsewhere", "message"),
    [
        ({"profile": "vms"}, "both: [simulate] elsewhere profile: 'vms' is not known. Use one of "),
        (
            {"plane": {"concurency": 1}},
            'both: unknown key "concurency" in [simulate.elsewhere.plane]. Did you mean "concurrency"?',
        ),
        ({"elsewhere": {}}, "both: [simulate]: elsewhere must not have an elsewhere of its own."),
        ("vm", "both: [simulate] elsewhere: must be a table, and is text."),
    ],
)
def test_what_is_wrong_elsewhere_is_told_with_its_place(elsewhere, message):
    with pytest.raises(TargetError) as caught:
        simulated_plane(hybrid(simulate={"elsewhere": elsewhere}))

    assert str(caught.value).startswith(message)


def test_a_profile_holds_elsewhere_too():
    found = simulated_plane(hybrid(simulate={"elsewhere": {"profile": "vm", "plane": {"max_instances": 3}}}))

    assert found.elsewhere is not None
    assert (found.elsewhere.plane.concurrency, found.elsewhere.plane.max_instances) == (VM.concurrency, 3)
