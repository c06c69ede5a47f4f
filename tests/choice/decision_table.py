"""Made-up evidence, and the answer that an experienced engineer would give to it: the decision table as data.

Pure: no run, no simulation, so that all of it is judged in well under a second. Print it, with what is answered now:

    python -m tests.choice.decision_table
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from replay.choice.case import Case
from replay.choice.decision import decide
from replay.choice.types import (
    Choice,
    Hybrid,
    PilotPlane,
    PlannedRoute,
    StepClass,
    UndecidedSlo,
    Workload,
)
from tests.choice.cases import case, plane, step, workload


class Row(NamedTuple):
    """answer: the right choice. on: the target that carries it, if it is named. why: in an engineer's words."""

    name: str
    evidence: Callable[[], Case]
    answer: Choice
    why: str
    on: str | None = None


SLO = ["p99 < 800ms"]
IDLE = {"pattern": "bursty background", "idle_share": 0.97}
STEADY = {"pattern": "steady state", "idle_share": 0.0}


def priced(serverless: float | None, vm: float | None, load: dict[str, Any] | None = None, **more: Any) -> Case:
    return case({"cost_month": serverless}, {"cost_month": vm}, load=workload(**(load or {})), **more)


def targets(*planes: PilotPlane, load: Workload | None = None, **more: Any) -> Case:
    return Case(workload=load or workload(), planes=planes, **more)


def sv(name: str, month: float | None, **more: Any) -> PilotPlane:
    return plane(name, "serverless", cost_month=month, **more)


def vm(name: str, month: float | None, **more: Any) -> PilotPlane:
    return plane(name, "vm", cost_month=month, **more)


def untold(**how: bool) -> dict[str, Any]:
    return {"budget": "inconclusive", "undecided": [UndecidedSlo(slo=SLO[0], why="too few steps", **how)]}


def series(*steps: StepClass, **more: Any) -> Workload:
    return workload(series=list(steps), **more)


BUILD = step("tool", "build", 45_000.0, 0.95, in_flight=4.0)
EDGE = step("http", "edge", 80.0, 0.05)
GPU = series(step("http", "edge", 80.0, 0.983), step("tool", "infer", 4_000.0, 0.017, needs="gpu"))
BROWSER = series(step("http", "edge", 80.0, 0.9), step("tool", "click", 90.0, 0.1, needs="browser"))
STREAM = series(step("http", "stream", 5.4e6, 1.0, longest_ms=1.44e7), longest_ms=1.44e7)
STREAM_TO_VM = PlannedRoute(kind="http", name="stream", to="vm", why="")
STAFF = {"staff_month": 360.0, "staff_hours": 4.0, "staff_rate": 90.0}
SLOW = {"p99_ms": 2228.0, "p99_ci_ms": None, "p95_ms": 2100.0, "p95_ci_ms": None, "cold_share": 0.51}
FAST = {"p99_ms": 100.0, "p99_ci_ms": None, "p95_ms": 95.0, "p95_ci_ms": None}

TABLE: tuple[Row, ...] = (
    Row("rare bursts", lambda: priced(0.0, 60.22, IDLE), "serverless", "free where machines idle all day", "s"),
    Row("hot and steady", lambda: priced(317.09, 90.33, STEADY), "vm", "a third of the bill", "v"),
    Row("a few sessions a day", lambda: priced(0.0, 30.11, IDLE), "serverless", "nothing to pay", "s"),
    Row("a tie to the cent", lambda: priced(30.11, 30.11, STEADY), "inconclusive", "money is the same"),
    Row("a tie of an idle load", lambda: priced(30.11, 30.11, IDLE), "inconclusive", "a habit is no reason"),
    Row("ten percent apart", lambda: priced(30.0, 33.0), "inconclusive", "within what a month varies by"),
    Row("cents apart", lambda: priced(0.10, 0.90), "inconclusive", "nobody moves for cents"),
    Row(
        "intervals overlap",
        lambda: case(
            {"cost_month": 30.0, "cost_ci": (10.0, 60.0)}, {"cost_month": 50.0, "cost_ci": (45.0, 55.0)}
        ),
        "inconclusive",
        "the dearer may be the cheaper",
    ),
    Row("no price at all, idle", lambda: priced(None, None, IDLE), "inconclusive", "a lean, no answer"),
    Row("no price at all, steady", lambda: priced(None, None, STEADY), "inconclusive", "a lean, no answer"),
    Row("one price of two", lambda: priced(3.0, None, IDLE), "inconclusive", "the other may cost less"),
    Row(
        "two currencies",
        lambda: case({"cost_month": 12.09, "currency": "EUR"}, {"cost_month": 21.90}),
        "inconclusive",
        "no rate was stated",
    ),
    Row(
        "steady by name, clear by bill",
        lambda: priced(30.0, 45.0, STEADY),
        "serverless",
        "the bill knows the load's shape already",
        "s",
    ),
    Row(
        "one of three breaks the budget, the warm one is cheaper",
        lambda: targets(
            sv("sv0", 0.0, budget="fail"),
            sv("sv1", 9.85, budget="pass"),
            vm("vm1", 30.11, budget="pass"),
            slos=SLO,
        ),
        "serverless",
        "one warm instance keeps the budget for a third of a machine",
        "sv1",
    ),
    Row(
        "one of three breaks the budget, the machine is cheaper",
        lambda: targets(
            sv("sv0", 0.0, budget="fail"),
            sv("sv1", 71.04, budget="pass"),
            vm("vm1", 30.11, budget="pass"),
            slos=SLO,
        ),
        "vm",
        "what is left is decided by money",
        "vm1",
    ),
    Row(
        "two machines, one too small",
        lambda: targets(sv("s", 90.0), vm("small", 15.0, ceiling_rps=2.0), vm("large", 60.0)),
        "vm",
        "the small one breaks below the peak",
        "large",
    ),
    Row(
        "both break the budget",
        lambda: targets(sv("s", 1.0, budget="fail"), vm("v", 3.0, budget="fail"), slos=SLO),
        "inconclusive",
        "neither will do",
    ),
    Row(
        "4 % errors on the cheaper",
        lambda: case({"error_share": 0.04, "cost_month": 1.0}, {"cost_month": 90.0}),
        "vm",
        "it cannot carry the trace",
        "v",
    ),
    Row(
        "a ceiling below a peak that the run carried",
        lambda: case({"ceiling_rps": 1.0, "carried_rps": 4.1, "cost_month": 3.0}, {"cost_month": 90.0}),
        "serverless",
        "the search was wrong, not the plane",
        "s",
    ),
    Row(
        "an SLO that was too short to tell, no upper end",
        lambda: targets(
            sv("s", 3.0, **untold(is_open=True)), vm("v", 90.0, **untold(is_open=True)), slos=["p99 < 3s"]
        ),
        "inconclusive",
        "a gate would not let it through",
    ),
    Row(
        "an SLO that straddles, its figure within",
        lambda: targets(sv("s", 3.0, **untold()), vm("v", 90.0, budget="pass"), slos=SLO),
        "serverless",
        "likely kept; the first doubt",
        "s",
    ),
    Row(
        "an SLO that straddles, its figure beyond",
        lambda: targets(sv("s", 3.0, **untold(is_broken=True)), vm("v", 90.0, budget="pass"), slos=SLO),
        "inconclusive",
        "more likely broken than not",
    ),
    Row(
        "half of the requests cold, nobody set a budget",
        lambda: case(SLOW | {"cost_month": 0.0}, FAST | {"cost_month": 30.11}, load=workload(**IDLE)),
        "serverless",
        "if nobody waits; 22 times is the first doubt",
        "s",
    ),
    Row(
        "staff flips it",
        lambda: case({"cost_month": 119.0}, {"cost_month": 30.11} | STAFF),
        "serverless",
        "four hours of upkeep are more than the 89 saved",
        "s",
    ),
    Row(
        "staff makes it a tie",
        lambda: case({"cost_month": 390.0}, {"cost_month": 30.11} | STAFF),
        "inconclusive",
        "390 beside 390",
    ),
    Row(
        "staff does not flip it",
        lambda: case({"cost_month": 900.0}, {"cost_month": 30.11} | STAFF),
        "vm",
        "510 a month are left",
        "v",
    ),
    Row(
        "builds beside edges, no price of a split",
        lambda: case({"cost_month": 400.0}, {"cost_month": 60.22}, load=series(EDGE, BUILD)),
        "vm",
        "a split that nobody priced is an idea",
        "v",
    ),
    Row(
        "builds beside edges, a split that saves",
        lambda: case(
            {"cost_month": 400.0},
            {"cost_month": 120.0},
            load=series(EDGE, BUILD),
            split=plane("split", "hybrid", cost_month=61.0),
        ),
        "hybrid",
        "half of either alone, as simulated",
    ),
    Row(
        "builds beside edges, a split that does not",
        lambda: case(
            {"cost_month": 400.0},
            {"cost_month": 60.22},
            load=series(EDGE, BUILD),
            split=plane("split", "hybrid", cost_month=63.0),
        ),
        "vm",
        "the same machines, and serverless on top",
        "v",
    ),
    Row(
        "builds beside edges, a split that saves little",
        lambda: case(
            {"cost_month": 400.0},
            {"cost_month": 60.22},
            load=series(EDGE, BUILD),
            split=plane("split", "hybrid", cost_month=57.5),
        ),
        "vm",
        "two planes to keep, for three a month",
        "v",
    ),
    Row(
        "builds beside edges, a split that may save nothing",
        lambda: case(
            {"cost_month": 400.0},
            {"cost_month": 120.0},
            load=series(EDGE, BUILD),
            split=plane("split", "hybrid", cost_month=80.0, cost_ci=(60.0, 125.0)),
        ),
        "vm",
        "its interval reaches the machines' bill",
        "v",
    ),
    Row(
        "a split below the cheaper plane, within the dearer one's interval",
        lambda: case(
            {"cost_month": 100.0, "cost_ci": (60.0, 140.0)},
            {"cost_month": 90.0},
            load=series(EDGE, BUILD),
            split=plane("split", "hybrid", cost_month=61.0),
        ),
        "inconclusive",
        "serverless may be the cheapest of the three",
    ),
    Row(
        "a split that saves, and somebody looks after its machine",
        lambda: case(
            {"cost_month": 400.0},
            {"cost_month": 480.0, **STAFF},
            load=series(EDGE, BUILD),
            split=plane("split", "hybrid", cost_month=61.0, **STAFF),
        ),
        "serverless",
        "with its staff it is 421, beside 400 for nothing to keep",
        "s",
    ),
    Row(
        "a split that is too slow",
        lambda: case(
            {"cost_month": 400.0, "budget": "pass"},
            {"cost_month": 120.0, "budget": "pass"},
            load=series(EDGE, BUILD),
            split=plane("split", "hybrid", cost_month=61.0, budget="fail", broken=SLO),
            slos=SLO,
        ),
        "vm",
        "what breaks the budget is out, whatever it saves",
        "v",
    ),
    Row(
        "neither alone keeps the budget, a split does",
        lambda: case(
            {"cost_month": 3.0, "budget": "pass"},
            {"cost_month": 90.0, "budget": "fail"},
            load=series(EDGE, step("http", "stream", 5.4e6, 0.9, longest_ms=1.44e7), longest_ms=1.44e7),
            request_limit_s={"s": 3600.0, "split": 3600.0},
            slos=SLO,
            split=plane("split", "hybrid", cost_month=33.0, budget="pass"),
            routes={"split": [STREAM_TO_VM]},
        ),
        "hybrid",
        "streams on a machine, which the storms of edges do not queue behind",
    ),
    Row(
        "a split that leaves streams where they are cut",
        lambda: case(
            {"cost_month": 3.0},
            {"cost_month": 90.0},
            load=series(EDGE, step("http", "stream", 5.4e6, 0.9, longest_ms=1.44e7), longest_ms=1.44e7),
            request_limit_s={"s": 3600.0, "split": 3600.0},
            split=plane("split", "hybrid", cost_month=33.0),
            routes={"split": [PlannedRoute(kind="http", name="stream", to="serverless", why="")]},
        ),
        "vm",
        "its serverless part ends requests, too",
        "v",
    ),
    Row(
        "a browser, four machines, and no split that was tried pays",
        lambda: case(
            {"cost_month": 3.0},
            {"cost_month": 120.0, "machines": 4},
            load=BROWSER,
            hybrid=Hybrid(serverless="s", vm="v", text="a split does not pay"),
        ),
        "vm",
        "what was simulated goes before what two bills bound",
        "v",
    ),
    Row(
        "a browser in a tenth of the time, four machines",
        lambda: case({"cost_month": 3.0}, {"cost_month": 120.0, "machines": 4}, load=BROWSER),
        "hybrid",
        "one machine for the browser, the rest for next to nothing",
    ),
    Row(
        "a browser, one machine",
        lambda: case({"cost_month": 3.0}, {"cost_month": 30.0, "machines": 1}, load=BROWSER),
        "vm",
        "that machine is needed anyway and carries all of it",
        "v",
    ),
    Row("a GPU that nobody is known to have", lambda: case(load=GPU), "inconclusive", "neither can run it"),
    Row(
        "a GPU by the second",
        lambda: case({"cost_month": 20.0}, {"cost_month": 30.0}, load=GPU, provides={"s": ["gpu"]}),
        "serverless",
        "an e2-medium has none",
        "s",
    ),
    Row(
        "a GPU on the machine",
        lambda: case({"cost_month": 3.0}, {"cost_month": 400.0}, load=GPU, provides={"v": ["gpu"]}),
        "vm",
        "the only one that can",
        "v",
    ),
    Row(
        "streams of hours",
        lambda: case({"cost_month": 3.0}, {"cost_month": 90.0}, load=STREAM, request_limit_s={"s": 3600.0}),
        "vm",
        "the platform would cut every one",
        "v",
    ),
    Row(
        "streams of hours, the machine is too slow",
        lambda: case(
            {"cost_month": 3.0, "budget": "pass"},
            {"cost_month": 90.0, "budget": "fail"},
            load=STREAM,
            request_limit_s={"s": 3600.0},
            slos=SLO,
        ),
        "inconclusive",
        "neither will do",
    ),
    Row(
        "half again as cheap, and it fails forty times as often",
        lambda: case({"cost_month": 30.0, "effort": {"timed out (504)": 40}}, {"cost_month": 45.0}),
        "inconclusive",
        "money against trouble, and not much money",
    ),
    Row(
        "a tenth of the price, and it fails more often",
        lambda: case({"cost_month": 3.0, "effort": {"timed out (504)": 40}}, {"cost_month": 45.0}),
        "serverless",
        "worth the trouble; a doubt",
        "s",
    ),
    Row(
        "one session",
        lambda: priced(1.0, 900.0, {"sessions": 1, "steps": 4}),
        "inconclusive",
        "no evidence of anything",
    ),
    Row("one plane only", lambda: targets(sv("s", 1.0)), "inconclusive", "the other was never tried"),
    Row(
        "a generator that was late itself",
        lambda: case({"generator": "saturated", "cost_month": 1.0}),
        "inconclusive",
        "it measured this machine",
    ),
)


def answered(row: Row) -> tuple[Choice, str | None]:
    """What is answered now, and the target that carries it."""
    found = decide(row.evidence())
    return found.choice, None if found.choice == "inconclusive" else found.represents.get(found.choice)


def printed() -> str:
    """The table, a row a line, those that are not answered as they should be marked."""
    lines = []
    for row in TABLE:
        choice, on = answered(row)
        is_right = choice == row.answer and row.on in (None, on)
        on_target = f" on {row.on}" if row.on else ""
        mark = "  " if is_right else "! "
        now = "" if is_right else f"  (now {choice}{f' on {on}' if on else ''})"
        lines.append(f"{mark}{row.name:<58}{row.answer + on_target:<24}{row.why}{now}")
    wrong = sum(line.startswith("!") for line in lines)
    return "\n".join([*lines, f"{len(TABLE)} rows, {wrong} not answered as they should be"])


if __name__ == "__main__":
    print(printed())
