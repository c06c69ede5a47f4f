"""The probe finds what a target that goes cold was told to do."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from replay import __version__
from replay.engine.types import RunOptions
from replay.judge.tail.coldstart import ColdVerdict
from replay.results.rundir import RunDir
from replay.results.summary import rebuild
from replay.scale.conductor import NotStarted
from replay.target.target import Target
from replay.trace.types import Request, Step
from replay.trials.coldstart.experiment import ProbeFailed, ProbePlan
from replay.trials.coldstart.probing import probe_coldstart

KEEP_ALIVE_S, BOOT_S = 0.9, 0.25
STEP = Step("probe", "http", "GET /", request=Request("GET", "/"))


@pytest.fixture(params=["says", "silent"])
def cold_target(request):
    process = subprocess.Popen(
        [
            sys.executable,
            str(Path(__file__).parent / "cold_server.py"),
            str(KEEP_ALIVE_S),
            str(BOOT_S),
            request.param,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    url = process.stdout.readline().strip()
    says = request.param == "says"
    try:
        yield Target(
            url=url,
            name="cold",
            cold_header="x-cold" if says else None,
            instance_header="x-instance" if says else None,
        )
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_probe_finds_how_long_a_target_stays_warm_and_what_a_boot_adds(cold_target, tmp_path):
    waits = []

    outcome = probe_coldstart(
        cold_target,
        STEP,
        ProbePlan(first_s=0.4, most_s=4.0, bursts=(3,)),
        out=tmp_path / "out",
        on_wait=lambda idle_s, why: waits.append(idle_s),
    )

    summary = rebuild(tmp_path / "out")
    assert summary.status == "finished"
    assert summary.generator.reasons == ["it has no self-check: it is of probes of a target, not of a replay"]
    assert RunDir(tmp_path / "out").read_manifest().version == __version__
    verdict = outcome.verdict
    low, high = verdict.keep_alive_s
    assert low <= KEEP_ALIVE_S * 1.1
    assert high >= KEEP_ALIVE_S * 0.9
    assert verdict.cold.method == ("header" if cold_target.cold_header else "inferred")
    assert verdict.cold.added_ms >= BOOT_S * 1000 * 0.95
    assert verdict.bursts[0].size == 3
    assert verdict.bursts[0].cold == 3
    assert verdict.bursts[0].slowest_ms >= BOOT_S * 1000 * 0.95
    assert sum(waits) <= ProbePlan(first_s=0.4, most_s=4.0, bursts=(3,)).most_wait_s
    written = msgspec.json.decode((tmp_path / "out" / "verdict.json").read_bytes(), type=ColdVerdict)
    assert written == verdict
    lines = (tmp_path / "out" / "steps.jsonl").read_text().splitlines()
    assert len(lines) == 11 + verdict.probes + 3


def test_a_path_that_fails_ends_the_experiment_with_a_sentence(truth, tmp_path):
    step = Step("probe", "http", "GET /", request=Request("GET", "/x?do=503"))

    with pytest.raises(ProbeFailed, match="answered with status 503; choose another --path"):
        probe_coldstart(Target(url=truth.url, name="t"), step, out=tmp_path / "out")


@pytest.mark.parametrize("cold_target", ["says"], indirect=True)
def test_two_workers_find_what_one_process_does_and_share_a_burst(cold_target, tmp_path):
    out = tmp_path / "out"
    plan = ProbePlan(first_s=1.0, most_s=1.0, precision=1.0, bursts=(4,))

    outcome = probe_coldstart(cold_target, STEP, plan, out=out, options=RunOptions(workers=2))

    verdict = outcome.verdict
    assert verdict.keep_alive_s == (0.0, 1.0)
    assert (verdict.probes, verdict.cold.count) == (2, 2)
    assert verdict.cold.added_ms >= BOOT_S * 1000 * 0.95
    assert [(burst.size, burst.cold) for burst in verdict.bursts] == [(4, 4)]
    assert msgspec.json.decode((out / "verdict.json").read_bytes(), type=ColdVerdict) == verdict
    runs = {path.name: rebuild(path) for path in sorted(out.iterdir()) if path.is_dir()}
    assert list(runs) == ["01-11", "02-1", "03-1", "04-4"]
    assert [worker.steps for worker in runs["04-4"].workers] == [2, 2]


def test_a_target_that_does_not_answer_two_workers_leaves_nothing(tmp_path):
    target = Target(url="http://127.0.0.1:9", name="t")

    with pytest.raises(NotStarted, match=r"could not begin: .*http://127\.0\.0\.1:9"):
        probe_coldstart(target, STEP, out=tmp_path / "out", options=RunOptions(workers=2))

    assert not (tmp_path / "out").exists()
