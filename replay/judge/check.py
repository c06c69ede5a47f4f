"""What a check of a target found, and what is concluded from it. Pure."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from replay.judge.types import VERDICT_SCHEMA

Level = Literal["ok", "warn", "problem"]
Topic = Literal[
    "connection",
    "credentials",
    "redirects",
    "statuses",
    "answers",
    "streams",
    "tokens",
    "clock",
    "correlation",
    "changes",
    "bodies",
    "origin",
    "sample",
]
_ORDER: dict[Level, int] = {"problem": 0, "warn": 1, "ok": 2}


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that was looked at. what: what was seen. to_do: what to do about it; empty where it is all right."""

    topic: Topic
    level: Level
    what: str
    to_do: str = ""


class Sampled(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of the trace was tried. shapes: distinct sorts of sessions in it; cut_steps: left out of a long session."""

    sessions: int
    steps: int
    shapes: int
    of_sessions: int
    cut_steps: int = 0


class CheckReport(msgspec.Struct, omit_defaults=True, kw_only=True):
    """verdict: problem if any finding is one, and ok otherwise. to_do: in order of urgency."""

    schema: str
    command: Literal["check"]
    verdict: Literal["ok", "problem"]
    trace: str
    target: str
    sampled: Sampled
    findings: list[Finding]
    to_do: list[str]
    requests: int = 0
    elapsed_s: float = 0.0


def report_of(
    trace: str, target: str, sampled: Sampled, findings: Sequence[Finding], requests: int, elapsed_s: float
) -> CheckReport:
    """The findings as a report: those that matter most first within each topic, and what to do of them."""
    ordered = sorted(findings, key=lambda finding: _ORDER[finding.level])
    return CheckReport(
        schema=VERDICT_SCHEMA,
        command="check",
        verdict="problem" if any(finding.level == "problem" for finding in findings) else "ok",
        trace=trace,
        target=target,
        sampled=sampled,
        findings=list(findings),
        to_do=list(dict.fromkeys(finding.to_do for finding in ordered if finding.to_do)),
        requests=requests,
        elapsed_s=round(elapsed_s, 3),
    )
