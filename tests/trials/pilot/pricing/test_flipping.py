"""Every assumption behind a pilot is told with where it is from, and which of them would flip the answer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from replay.choice.types import PilotPlane, PilotVerdict
from replay.target.cost import Cost
from replay.target.target import Target
from replay.trace.types import Session
from replay.trials.pilot.embedded import embedded_targets
from replay.trials.pilot.pricing import flipping
from replay.trials.pilot.pricing.flipping import variants
from replay.trials.pilot.workload.shape import shape_of
from tests.support.simulated_pilots import call, piloted, verdict_of, written

RUN = "cloud-run-us-central1"


def target(plane: Any = None, cost: Cost | None = None, **more: Any) -> Target:
    simulate = {"as_recorded": True, "plane": plane or {}}
    return Target(url="http://x", name="t", plane="serverless", simulate=simulate, cost=cost, **more)


def test_variants_are_what_a_vendor_sets_unless_told_otherwise():
    cost = Cost(price=RUN)

    assert [one.what for one in variants(target({"concurrency": 8}, cost))] == [
        "with 80 requests an instance",
        "with 80 requests an instance, billed by instance",
        "billed by instance",
    ]
    assert [one.what for one in variants(target({}, cost))] == ["billed by instance"]
    assert [one.what for one in variants(target({}, Cost(price=RUN, billing="instance")))] == []


@pytest.mark.parametrize(
    "other",
    [
        target({"concurrency": 1}, Cost(price="lambda-us-east-1")),
        target({"concurrency": 8}),
        msgspec.structs.replace(target({"kind": "vm"}, Cost(price=RUN)), plane="vm"),
        Target(url="http://x", name="t", plane="serverless", cost=Cost(price=RUN)),
    ],
)
def test_what_has_no_such_setting_has_no_variants(other: Target):
    assert variants(other) == []


def hot() -> Iterator[Session]:
    """Twelve requests a second, a second each, for four minutes: two full instances of 8 requests, or one of 80."""
    for n in range(12 * 240):
        yield Session(f"h-{n}", n * 1000 / 12, [call(0, "http", "embed", 1000.0 + n % 7)])


def waiting(target: Target, **plane: Any) -> Target:
    """The target with these rules of its plane, where steps take no CPU."""
    table = target.simulate
    return msgspec.structs.replace(
        target,
        simulate={
            **table,
            "plane": {**table.get("plane", {}), **plane},
            "instances": {**table["instances"], "cpu_by_kind": {"http": 0.0}},
        },
    )


def eights(trace: Path) -> list[Target]:
    """The embedded planes with eight requests to an instance and to a machine, not with Cloud Run's eighty."""
    serverless, vm = embedded_targets(shape_of(trace).workload, "simulated")
    three = msgspec.structs.replace(vm, cost=msgspec.structs.replace(vm.cost, machines=3))
    return [waiting(serverless, concurrency=8), waiting(three, concurrency=8, max_instances=3)]


def doubt_of_a_flip(verdict: PilotVerdict) -> str:
    """It comes at once after that of the month, which nobody described."""
    assert "no calendar was given" in verdict.doubts[0]
    return verdict.doubts[1]


@pytest.fixture(scope="module")
def of_hot(tmp_path_factory: pytest.TempPathFactory) -> PilotVerdict:
    """The pilot of that trace with eight requests to an instance, carried out once."""
    folder = tmp_path_factory.mktemp("hot")
    trace = written(folder, hot)
    return verdict_of(piloted(trace, folder / "out", targets=eights(trace)))


def test_an_assumption_that_flips_the_cheaper_plane_is_doubted_first_but_for_the_month(of_hot: PilotVerdict):
    verdict = of_hot
    serverless, vm = verdict.planes
    doubt = doubt_of_a_flip(verdict)

    assert serverless.cost_month > vm.cost_month
    assert "requests an instance" in doubt
    assert f"instead of {serverless.cost_month:,.2f}" in doubt
    assert "the cheaper plane flips" in doubt


def test_the_bill_of_a_variant_is_that_of_a_target_set_up_so(tmp_path: Path, of_hot: PilotVerdict):
    trace = written(tmp_path, hot)
    serverless, vm = eights(trace)
    set_up = msgspec.structs.replace(
        waiting(serverless, concurrency=80), cost=msgspec.structs.replace(serverless.cost, billing="instance")
    )

    bill = verdict_of(piloted(trace, tmp_path / "out", targets=[set_up, vm])).planes[0].cost_month

    assert f"{bill:,.2f} instead of" in doubt_of_a_flip(of_hot)


def test_one_that_flips_nothing_is_a_note(tmp_path: Path):
    def rare() -> Iterator[Session]:
        for hour in range(24):
            for n in range(20):
                yield Session(f"{hour}-{n}", hour * 3_600_000.0, [call(0, "http", "triage", 180.0)])

    verdict = verdict_of(piloted(written(tmp_path, rare), tmp_path / "out"))

    assert not any("flips" in doubt for doubt in verdict.doubts)
    assert any("the cheaper plane stays the same" in note for note in verdict.notes)


def test_of_too_many_requests_nothing_is_simulated_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("replay.trials.pilot.carrying.MOST_REQUESTS", 10)

    trace = written(tmp_path, hot)
    piloted(trace, tmp_path / "out", targets=eights(trace))

    assert not (tmp_path / "out" / "variant").exists()


def test_every_parameter_of_the_embedded_planes_is_in_the_verdict(tmp_path: Path):
    verdict = verdict_of(piloted(written(tmp_path, hot), tmp_path / "out"))

    told = {(one.name, one.target): one for one in verdict.assumptions}
    assert (told["plane.concurrency", "serverless"].value, told["plane.concurrency", "serverless"].why) == (
        "80",
        "cloud-run",
    )
    assert told["plane.idle_lifetime_s", "serverless"].where_from in ("profile", "chosen")
    assert told["cost.memory_gib", "serverless"].where_from == "default"
    assert told["cost.machine", "vm"].value == "e2-medium"
    assert told["span of the trace", None].where_from == "trace"
    assert told["seed", None].value == "1"
    assert told["machines priced", "vm"].where_from == "measured"
    assert any(name == "prices" for name, _ in told)
    assert (
        msgspec.json.decode(msgspec.json.encode(verdict), type=PilotVerdict).assumptions == verdict.assumptions
    )


def test_nothing_is_compared_without_a_machine_that_has_a_price():
    plane = PilotPlane(target="t", plane="serverless", cost_month=1.0, currency="USD")

    assert flipping.flips([target({}, Cost(price=RUN))], [plane], {}, {}, None, ()) == ([], [])  # type: ignore[arg-type]
