"""Whole pilots in virtual time, of traces whose answer is obvious, and of one that is too thin for any."""

import json
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from replay.choice.types import PilotVerdict
from replay.judge.measures.slo import parse_slo
from replay.money.calendar_file import named_calendar
from replay.results.rundir import RunDirError
from replay.simulation.simulation import simulate_trace
from replay.target.errors import TargetError
from replay.target.target import Target
from replay.trace.types import LlmCall, Request, Session, Step
from replay.trials.evidence import read_verdict
from replay.trials.pilot import carrying
from replay.trials.pilot.carrying import STATE_FILE
from replay.trials.pilot.embedded import embedded_targets
from replay.trials.pilot.judging import Told
from replay.trials.pilot.workload.shape import shape_of
from tests.support.simulated_pilots import call, edges_and_builds, piloted, verdict_of, written


def rare_bursts() -> Iterator[Session]:
    """Twenty webhooks at once, every hour of a day."""
    for hour in range(24):
        for n in range(20):
            yield Session(f"{hour}-{n}", hour * 3_600_000.0, [call(0, "http", "triage", 180.0 + n)])


def hot_stream() -> Iterator[Session]:
    """Forty requests a second, a second each, all the same, for two minutes."""
    for n in range(40 * 120):
        yield Session(f"h-{n}", n * 25.0, [call(0, "http", "embed", 1000.0 + n % 7)])


def a_handful() -> Iterator[Session]:
    for n in range(4):
        yield Session(f"t-{n}", n * 5_000.0, [call(0, "http", "ask", 100.0)])


def hostile() -> Iterator[Session]:
    """Names that would run or break something if they were believed."""
    for n in range(60):
        name = "<script>alert(1)</script>" if n % 2 else "\x1b[31m|`x`|\"'><img src=x onerror=alert(1)>\n# h"
        yield Session(
            f"../../{name}-{n}", n * 2_000.0, [Step("a", "tool", name, (), 0.0, 50.0, Request("GET", "/x"))]
        )


class Carried(NamedTuple):
    """A pilot that was carried out, and the trace that it is of."""

    trace: Path
    out: Path
    verdict: PilotVerdict

    def copied(self, folder: Path) -> Path:
        """Its folder once more, for who writes there."""
        return shutil.copytree(self.out, folder / "out")

    def again(self, folder: Path, told: Told) -> PilotVerdict:
        """The same pilot judged for another month."""
        return verdict_of(piloted(self.trace, self.copied(folder), told=told))


Carry = Callable[[Callable[[], Iterator[Session]]], Carried]


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Carry:
    """The pilot of a trace on the embedded planes, carried out once for all tests that look at it."""

    @cache
    def carry_out(sessions: Callable[[], Iterator[Session]]) -> Carried:
        folder = tmp_path_factory.mktemp(sessions.__name__)
        trace, out = written(folder, sessions), folder / "out"
        return Carried(trace, out, verdict_of(piloted(trace, out)))

    return carry_out


@pytest.mark.parametrize(
    ("sessions", "choice"),
    [
        (rare_bursts, "serverless"),
        (hot_stream, "vm"),
        (edges_and_builds, "vm"),
        (a_handful, "inconclusive"),
    ],
)
def test_a_trace_with_an_obvious_answer_gets_it(sessions: Any, choice: str, carried: Carry):
    verdict = carried(sessions).verdict

    assert verdict.verdict == choice
    assert any(rule.decides for rule in verdict.rules)


def test_a_target_that_breaks_the_budget_is_in_no_comparison_and_another_of_its_kind_is_judged(tmp_path: Path):
    trace = written(tmp_path, rare_bursts)
    cold, machines = embedded_targets(shape_of(trace).workload, "simulated")
    assert cold.simulate is not None
    assert cold.cost is not None
    plane = {**cold.simulate["plane"], "min_instances": 3}
    warm = msgspec.structs.replace(
        cold,
        name="warm",
        simulate={**cold.simulate, "plane": plane},
        cost=msgspec.structs.replace(cold.cost, min_instances=3),
    )

    verdict = verdict_of(
        piloted(trace, tmp_path / "out", (parse_slo("p90 < 900ms"),), targets=[cold, warm, machines])
    )

    assert set(verdict.out) == {"serverless"}
    assert verdict.represents == {"serverless": "warm", "vm": "vm"}
    assert {even.between for even in verdict.break_even} == {("warm", "vm"), ("warm", "vm as a group")}
    assert set(verdict.headline[0][1]) == {"warm", "vm"}
    assert next(rule for rule in verdict.rules if rule.name == "cost").evidence["cost_month"].keys() == {
        "warm",
        "vm",
    }


def test_the_verdict_holds_what_the_contract_names(carried: Carry):
    out = carried(rare_bursts).out

    document = json.loads((out / "verdict.json").read_text())

    assert document["schema"] == "replay.verdict/1"
    assert document["command"] == "pilot"
    assert {
        "target",
        "plane",
        "p50_ms",
        "p99_ms",
        "cold_share",
        "ceiling_rps",
        "cost_month",
        "currency",
        "errors",
    } <= set(document["planes"][0])
    assert {"between", "by"} <= set(document["break_even"][0])
    assert {"name", "favours", "evidence"} <= set(document["rules"][0])
    assert [bucket["name"] for bucket in document["buckets"]] == ["idle", "normal", "peak"]
    assert isinstance(read_verdict(out), PilotVerdict)


def test_every_phase_is_a_run_directory_of_its_own(carried: Carry):
    _, out, verdict = carried(rare_bursts)

    assert {found.phase for found in verdict.phases} == {
        "representative",
        "bursts",
        "idle-wake",
        "long-chains",
        "failure",
    }
    assert all((out / found.run / "run.json").exists() for found in verdict.phases)


def test_the_months_of_load_levels_add_up_to_the_bill(carried: Carry):
    verdict = carried(edges_and_builds).verdict

    assert sum(bucket.weight for bucket in verdict.buckets) == pytest.approx(1.0, abs=1e-3)
    for plane in verdict.planes:
        assert sum(bucket.cost_month[plane.target] for bucket in verdict.buckets) == pytest.approx(
            plane.cost_month, abs=0.05
        )


@pytest.mark.parametrize("name", ["flat", "office-hours"])
@pytest.mark.parametrize("sessions", [edges_and_builds, a_handful])
def test_a_month_has_one_number_of_requests(sessions: Any, name: str, carried: Carry, tmp_path: Path):
    verdict = carried(sessions).again(tmp_path, Told(named_calendar(name)))

    requests = verdict.calendars[0].requests_month
    assert sum(bucket.requests_month for bucket in verdict.buckets) == pytest.approx(requests, rel=1e-6)
    assert quantities(verdict, "serverless")["requests"] == pytest.approx(requests, rel=1e-6)
    for even in verdict.break_even:
        if even.by == "requests" and even.now is not None:
            assert even.now == pytest.approx(requests / (730 / 24), rel=1e-6)


def test_a_month_at_its_peak_all_the_time_is_billed_anew(carried: Carry):
    """What is free is free once in it, and machines cost what they cost at any level."""
    verdict = carried(edges_and_builds).verdict
    serverless, vm = verdict.planes
    peak = next(bucket for bucket in verdict.buckets if bucket.name == "peak")

    assert peak.cost_all_month[vm.target] == pytest.approx(vm.cost_month, abs=1e-3)
    assert peak.cost_all_month[serverless.target] > serverless.cost_month
    assert peak.cost_all_month[serverless.target] > peak.cost_month[serverless.target] / peak.weight


def test_the_same_seed_gives_the_same_figures(carried: Carry, tmp_path: Path):
    trace, _, a = carried(rare_bursts)

    b = verdict_of(piloted(trace, tmp_path / "two"))

    assert [msgspec.structs.replace(plane) for plane in a.planes] == list(b.planes)
    assert a.rules == b.rules


def quantities(verdict: PilotVerdict, target: str) -> dict[str, float]:
    plane = next(plane for plane in verdict.planes if plane.target == target)
    return {line["name"]: line["quantity"] for line in plane.cost_lines}


def test_a_month_with_nights_has_the_bill_that_its_hours_make(carried: Carry, tmp_path: Path):
    pilot = carried(hot_stream)
    flat, office = pilot.verdict, pilot.again(tmp_path, Told(named_calendar("office-hours")))

    ratio = (40 * 1.0 + 128 * 0.05) / 168
    before, after = quantities(flat, "serverless"), quantities(office, "serverless")
    assert {name: after[name] / before[name] for name in before} == pytest.approx(
        dict.fromkeys(before, ratio), rel=1e-3
    )
    by_hand = sum(
        max(0.0, ratio * line["quantity"] - line["free"]) * line["unit_price"]
        for line in flat.planes[0].cost_lines
    )
    assert office.planes[0].cost_month == pytest.approx(by_hand, rel=1e-3)
    assert office.planes[0].cost_ci[0] < office.planes[0].cost_month < office.planes[0].cost_ci[1]
    assert office.planes[1].cost_month == flat.planes[1].cost_month
    assert office.planes[1].machines == flat.planes[1].machines
    assert office.planes[0].cost_basis == "estimated"


def test_a_short_trace_without_a_calendar_is_doubted_first_with_two_other_months_beside_it(carried: Carry):
    verdict = carried(hot_stream).verdict

    assert verdict.calendar == "flat"
    assert [bill.name for bill in verdict.calendars] == ["flat", "office-hours", "launch-week"]
    assert verdict.doubts[0].startswith("the trace covers 2.02 min, and no calendar was given")
    assert "with office-hours a month is serverless" in verdict.doubts[0]
    flat, office, launch = verdict.calendars
    assert flat.cost_month == {plane.target: plane.cost_month for plane in verdict.planes}
    assert (flat.cheaper, office.cheaper) == ("vm", "serverless")
    assert office.cost_month["vm"] == flat.cost_month["vm"]
    assert launch.machines["vm"] == pytest.approx(4 * flat.machines["vm"], abs=3)
    assert "(flat)" in verdict.headline[1][0]


def test_a_day_of_its_own_needs_no_calendar(carried: Carry):
    verdict = carried(rare_bursts).verdict

    assert verdict.calendar == "the trace's own hours"
    assert len(verdict.calendars) == 1
    assert not any("calendar" in doubt for doubt in verdict.doubts)


class Stopped(Exception):
    """Somebody pulled the plug."""


def test_a_pilot_goes_on_where_it_was_interrupted_and_repeats_nothing(tmp_path: Path):
    trace, out = written(tmp_path, rare_bursts), tmp_path / "out"
    begun: list[str] = []

    def until_the_failure(stage: Any) -> None:
        begun.append(stage.phase)
        if stage.phase == "failure":
            raise Stopped

    with pytest.raises(Stopped):
        piloted(trace, out, on_stage=until_the_failure)
    first = list(begun)
    begun.clear()
    outcome = piloted(trace, out, on_stage=lambda stage: begun.append(stage.phase))

    assert first == ["representative", "bursts", "idle-wake", "long-chains", "failure"]
    assert begun == ["failure", "ceiling", "ceiling"]
    assert verdict_of(outcome).verdict == "serverless"


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_a_pilot_with_a_run_that_broke_off_has_no_verdict_and_keeps_none_of_before(
    carried: Carry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str
):
    trace, out = carried(a_handful).trace, carried(a_handful).copied(tmp_path)

    def broken(*arguments: Any) -> Any:
        outcome = simulate_trace(*arguments)
        outcome.summary.status = status
        assert not (out / "verdict.json").exists()
        return outcome

    state = json.loads((out / STATE_FILE).read_text())
    del state["done"]["bursts"]
    (out / STATE_FILE).write_text(json.dumps(state))
    monkeypatch.setattr(carrying, "simulate_trace", broken)
    outcome = piloted(trace, out)

    assert (outcome.status, outcome.verdict) == (status, None)
    assert outcome.broken_in is not None
    assert "bursts" in str(outcome.broken_in)


def test_a_folder_of_another_pilot_is_left_alone(carried: Carry, tmp_path: Path):
    out = carried(a_handful).copied(tmp_path)
    before = (out / STATE_FILE).read_bytes()

    with pytest.raises(RunDirError, match="another trace"):
        piloted(carried(rare_bursts).trace, out)

    assert (out / STATE_FILE).read_bytes() == before


def test_a_target_must_say_what_plane_it_is(tmp_path: Path):
    with pytest.raises(TargetError, match="does not say what plane"):
        piloted(written(tmp_path, a_handful), tmp_path / "out", targets=[Target(url="http://x", name="x")])


def test_a_target_that_cannot_be_simulated_is_refused_before_a_folder_is_made(tmp_path: Path):
    serverless, vm = embedded_targets(shape_of(written(tmp_path, a_handful)).workload, "simulated")
    misspelt = msgspec.structs.replace(vm, simulate={"plane": {"max_instance": 1}})

    with pytest.raises(TargetError, match="max_instance"):
        piloted(written(tmp_path, a_handful), tmp_path / "out", targets=[serverless, misspelt])

    assert not (tmp_path / "out").exists()


def test_names_from_a_trace_take_no_path_of_the_disk(tmp_path: Path):
    out = tmp_path / "deep" / "down" / "out"
    piloted(written(tmp_path, hostile, "../../<script>alert(1)</script>"), out)

    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["down"]
    assert [path.name for path in (tmp_path / "deep" / "down").iterdir()] == ["out"]


def test_model_calls_and_tokens_are_counted_by_load_level(tmp_path: Path):
    def asks() -> Iterator[Session]:
        for n in range(60):
            llm = LlmCall(input_tokens=100, output_tokens=10)
            yield Session(f"a-{n}", n * 2_000.0, [Step("a", "llm", "ask", (), 0.0, 500.0, llm=llm)])

    workload = shape_of(written(tmp_path, asks)).workload

    month_s = 730 * 3600
    assert sum(bucket.tokens_month or 0 for bucket in workload.buckets) == pytest.approx(
        60 * 110 / workload.span_s * month_s, rel=0.1
    )


@pytest.mark.parametrize("sessions", [rare_bursts, hot_stream, edges_and_builds])
def test_an_instance_goes_away_amid_requests(sessions: Any, carried: Carry):
    verdict = carried(sessions).verdict

    for plane in verdict.planes:
        assert plane.recovery is not None
        assert plane.recovery.met == "requests"
        assert plane.recovery.failed > 0


def test_latencies_and_bill_are_of_one_and_the_same_plane(tmp_path: Path):
    # As in a quick pilot: what is replayed lives 3 s idle, what is priced 900 s.
    trace = written(tmp_path, rare_bursts)
    priced = embedded_targets(shape_of(trace).workload, "simulated")
    hasty = [
        msgspec.structs.replace(target, simulate=with_plane(target, idle_lifetime_s=3.0))
        if target.plane == "serverless"
        else target
        for target in priced
    ]

    hour_ago = {"idle_lifetime_s": 4000.0}
    lasting = [
        msgspec.structs.replace(target, simulate=with_plane(target, **hour_ago))
        if target.plane == "serverless"
        else target
        for target in priced
    ]
    alone = verdict_of(piloted(trace, tmp_path / "alone", targets=lasting)).planes[0]
    outcome = verdict_of(piloted(trace, tmp_path / "both", targets=hasty, imagined=lasting))
    both = outcome.planes[0]

    assert both.figures_of == "month"
    assert (both.cold_share, both.p99_ms, both.cost_month) == (alone.cold_share, alone.p99_ms, alone.cost_month)
    assert both.boots == alone.boots
    replayed = next(phase for phase in outcome.phases if phase.phase == "representative")
    assert replayed.cold_share > both.cold_share
    assert any("on one and the same plane" in note for note in outcome.notes)
    assert any("instances go after 3 s of idling" in note for note in outcome.notes)


def with_plane(target: Target, **changed: Any) -> dict[str, Any]:
    assert target.simulate is not None
    return {**target.simulate, "plane": {**target.simulate["plane"], **changed}}


def test_boots_are_as_long_as_the_plane_boots_and_waits_are_theirs(carried: Carry):
    boots = carried(rare_bursts).verdict.planes[0].boots

    assert boots is not None
    assert boots.p50_s == pytest.approx(1.75, rel=0.3)  # of the profile of Cloud Run
    assert boots.woken_by["requests to none"] >= 24
    assert boots.waited > 0
