"""What two targets are compared by: a percentile or a mean of a measure, or a share of steps."""

import re
from typing import NamedTuple

from replay.errors import InputError
from replay.judge.measures.slo import MEASURES


class MetricError(InputError, ValueError):
    """A metric to compare that cannot be read; str() is the whole message."""


class Metric(NamedTuple):
    """What is compared: statistic p50, p99.9 as p99_9, mean, errors or cold; of a measure for times."""

    statistic: str
    measure: str = "response"

    @property
    def q(self) -> float | None:
        return float(self.statistic[1:].replace("_", ".")) / 100 if self.statistic[0] == "p" else None

    def __str__(self) -> str:
        return self.statistic if self.measure == "response" else f"{self.statistic}({self.measure})"


def parse_metric(text: str) -> Metric:
    """`p99`, `p99(ttft)`, `mean(service)`, `errors` or `cold`. Raises MetricError."""
    found = re.fullmatch(r"\s*(p\d+(?:[._]\d+)?|mean|errors|cold)\s*(?:\(\s*(\w+)\s*\))?\s*", text.lower())
    measure = found[2] if found else None
    if found is None or (measure is not None and (measure not in MEASURES or found[1] in ("errors", "cold"))):
        raise MetricError(
            f"cannot compare {text!r}. Write a percentile or mean of one of {', '.join(MEASURES)}, for example "
            "p99 or p95(ttft), or errors, or cold."
        )
    metric = Metric(found[1].replace(".", "_"), measure or "response")
    if metric.q is not None and not 0 < metric.q < 1:
        raise MetricError(f"cannot compare {text!r}: a percentile lies between 0 and 100.")
    return metric
