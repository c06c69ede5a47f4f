"""Every file that is written here or by users, with the types that it is made of."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from replay.choice.types import PilotVerdict
from replay.judge.check import CheckReport
from replay.judge.cold.types import ColdVerdict
from replay.judge.load.recovery import RecoveryVerdict
from replay.judge.load.types import CeilingVerdict
from replay.judge.machine import DoctorReport
from replay.judge.tail.explain import ExplainVerdict
from replay.judge.types import CompareVerdict, GateVerdict
from replay.money.calendar_file import CalendarFile
from replay.money.month import RunCost
from replay.money.price_table import PriceTable
from replay.planes.modelled.types import ModelSpec
from replay.planes.types import SimulatedPlane
from replay.results.answer_types import AnswerRecord, AnswersHead, ShapeRecord
from replay.results.forecast_types import Forecast
from replay.results.manifest_types import Manifest
from replay.results.summary_types import Summary
from replay.results.types import EventRecord, InstanceRecord, StepRecord
from replay.schemas.trace import Session
from replay.target.target import Target
from replay.trace.synthesis.recipe import Recipe
from replay.trace.types import Header


class File(NamedTuple):
    """A file, or a line of one. holds: what it is, one of these. version: of its layout.

    parts: what is in fields of it that its type leaves open. inherited: fields that its types need, and that a file may
    leave out, since a profile that it names has them.
    """

    title: str
    holds: tuple[type[msgspec.Struct], ...]
    version: int = 1
    parts: Mapping[str, type[msgspec.Struct]] = MappingProxyType({})
    inherited: frozenset[str] = frozenset()


_VERDICTS: dict[str, File] = {
    "gate": File("verdict.json of gate: does a run hold its SLOs?", (GateVerdict,)),
    "compare": File("verdict.json of compare: which of two targets is better?", (CompareVerdict,)),
    "ceiling": File("verdict.json of ceiling: the highest load that holds the SLOs", (CeilingVerdict,)),
    "coldstart": File("verdict.json of coldstart: cold starts, and what they do to the tail", (ColdVerdict,)),
    "recovery": File("verdict.json of a run with faults: what followed each of them", (RecoveryVerdict,)),
    "pilot": File("verdict.json of pilot: which plane fits, and all that rests on", (PilotVerdict,)),
    "check": File("What run --check --json prints: would a replay mean anything?", (CheckReport,)),
    "explain": File("What explain --json prints: what the tail of a run is made of", (ExplainVerdict,)),
}

FILES: dict[str, File] = {
    "trace": File("A line of a trace: its header, or a session", (Header, Session)),
    "recipe": File("A recipe: what trace synth makes a trace of", (Recipe,)),
    "target": File(
        "A target file: where steps are sent, and how",
        (Target,),
        parts={"simulate": SimulatedPlane},
        inherited=frozenset({"policy"}),
    ),
    "model": File("A model of instances: plane serve --model, and [simulate.instances]", (ModelSpec,)),
    "prices": File("A price table: what a provider asks for", (PriceTable,)),
    "calendar": File("A calendar: what a month looks like", (CalendarFile,)),
    "run": File("run.json: how a run was carried out", (Manifest,)),
    "steps": File("A line of steps.jsonl: one attempt of a step", (StepRecord,)),
    "summary": File("summary.json: the figures of a run", (Summary,)),
    "instances": File("A line of instances.jsonl: the life of an instance", (InstanceRecord,)),
    "events": File("A line of events.jsonl: something done to the target", (EventRecord,)),
    "answers": File("A line of answers.jsonl: an answer, or a shape", (AnswersHead, ShapeRecord, AnswerRecord)),
    "forecast": File("What run --dry-run --json prints: what would be sent", (Forecast,)),
    "verdict": File("verdict.json of any command", tuple(file.holds[0] for file in _VERDICTS.values())),
    **_VERDICTS,
    "doctor": File("What doctor --json prints: what this machine can send, and how precisely", (DoctorReport,)),
    "cost": File("What cost --json prints: what a run's load costs a month", (RunCost,)),
}
