"""Verdicts for the tests of what is printed of them, some with names that attack the page they are printed on."""

from replay.judge.types import Check, ComparedTarget, CompareVerdict, Difference, GateVerdict

HOSTILE = "<script>alert(1)</script> | `x` ]]> @octocat %0A::error::\n\r\x1b[31m\x00 [a](http://evil) **b** #1"


def passed(**changes):
    fields = {
        "slo": "p99 < 800ms",
        "metric": "p99",
        "series": "response",
        "verdict": "pass",
        "reason": "the whole confidence interval is within the limit",
        "observed_ms": 612.0,
        "limit_ms": 800.0,
        "ci_ms": (560.0, 690.0),
        "n": 12_000,
        "sessions": 1_000,
    }
    return Check(**(fields | changes))


def failed(**changes):
    return passed(
        **{
            "slo": "p99(response, tool:search) < 250ms",
            "verdict": "fail",
            "reason": "the whole confidence interval is beyond the limit",
            "observed_ms": 1_200.0,
            "limit_ms": 250.0,
            "ci_ms": (1_100.0, 1_300.0),
            "n": 3_000,
        }
        | changes
    )


def undecided(**changes):
    return Check(
        **{
            "slo": "errors < 1%",
            "metric": "errors",
            "series": "errors",
            "unit": "percent",
            "verdict": "inconclusive",
            "reason": "the confidence interval straddles the limit",
            "observed": 0.9,
            "limit": 1.0,
            "ci": (0.8, 1.1),
            "n": 12_000,
            "sessions": 1_000,
        }
        | changes
    )


def gate(*checks, **changes):
    verdicts = [check.verdict for check in checks]
    overall = next((v for v in ("fail", "inconclusive") if v in verdicts), "pass")
    fields = {
        "schema": "replay.verdict/1",
        "command": "gate",
        "verdict": overall,
        "reasons": [f"{c.slo}: {c.reason}" for c in checks if c.verdict == overall],
        "checks": list(checks),
        "target": "staging",
        "trace": "support-agent",
        "run": "run-1",
    }
    return GateVerdict(**(fields | changes))


def difference(a_ms=100.0, b_ms=120.0, ci_ms=(14.0, 25.0), **changes):
    fields = {
        "metric": "p99",
        "series": "response",
        "name": None,
        "verdict": "a_faster",
        "reason": "b takes longer",
        "a_ms": a_ms,
        "b_ms": b_ms,
        "delta_ms": b_ms - a_ms,
        "delta_percent": 100 * (b_ms - a_ms) / a_ms,
        "ci_ms": ci_ms,
        "p_value": 0.0001,
        "p_adjusted": 0.0001,
        "n_a": 12_000,
        "n_b": 12_000,
        "sessions": 1_000,
    }
    return Difference(**(fields | changes))


def errors_differ(**changes):
    fields = {
        "metric": "errors",
        "series": "errors",
        "name": None,
        "unit": "percent",
        "verdict": "a_faster",
        "reason": "b fails more often",
        "a": 1.0,
        "b": 1.5,
        "delta": 0.5,
        "ci": (0.2, 0.8),
        "delta_percent": 50.0,
        "p_value": 0.02,
        "p_adjusted": 0.04,
    }
    return Difference(**(fields | changes))


def compare(*differences, **changes):
    fields = {
        "schema": "replay.verdict/1",
        "command": "compare",
        "verdict": differences[0].verdict,
        "mode": "paired",
        "metric": differences[0].metric,
        "reasons": [differences[0].reason],
        "targets": [
            ComparedTarget(label="a", name="local", url="http://127.0.0.1:1", steps=12_000),
            ComparedTarget(label="b", name="staging", url="http://127.0.0.1:2", steps=12_000, failed=3),
        ],
        "differences": list(differences),
    }
    return CompareVerdict(**(fields | changes))
