"""A run as it is watched while it goes on: its plan, and its sessions as they come in."""

from collections import Counter
from itertools import pairwise

import numpy as np

from replay.judge.gate.ahead import Load, Plan
from replay.judge.gate.early import EarlyCheck
from replay.judge.measures.slo import parse_slo

_NS = 1_000_000_000


def plan_of(columns):
    """What the plan said of a run that went as planned."""
    return Plan(
        int(np.bincount(columns.session).max()),
        Counter(columns.series_names[code] for code in columns.series.tolist()),
        Load(Counter((columns.intended_ns // _NS).tolist())),
    )


def part_of(columns, start, end):
    """These sessions alone, in order of start."""
    part = columns.where((columns.session >= start) & (columns.session < end))
    return part._replace(
        sessions=columns.sessions[start:end],
        session=(part.session - start).astype(np.int32),
        makespan_ns=columns.makespan_ns[start:end],
    )


def lots(columns, at_once):
    """A look whenever so many more sessions have come."""
    return [*range(at_once, len(columns.sessions), at_once), len(columns.sessions)]


def watched(columns, text, looks, plan=None):
    """What is said of a run, and after how many sessions. looks: how many are known at each."""
    check = EarlyCheck(parse_slo(text), plan or plan_of(columns), 0.95)
    for start, end in pairwise([0, *looks]):
        if start == end:
            continue
        part = part_of(columns, start, end)
        check.add(part, int(part.intended_ns.max()))
        if check.decision != "inconclusive":
            return check.decision, end
    return check.decision, len(columns.sessions)
