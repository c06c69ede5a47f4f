"""Ending a run by a rule, such as errors > 20% over 10s, told by a process that watches it (see watching.py).

The process looks once a second, half a second behind, since so long a line of the record may be on its way, and
longer where it comes from other machines. A rate that is too low it says again and again, since only the run knows
what was asked of its target meanwhile (replay/judge/gate/demand.py). If it ends without having said anything the run is
ended as well: a run that was to be watched is not left unwatched.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from replay.engine.counting import Progress
from replay.engine.progress import OnProgress
from replay.engine.run import AbortWhen, Job, Outcome, StopWhen, replay_together
from replay.engine.types import RunOptions
from replay.judge.gate.demand import Demand
from replay.results.selector import Selector
from replay.target.target import Target
from replay.trials.watching import Watcher, followed, say, told

if TYPE_CHECKING:
    # A run without such a rule begins sooner without what judges by it.
    from replay.judge.gate.abort import AbortRule
    from replay.scale.crew import Crew

_MODULE = "replay.trials.aborting"
_Replay = Callable[
    [Path, Sequence[Job], RunOptions, OnProgress | None, StopWhen | None, AbortWhen | None], list[Outcome]
]
# As replay_together is called where nothing but a stop ends a run.
Together = Callable[[Path, Sequence[Job], RunOptions, OnProgress | None, StopWhen | None], list[Outcome]]
_NS = 1_000_000_000
_EVERY_NS = 1_000_000_000
# What the process says may be heard so much later, where this machine is busy.
_WAY_S = 10.0
_BEHIND_NS = 500_000_000
# Workers say twice a second what they sent, and that is heard a little later.
_SAID_LATE_S = 1.0
# Records of workers on other machines come once a second.
_FAR_BEHIND_NS = 2_500_000_000


class _Told(msgspec.Struct):
    """What the process is told. start_ns: the run's zero, CLOCK_MONOTONIC, which all processes share. behind_ns: how
    old a record may be when it comes.
    """

    directory: str
    rules: list[str]
    start_ns: int
    behind_ns: int


class _Said(msgspec.Struct):
    """What the process says. rule: the place of the one that holds. until_ns: the end of its window, of
    CLOCK_MONOTONIC.
    """

    rule: int
    why: str
    until_ns: int


class _Watched:
    """One run of those that go on together."""

    def __init__(self, directory: Path, progress: Progress, behind_ns: int, late_s: float) -> None:
        self._directory, self._progress = directory, progress
        self._behind_ns, self._late_s = behind_ns, late_s
        self._demands: list[Demand] = []
        self.watcher = Watcher(_MODULE)

    def look(self, rules: "Sequence[AbortRule]") -> str | None:
        if not self._demands:
            if not self._progress.start_ns:
                return None
            back_s = _WAY_S + self._behind_ns / _NS
            self._demands = [Demand(rule.window_s + back_s, self._late_s) for rule in rules]
            texts = [rule.text for rule in rules]
            told = _Told(str(self._directory), texts, self._progress.start_ns, self._behind_ns)
            self.watcher.tell(msgspec.json.encode(told))
        now_ns = time.monotonic_ns()
        for demand, asked in zip(self._demands, self._progress.parts, strict=True):
            demand.look(now_ns, asked.sent, asked.in_flight)
        for line in self.watcher.heard():
            said = msgspec.json.decode(line, type=_Said)
            rule = rules[said.rule]
            is_asked_little = rule.is_of_low_rate and self._demands[said.rule].explains(
                rule.slo.limit.value, rule.window_s, said.until_ns
            )
            if not is_asked_little:
                return said.why
        if self.watcher.has_ended:
            return "the process that watched for it ended by itself, so nothing would have ended the run"
        return None


class AbortWatch:
    """An AbortWhen of replay/engine/run.py, for any number of runs that go on together; a context manager.

    is_dealt: workers make them. is_far: these are on other machines.
    """

    def __init__(self, rules: "Sequence[AbortRule]", *, is_dealt: bool = False, is_far: bool = False) -> None:
        self._late_s = _SAID_LATE_S if is_dealt else 0.0
        self._rules = rules
        self._behind_ns = _FAR_BEHIND_NS if is_far else _BEHIND_NS
        self._watched: list[_Watched] = []

    def __enter__(self) -> "AbortWatch":
        return self

    def __exit__(self, *_: object) -> None:
        for watched in self._watched:
            watched.watcher.close()
        self._watched = []

    @property
    def selectors(self) -> Sequence[Selector]:
        """Of each rule, in their order."""
        return [rule.slo.selector for rule in self._rules]

    def begin(self, directory: Path, progress: Progress) -> None:
        progress.follow(self.selectors)
        self._watched.append(_Watched(directory, progress, self._behind_ns, self._late_s))

    def is_met(self) -> str | None:
        return next((why for each in self._watched if (why := each.look(self._rules)) is not None), None)


def replay_watched(
    trace: Path,
    jobs: Sequence[Job],
    options: RunOptions,
    on_progress: OnProgress | None = None,
    stop_when: StopWhen | None = None,
    aborts: "Sequence[AbortRule]" = (),
    crew: "Crew | None" = None,
) -> list[Outcome]:
    """As replay_together, or replay_dealt where there are to be several workers, ended by the first of these rules that
    holds; `summary.ended` then says so. crew: workers that are kept for the next run.
    """
    replay: _Replay = replay_together
    if options.is_dealt:
        # A run of one process has no use for it, and begins sooner without.
        from replay.scale.replaying import replay_dealt

        replay = partial(replay_dealt, crew=crew)
    if not aborts:
        return replay(trace, jobs, options, on_progress, stop_when, None)
    with AbortWatch(aborts, is_dealt=options.is_dealt, is_far=options.is_away) as watch:
        return replay(trace, jobs, options, on_progress, stop_when, watch)


@contextlib.contextmanager
def keeping_workers(options: RunOptions) -> "Iterator[Crew | None]":
    """Inside, workers that may do several runs; None where a run is one process, which needs nobody kept."""
    if not options.is_dealt:
        yield None
        return
    from replay.scale.crew import Crew

    with Crew(options) as crew:
        yield crew


@contextlib.contextmanager
def dealing_runs(dealt: RunOptions) -> "Iterator[Together]":
    """Inside, what carries runs out as replay_together does, each dealt to the workers that these options name."""
    with keeping_workers(dealt) as crew:

        def replay(
            trace: Path,
            jobs: Sequence[Job],
            options: RunOptions,
            on_progress: OnProgress | None = None,
            stop_when: StopWhen | None = None,
        ) -> list[Outcome]:
            options = msgspec.structs.replace(
                options, workers=dealt.workers, listen=dealt.listen, cluster=dealt.cluster
            )
            return replay_watched(trace, jobs, options, on_progress, stop_when, (), crew)

        yield replay


def replay_one(
    trace: Path,
    target: Target,
    options: RunOptions,
    out: Path | None = None,
    on_progress: OnProgress | None = None,
    stop_when: StopWhen | None = None,
    aborts: "Sequence[AbortRule]" = (),
    crew: "Crew | None" = None,
) -> Outcome:
    """As replay_trace, ended by the first of these rules that holds."""
    return replay_watched(trace, [Job(target, out)], options, on_progress, stop_when, aborts, crew)[0]


def main() -> None:
    """Watch until a rule holds; whoever started this process ends it."""
    from replay.judge.gate.abort import AbortCheck, parse_abort

    watch = msgspec.json.decode(told(), type=_Told)
    checks = [AbortCheck(parse_abort(text)) for text in watch.rules]
    next_ns = 0
    for records in followed(Path(watch.directory)):
        for check in checks:
            check.add(records)
        now_ns = time.monotonic_ns() - watch.start_ns - watch.behind_ns
        if now_ns < next_ns:
            continue
        next_ns = now_ns + _EVERY_NS
        for n, check in enumerate(checks):
            seen = check.holds(now_ns)
            if seen is not None:
                say(msgspec.json.encode(_Said(n, f"{check.rule.text}: {seen}", watch.start_ns + now_ns)))
                if not check.rule.is_of_low_rate:
                    return


if __name__ == "__main__":
    main()
