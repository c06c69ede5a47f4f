"""Pilots in virtual time in which a hybrid is tried."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from replay.target.cost import Cost
from replay.target.errors import TargetError
from replay.target.routes import Route
from replay.target.target import Target
from replay.trace.types import Session
from replay.trials.pilot.carrying import Carrier
from tests.support.simulated_pilots import edges_and_builds, piloted, verdict_of, written
from tests.trials.pilot.cases import machines, serverless

# 730 h x 0.033506, a disk and an address.
E2_MEDIUM = 730 * 0.033506 + 2.00 + 3.65


def some_builds() -> Iterator[Session]:
    """A session with four edges and a build every ten seconds, for four minutes."""
    return islice(edges_and_builds(), 24)


@pytest.fixture
def without_ceilings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their search is most of the time that a pilot takes, and decides nothing here."""
    monkeypatch.setattr(Carrier, "ceilings", lambda *_: None)


def edge_and_builder() -> Target:
    """Edges on Cloud Run, builds on one machine that has eight places."""
    own, vm = serverless(concurrency=8, max_instances=2), machines()
    assert own.simulate is not None
    return Target(
        url=own.url,
        name="edge-and-builder",
        plane="hybrid",
        routes=(Route(name="build", send_to="http://machines.invalid"),),
        simulate={**own.simulate, "elsewhere": vm.simulate},
        cost=Cost(
            price="cloud-run-us-central1",
            memory_gib=2.0,
            machine_price="gce-e2-us-central1",
            machine="e2-medium",
        ),
    )


@pytest.mark.usefixtures("without_ceilings")
def test_a_hybrid_that_is_named_is_simulated_and_priced_like_the_others(tmp_path: Path):
    targets = [serverless(concurrency=8, max_instances=9), machines(count=2), edge_and_builder()]

    outcome = piloted(written(tmp_path, some_builds), tmp_path / "out", targets=targets)

    verdict = verdict_of(outcome)
    hybrid = verdict.planes[2]
    # 1.05 million short requests a month are within the free tier, so that the machine is all of it.
    assert hybrid.cost_month == pytest.approx(E2_MEDIUM, abs=1e-3)
    assert hybrid.machines == 1
    assert hybrid.steps == 120
    assert hybrid.boots is not None
    assert {found.phase for found in verdict.phases if found.target == "edge-and-builder"} == {
        found.phase for found in verdict.phases
    }
    assert hybrid.recovery is not None
    assert hybrid.recovery.met == "requests"
    assert any(one.name == "elsewhere.plane.concurrency" and one.value == "8" for one in verdict.assumptions)


def test_a_hybrid_without_a_plane_elsewhere_is_refused_before_a_folder_is_made(tmp_path: Path):
    alone = edge_and_builder()
    alone = Target(
        url=alone.url, name="half", plane="hybrid", routes=alone.routes, simulate={"as_recorded": True}
    )

    with pytest.raises(TargetError, match="half: sends steps to"):
        piloted(
            written(tmp_path, some_builds),
            tmp_path / "out",
            targets=[serverless(), machines(count=2), alone],
        )

    assert not (tmp_path / "out").exists()
