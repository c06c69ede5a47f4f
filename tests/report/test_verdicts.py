"""Each kind of verdict has every renderer, and is shown by each in every medium."""

import xml.etree.ElementTree as ET
from typing import get_args

import pytest

from replay.choice.types import PilotVerdict
from replay.judge.cold.types import Cold, ColdVerdict, Tail
from replay.judge.load.recovery import Fault, RecoveryVerdict
from replay.judge.load.types import CeilingVerdict
from replay.judge.types import VERDICT_SCHEMA, CompareVerdict, GateVerdict
from replay.report.page.pilot import PilotMaterial
from replay.report.verdicts import RENDERERS, renderers_of
from replay.results.summary_types import Quantiles
from replay.trials.evidence import AnyVerdict
from tests.report.pilot_example import pilot_verdict
from tests.report.verdict_samples import compare, difference, failed, gate

SCHEMA = {"schema": VERDICT_SCHEMA}
SAMPLES = {
    GateVerdict: gate(failed()),
    CompareVerdict: compare(difference()),
    CeilingVerdict: CeilingVerdict(
        **SCHEMA,
        command="ceiling",
        verdict="not_reached",
        reasons=["at 1x p99 < 1ms does not hold"],
        ceiling=None,
        levels=[],
        target="shop",
    ),
    ColdVerdict: ColdVerdict(
        **SCHEMA,
        command="coldstart",
        cold=Cold(
            count=0,
            share=0.0,
            method="none",
            confidence="low",
            why="no steps form a slow mode of their own",
            latency_ms=Quantiles(n=0),
            warm_ms=Quantiles(n=0),
        ),
        tail=Tail(),
        idle_curve=[],
        target="shop",
    ),
    RecoveryVerdict: RecoveryVerdict(
        **SCHEMA,
        command="run",
        faults=[Fault(what="kill", at_s=30.0, detect_s=0.2, failed_steps=3, under_way=2, sent_after=9)],
        target="shop",
    ),
    PilotVerdict: pilot_verdict(),
}


class Folder:
    def runs(self, names):
        return [], []

    def pilot(self, verdict):
        return PilotMaterial({}, {}, {}, {}, [])


def test_the_table_has_every_kind_of_verdict_that_a_folder_may_hold():
    assert set(RENDERERS) == set(get_args(AnyVerdict)) == set(SAMPLES)


@pytest.mark.parametrize("kind", RENDERERS, ids=lambda kind: kind.__name__)
def test_each_kind_is_shown_in_every_medium(kind, capsys, tmp_path):
    verdict = SAMPLES[kind]
    show = renderers_of(verdict)

    assert "<h1" in show.page(verdict, Folder())
    assert show.markdown(verdict).strip()
    assert ET.fromstring(show.junit(verdict, False)).tag == "testsuites"
    assert all(line.startswith("::") for line in show.annotations(verdict))
    assert show.annotations(verdict)
    show.terminal(verdict, tmp_path)
    assert capsys.readouterr().out.strip()


def test_a_ceiling_below_every_load_is_a_failure_in_every_medium():
    verdict = SAMPLES[CeilingVerdict]
    show = renderers_of(verdict)
    (suite,) = ET.fromstring(show.junit(verdict, False))

    assert suite.get("failures") == "1"
    assert show.markdown(verdict).startswith("### ❌ replay ceiling: no load holds\n")
    assert show.annotations(verdict)[0].startswith("::error title=replay ceiling::no load holds (at 1x")


def test_a_fault_from_which_the_target_did_not_recover_fails_its_case():
    verdict = SAMPLES[RecoveryVerdict]
    (suite,) = ET.fromstring(renderers_of(verdict).junit(verdict, False))

    assert [case.get("name") for case in suite] == ["kill at 30 s"]
    assert suite.get("failures") == "1"
    assert "felt 200 ms later; recovered not within the run; 3 steps failed" in "".join(suite.itertext())
