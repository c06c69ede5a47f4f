"""Runs made of numbers: columns with the values that a test is about."""

import numpy as np

from replay.results.columns import columns_of
from replay.results.evidence import Evidence
from replay.results.manifest_types import Generator, TargetFacts, TraceFacts
from replay.results.summary_types import Counts, Quantiles, Rate, Summary
from replay.results.types import StepRecord

MS = 1_000_000


def summary(
    generator="ok",
    status="finished",
    unsent_reasons=None,
    sha256="t",
    failed=0,
    elapsed_s=10.0,
    late_ms=None,
    errors=None,
    error=None,
):
    return Summary(
        schema="replay.summary/1",
        status=status,
        elapsed_s=elapsed_s,
        trace=TraceFacts(name="t", sha256=sha256, sessions=1, steps=1),
        target=TargetFacts(name="x", url="http://x"),
        counts=Counts(
            sessions=1,
            steps=1,
            sent=1,
            ok=1,
            failed=failed,
            unsent=0,
            retries=0,
            waits=0,
            errors=errors or {},
            unsent_reasons=unsent_reasons or {},
        ),
        rate=Rate(),
        latency_ms={},
        series=[],
        dispatch_lag_us=Quantiles(n=0),
        generator=Generator(
            verdict=generator, reasons=[] if generator == "ok" else ["CPU was at 99%"], late_ms=late_ms
        ),
        removed_s={},
        error=error,
    )


def step(session, ms, n=0, kind="tool", name="search", at_ms=None, **fields):
    """One answered step that took so many ms, of which none were lateness."""
    intended_ns = int((n * 10 if at_ms is None else at_ms) * MS)
    known = {"outcome": "ok", "status": 200, "sent_ns": intended_ns, "first_byte_ns": intended_ns, **fields}
    return StepRecord(
        session=session,
        step=f"{n}",
        kind=kind,
        name=name,
        target="x",
        intended_ns=intended_ns,
        end_ns=intended_ns + int(ms * MS),
        **known,
    )


def evidence(values_ms, per_session=1, name="run", **facts):
    """A run whose steps took these ms, so many in each session."""
    records = [step(f"s-{n // per_session}", float(ms), n) for n, ms in enumerate(np.ravel(values_ms))]
    return Evidence(summary(**facts), columns_of([records]), name)
