"""Looking for a split of the steps: what is worth a simulation, in which order, and what comes of it."""

from collections import Counter
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest

from replay.choice.questionnaire import parse_answers
from replay.choice.split import split_words
from replay.choice.types import StepClass, TriedSplit
from replay.engine.requests.router import Router
from replay.engine.types import Knobs, RunOptions
from replay.judge.measures.slo import parse_slo
from replay.money.calendar import flat
from replay.results.evidence import Evidence, read_evidence
from replay.simulation.simulation import simulated_planes
from replay.target.routes import Route
from replay.target.target import Target
from replay.trace.file.stream import TraceWriter
from replay.trace.types import FORMAT, VERSION, Header, Session
from replay.trials.evidence import read_verdict
from replay.trials.pilot.carrying import Carrier
from replay.trials.pilot.faults import KillInstance
from replay.trials.pilot.judging import Told
from replay.trials.pilot.splitting import hybrid_of
from replay.trials.pilot.trial import PilotOutcome, run_pilot
from replay.trials.pilot.workload.phases import SIMULATED
from replay.trials.pilot.workload.shape import shape_of
from replay.trials.prices import tables_of
from tests.trials.pilot.cases import chain, machines, serverless

# 730 h x 0.033506, a disk and an address; and from two on a load balancer.
E2_MEDIUM = 730 * 0.033506 + 2.00 + 3.65
BALANCER = 18.25
PLAN = SIMULATED._replace(burst_rounds=2, idle_gaps_s=(30.0,), chains_s=60.0, failure_s=30.0)
MONTH_S = 730 * 3600.0


@pytest.fixture(autouse=True)
def without_ceilings_and_break_evens(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are most of the time that a pilot takes; the decision table has them."""
    monkeypatch.setattr(Carrier, "ceilings", lambda *_: None)
    monkeypatch.setattr("replay.trials.pilot.judging.put_break_evens", lambda *_: None)


def streams_and_storms() -> Iterator[Session]:
    """Three streams that are always open, and every four minutes twenty short calls at once; forty minutes of it."""
    streams = [(40.0 * k + 120.0 * n, ("llm", "stream", 119_000.0)) for n in range(20) for k in range(3)]
    storms = [(30.0 + 240.0 * n, ("tool", "check", 600.0)) for n in range(10) for _ in range(20)]
    for n, (at_s, call) in enumerate(sorted(streams + storms)):
        yield chain(f"s-{n}", at_s, call)


def pilot(
    folder: Path,
    sessions: Callable[[], Iterator[Session]],
    targets: list[Target],
    *slos: str,
    told: Told = Told(),  # noqa: B008 - a NamedTuple
    imagined: list[Target] = [],  # noqa: B006 - never changed
) -> PilotOutcome:
    folder.mkdir(exist_ok=True)
    trace = folder / "trace.jsonl"
    with TraceWriter(trace, Header(FORMAT, VERSION, "t")) as writer:
        for session in sessions():
            writer.write(session)
    return run_pilot(
        trace,
        targets,
        [parse_slo(text) for text in slos],
        shape_of(trace),
        PLAN,
        RunOptions(knobs=Knobs(seed=1)),
        KillInstance("simulated"),
        imagined=imagined,
        told=told,
        out=folder / "out",
        on_stage=lambda _: None,
    )


def fours() -> Target:
    """Cloud Run with four requests to an instance."""
    return serverless(concurrency=4, max_instances=40)


def four_places(count: int, **cost: Any) -> Target:
    """Machines with four places each, which are paid for as so many."""
    return machines(count=count, concurrency=4, cost=cost or None)


def test_steady_streams_go_to_machines_and_storms_stay_serverless_where_each_alone_is_dear(tmp_path: Path):
    outcome = pilot(tmp_path, streams_and_storms, [fours(), four_places(3)], "p90(tool) < 3s")

    verdict = outcome.verdict
    assert verdict is not None
    assert verdict.verdict == "hybrid"
    assert verdict.answer.startswith("Split it: llm:stream on VMs, the rest serverless: hybrid ")
    assert [(route.name, route.to) for route in verdict.routes] == [("stream", "vm"), ("check", "serverless")]
    hybrid = verdict.planes[2]
    # Three streams and thirty percent fill one machine of four places. What stays serverless is ten storms of twenty
    # calls, by fours on five instances: 10 x 5 x 0.6 s active and 10 x 5 boots of 1.2 to 2.4 s in 2,399 s of the trace.
    assert hybrid.machines == 1
    active_s = 30 * MONTH_S / 2400
    booting_s = hybrid_boots(verdict.phases, outcome) * MONTH_S / 2400
    vcpu = max(0.0, active_s + booting_s - 180_000) * 0.000024
    memory = max(0.0, 2 * (active_s + booting_s) - 360_000) * 0.0000025
    assert hybrid.cost_month == pytest.approx(E2_MEDIUM + vcpu + memory, rel=0.02)
    # The search ran it first, at the estimate that put it there.
    assert verdict.hybrid is not None
    (tried,) = verdict.hybrid.tried
    assert (tried.steps, tried.machines, tried.cost_month) == (["llm:stream"], 1, hybrid.cost_month)
    assert tried.estimated_month == pytest.approx(hybrid.cost_month, rel=0.3)
    assert verdict.hybrid.text.startswith("a split pays: simulated with llm:stream on 1 machine")
    # It went through what the others did.
    phases = {
        plane.target: {one.phase for one in verdict.phases if one.target == plane.target}
        for plane in verdict.planes
    }
    assert phases["hybrid"] == phases["serverless"] == phases["vm"]
    assert read_verdict(tmp_path / "out") == verdict


def hybrid_boots(_: Any, outcome: PilotOutcome) -> float:
    """Seconds that its serverless part booted in, over the trace."""
    assert outcome.material is not None
    figures = outcome.material.runs["hybrid"]["representative"].summary.plane
    assert figures is not None
    assert figures.parts["elsewhere"].booting_s == 0.0
    return figures.parts["own"].booting_s


def test_what_was_simulated_is_not_simulated_again_for_another_month(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    targets = [fours(), four_places(3)]
    first = pilot(tmp_path, streams_and_storms, targets, "p90(tool) < 3s").verdict
    monkeypatch.setattr(
        "replay.trials.pilot.carrying.simulate_trace",
        lambda *_: pytest.fail("nothing is to be simulated again"),
    )

    again = pilot(
        tmp_path, streams_and_storms, targets, "p90(tool) < 3s", told=Told(requests_a_day=20_000)
    ).verdict

    assert first is not None
    assert again is not None
    assert again.hybrid is not None
    assert first.hybrid is not None
    assert [one.run for one in again.hybrid.tried] == [one.run for one in first.hybrid.tried]
    assert again.hybrid.tried[0].cost_month != first.hybrid.tried[0].cost_month
    # What the trace takes, 2.14 times as often: it was simulated with one machine and is priced with three.
    (tried,) = again.hybrid.tried
    (hybrid,) = [plane for plane in again.planes if plane.plane == "hybrid"]
    assert (tried.simulated_machines, tried.machines) == (1, hybrid.machines) == (1, 3)
    assert again.hybrid.text.startswith(
        "a split pays: simulated with llm:stream on 1 machine and the rest serverless, and with 3 machines in the "
        f"month, it is {hybrid.cost_month:,.2f} USD a month, beside "
    )


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (
            {},
            "no split saves anything: tool:a on 6 machines and the rest serverless would be about 70.00 USD a month by",
        ),
        (
            {"simulated_machines": 1, "out": "fails"},
            "no split will do: with tool:a on 1 machine and the rest serverless",
        ),
        (
            {"simulated_machines": 6, "cost_month": 80.0},
            "a split does not pay: simulated with tool:a on 6 machines and the rest serverless it is 80.00 USD a month",
        ),
        (
            {"simulated_machines": 7, "cost_month": 80.0},
            "a split does not pay: simulated with tool:a on 7 machines and the rest serverless, and with 6 machines in "
            "the month, it is 80.00 USD a month",
        ),
    ],
)
def test_a_split_is_told_with_the_machines_that_its_figure_is_of(known: dict[str, Any], said: str):
    tried = TriedSplit(steps=["tool:a"], machines=6, estimated_month=70.0, currency="USD", **known)

    assert split_words(tried, "", pays=False).startswith(said)


def test_machines_that_carry_everything_leave_a_split_nothing_to_save(tmp_path: Path):
    verdict = pilot(tmp_path, streams_and_storms, [fours(), four_places(1)]).verdict

    assert verdict is not None
    assert verdict.hybrid is not None
    assert verdict.hybrid.tried == []
    assert verdict.hybrid.text.startswith(
        "no split was tried: it has one machine at least, 30.11 USD a month, beside 30.11 for vm"
    )
    assert not any("neither priced nor run" in doubt for doubt in verdict.doubts)


def test_a_split_that_saves_less_than_a_fifth_is_not_advised_and_its_figures_are_told(tmp_path: Path):
    """Two machines, of which one would do for the streams; the calls keep an instance active for 400 s of 679."""

    def streams_and_calls() -> Iterator[Session]:
        streams = [(40.0 * k + 120.0 * n, ("llm", "stream", 119_000.0)) for n in range(5) for k in range(3)]
        calls = [(2.0 * n, ("tool", "check", 1_600.0)) for n in range(250)]
        for n, (at_s, call) in enumerate(sorted(streams + calls)):
            yield chain(f"s-{n}", at_s, call)

    verdict = pilot(tmp_path, streams_and_calls, [fours(), four_places(2)]).verdict

    assert verdict is not None
    assert verdict.verdict == "vm"
    assert verdict.hybrid is not None
    assert verdict.hybrid.target is None
    assert [plane.target for plane in verdict.planes] == ["serverless", "vm"]
    (tried,) = verdict.hybrid.tried
    active_s = 400 / 679 * MONTH_S
    assert tried.cost_month == pytest.approx(
        E2_MEDIUM + (active_s - 180_000) * 0.000024 + (2 * active_s - 360_000) * 0.0000025, rel=0.005
    )
    assert verdict.hybrid.text == (
        f"a split does not pay: simulated with llm:stream on 1 machine and the rest serverless it is "
        f"{tried.cost_month:,.2f} USD a month, beside {2 * E2_MEDIUM + BALANCER:,.2f} for vm and "
        f"{verdict.planes[0].cost_month:,.2f} for serverless"
    )


def test_no_split_has_more_machines_than_the_target_stands_for(tmp_path: Path):
    def six_streams_and_storms() -> Iterator[Session]:
        """Six streams and thirty percent take two machines of four places."""
        streams = [(20.0 * k + 120.0 * n, ("llm", "stream", 119_000.0)) for n in range(10) for k in range(6)]
        storms = [(30.0 + 120.0 * n, ("tool", "check", 600.0)) for n in range(10) for _ in range(20)]
        for n, (at_s, call) in enumerate(sorted(streams + storms)):
            yield chain(f"s-{n}", at_s, call)

    verdict = pilot(tmp_path, six_streams_and_storms, [fours(), four_places(1)], "p90(tool) < 3s").verdict

    assert verdict is not None
    assert verdict.verdict == "serverless"
    assert verdict.hybrid is not None
    assert [(one.steps, one.cost_month) for one in verdict.hybrid.tried] == [(["tool:check"], None)]
    assert verdict.hybrid.text.startswith(
        "no split saves anything: tool:check on 1 machine and the rest serverless"
    )


@pytest.mark.parametrize("is_priced_by_a_month", [False, True])
def test_machines_with_daily_hours_are_paid_in_these_hours_as_a_part_of_a_split_too(
    tmp_path: Path, is_priced_by_a_month: bool
):
    """The five of its daytime were in the bill of all twenty-four hours, and so the split was dearer than the machines."""
    by_day = {"policy": "group", "schedule": [{"from_h": 8, "until_h": 18, "machines": 5}], "starts_at_h": 9}
    vm = four_places(1, price="gce-e2-us-central1", machine="e2-medium", scales=True)
    assert vm.simulate is not None
    plane = {"kind": "group", "concurrency": 4, "max_instances": 9, "scaling": by_day}
    vm = msgspec.structs.replace(vm, simulate={**vm.simulate, "plane": plane})
    hybrid = hybrid_of(fours(), vm, [StepClass(kind="llm", name="stream", steps=1)], 1)
    targets = [fours(), vm, hybrid]

    verdict = pilot(
        tmp_path,
        streams_and_storms,
        targets,
        told=Told(calendar=flat()),
        imagined=targets if is_priced_by_a_month else [],
    ).verdict

    assert verdict is not None
    _, alone, split = verdict.planes
    # Two machines at most take it all, and five are there in ten hours of each day.
    assert alone.cost_month is not None
    assert (alone.machines, split.machines) == (5, 5)
    assert alone.cost_month < (10 * 5 + 14 * 2) / 24 * E2_MEDIUM + BALANCER
    assert split.cost_month == pytest.approx(alone.cost_month, abs=0.01)


def test_a_split_that_is_looked_for_is_priced_by_what_the_load_takes_beside_the_schedule(tmp_path: Path):
    def six_streams_and_large_storms() -> Iterator[Session]:
        streams = [(20.0 * k + 120.0 * n, ("llm", "stream", 119_000.0)) for n in range(10) for k in range(6)]
        storms = [(30.0 + 240.0 * n, ("tool", "check", 600.0)) for n in range(5) for _ in range(60)]
        for n, (at_s, call) in enumerate(sorted(streams + storms)):
            yield chain(f"s-{n}", at_s, call)

    by_day = {"policy": "group", "schedule": [{"from_h": 8, "until_h": 12, "machines": 5}], "starts_at_h": 9}
    vm = four_places(1, price="gce-e2-us-central1", machine="e2-standard-2", scales=True)
    assert vm.simulate is not None
    plane = {"kind": "group", "concurrency": 4, "max_instances": 12, "scaling": by_day}
    vm = msgspec.structs.replace(vm, simulate={**vm.simulate, "plane": plane})

    verdict = pilot(tmp_path, six_streams_and_large_storms, [fours(), vm]).verdict

    assert verdict is not None
    assert verdict.verdict == "hybrid"
    assert verdict.hybrid is not None
    (tried,) = verdict.hybrid.tried
    (hybrid,) = [plane for plane in verdict.planes if plane.plane == "hybrid"]
    # Three machines all along, and two more in four hours of each day, each with its disk and address.
    each = 730 * 0.067011 + 2.00 + 3.65
    machines_month = sum(line["amount"] for line in hybrid.cost_lines if "machine" in line["unit"])
    assert machines_month == pytest.approx((3 + 2 * 4 / 24) * each, rel=0.05)
    assert tried.cost_month == hybrid.cost_month


def test_a_hybrid_of_planes_that_are_priced_by_a_simulation_is_of_one_and_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As in a quick pilot: others are replayed, and priced by the whole trace simulated. Each run is read once, where
    those of a month were read seven times.
    """
    targets = [fours(), four_places(3)]
    read: Counter[Path] = Counter()

    def counted(folder: Path) -> Evidence:
        read[folder] += 1
        return read_evidence(folder)

    monkeypatch.setattr("replay.trials.pilot.reading.read_evidence", counted)

    verdict = pilot(tmp_path, streams_and_storms, targets, "p90(tool) < 3s", imagined=targets).verdict

    assert verdict is not None
    assert verdict.verdict == "hybrid"
    hybrid = verdict.planes[2]
    assert (hybrid.target, hybrid.figures_of) == ("hybrid", "month")
    assert {folder.parent.name for folder in read} >= {"month", "representative", "bursts", "splits"}
    assert set(read.values()) == {1}
    assert hybrid.answered == hybrid.steps == 260
    assert "hybrid" not in {one.target for one in verdict.phases}
    assert any(
        note.startswith("latencies, cold starts and bills of serverless, vm, hybrid are")
        for note in verdict.notes
    )


def test_two_planes_to_keep_take_the_staff_time_of_both(tmp_path: Path):
    costly = four_places(3, staff_hours=4.0, staff_rate=90.0)

    verdict = pilot(tmp_path, streams_and_storms, [fours(), costly], "p90(tool) < 3s").verdict

    assert verdict is not None
    assert verdict.verdict == "serverless"
    assert verdict.hybrid is not None
    # One machine and four hours are more than the serverless plane alone.
    assert verdict.hybrid.text.startswith(
        "no split was tried: it has one machine at least, 30.11 USD a month and 360.00 of staff time, beside "
    )


def test_a_split_that_no_zone_allows_is_not_tried(tmp_path: Path):
    answers = parse_answers(b'zones = ["data residency"]\nzone_allows = ["vm", "serverless"]\n', "answers.toml")

    verdict = pilot(
        tmp_path, streams_and_storms, [fours(), four_places(3)], "p90(tool) < 3s", told=Told(answers=answers)
    ).verdict

    assert verdict is not None
    assert verdict.hybrid is not None
    assert verdict.hybrid.text == "no split was tried: it does not satisfy data residency"


STEPS = [StepClass(kind="tool", name="a*[b]", steps=3), StepClass(kind="llm", name="x", steps=3)]


def test_a_hybrid_sends_what_was_peeled_off_to_machines_of_its_own():
    waits = msgspec.structs.replace(fours(), routes=(Route(name="local", wait=True),))

    found = hybrid_of(waits, four_places(9), STEPS[:1], 2)

    router = Router(found)
    assert [router.place("tool", name) for name in ("a*[b]", "ab", "local")] == [1, 0, -1]
    assert router.place("llm", "a*[b]") == 0
    own, elsewhere = simulated_planes(found)
    assert (own.plane.kind, own.plane.concurrency) == ("serverless", 4)
    assert (elsewhere.plane.kind, elsewhere.plane.concurrency, elsewhere.plane.max_instances) == ("vm", 4, 2)
    assert found.cost is not None
    assert (found.cost.price, found.cost.machine_price) == ("cloud-run-us-central1", "gce-e2-us-central1")
    assert (found.cost.machine, found.cost.machines, found.cost.memory_gib) == ("e2-medium", 2, 2.0)


@pytest.mark.parametrize(
    ("serverless_staff", "machines_staff", "hours", "month"),
    [
        ({}, {}, 0.0, 0.0),
        ({}, {"staff_hours": 4.0, "staff_rate": 60.0}, 4.0, 240.0),
        ({"staff_hours": 1.0, "staff_rate": 100.0}, {"staff_hours": 4.0, "staff_rate": 60.0}, 5.0, 340.0),
        # Nobody stated the rate of the machines, so that the assumed one of 90 holds for them.
        ({"staff_hours": 1.0, "staff_rate": 100.0}, {"staff_hours": 4.0}, 5.0, 460.0),
    ],
)
def test_the_staff_time_of_a_hybrid_is_that_of_both(
    serverless_staff: dict[str, float], machines_staff: dict[str, float], hours: float, month: float
):
    own, vm = fours(), four_places(2)
    assert own.cost is not None
    assert vm.cost is not None
    own = msgspec.structs.replace(own, cost=msgspec.structs.replace(own.cost, **serverless_staff))
    vm = msgspec.structs.replace(vm, cost=msgspec.structs.replace(vm.cost, **machines_staff))

    cost = hybrid_of(own, vm, STEPS, 1).cost

    assert cost is not None
    assert (cost.staff_hours, cost.staff_hours * cost.staff_rate) == (hours, pytest.approx(month))


@pytest.mark.parametrize("in_euros", ["serverless", "machines"])
@pytest.mark.parametrize("rate", [60.0, 0.0])
def test_the_staff_time_of_a_hybrid_costs_what_it_does_on_both_whatever_currency_each_states_it_in(
    tmp_path: Path, in_euros: str, rate: float
):
    """The rate of the one was taken for one in the currency of the other."""
    own, vm = fours(), four_places(2)
    name = "cloud-run-us-central1" if in_euros == "serverless" else "gce-e2-us-central1"
    shipped = (files("replay.money") / "prices" / f"{name}.toml").read_text()
    (tmp_path / "euros.toml").write_text(shipped.replace('currency = "USD"', 'currency = "EUR"'))
    costs = []
    for kind, target, hours, per_hour in (("serverless", own, 1.0, 100.0), ("machines", vm, 4.0, rate)):
        assert target.cost is not None
        price = {"price": str(tmp_path / "euros.toml")} if kind == in_euros else {}
        stated = {"staff_hours": hours, "staff_rate": per_hour, "rates": {"EUR": 2.0}}
        costs.append(msgspec.structs.replace(target.cost, **price, **stated))
    own, vm = (msgspec.structs.replace(one, cost=cost) for one, cost in zip((own, vm), costs, strict=True))
    tables = tables_of([own, vm])

    cost = hybrid_of(own, vm, STEPS, 1).cost

    assert cost is not None
    # Where none is stated, the assumed rate is in the currency of the bills.
    of_vm = rate * (2.0 if in_euros == "machines" else 1.0) or 90.0
    month = 100.0 * (2.0 if in_euros == "serverless" else 1.0) + 4 * of_vm
    assert cost.staff_hours * cost.staff_rate * tables.worth(cost) == pytest.approx(month)
