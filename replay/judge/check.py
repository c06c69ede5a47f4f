"""What a check of a target found, and what is concluded from it. Pure."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

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
    "machine",
    "bodies",
    "origin",
    "sample",
]
_ORDER: dict[Level, int] = {"problem": 0, "warn": 1, "ok": 2}


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that was looked at."""

    topic: Annotated[Topic, Meta(description="What it is about.")]
    level: Annotated[Level, Meta(description="Whether it is all right, a warning or a problem.")]
    what: Annotated[str, Meta(description="What was seen, in a sentence.")]
    to_do: Annotated[str, Meta(description="What to do about it; empty where it is all right.")] = ""


class Sampled(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of the trace was tried."""

    sessions: Annotated[int, Meta(description="Sessions that were tried.")]
    steps: Annotated[int, Meta(description="Steps that were tried.")]
    shapes: Annotated[int, Meta(description="Distinct sorts of sessions in the trace.")]
    of_sessions: Annotated[int, Meta(description="Sessions in the trace.")]
    cut_steps: Annotated[int, Meta(description="Steps that were left out of a long session.")] = 0


class CheckReport(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What `replay run --check` found, in the schema of verdict.json."""

    schema: Annotated[str, Meta(description="replay.verdict/1.")]
    command: Annotated[Literal["check"], Meta(description="check.")]
    verdict: Annotated[Literal["ok", "problem"], Meta(description="problem if any finding is one, else ok.")]
    trace: Annotated[str, Meta(description="The trace's name.")]
    target: Annotated[str, Meta(description="The target's name.")]
    sampled: Annotated[Sampled, Meta(description="What of the trace was tried.")]
    findings: Annotated[list[Finding], Meta(description="What was looked at.")]
    to_do: Annotated[list[str], Meta(description="What to do, most urgent first.")]
    requests: Annotated[int, Meta(description="Requests that were sent for it.")] = 0
    elapsed_s: Annotated[float, Meta(description="How long it took, in s.")] = 0.0


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
