"""A fixture for pytest that replays a trace against a target and asserts SLOs.

    def test_p99(replay_gate):
        replay_gate("traces/support-agent.jsonl", target="asgi:myapp:app", slos=["p99 < 800ms", "errors < 1%"])

The test fails where an SLO does not hold, and is skipped where that cannot be decided. pytest loads this module in
every session, so it imports the rest of the package only when a gate is run.
"""

import asyncio
import io
import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import pytest

if TYPE_CHECKING:
    from replay.engine.types import RunOptions
    from replay.judge.types import GateVerdict
    from replay.trials.gate.trial import GateOutcome

_TABLE_WIDTH = 100
# An application that is given as an object is found again under this module's name.
_APPS_MODULE = "replay_pytest_apps"

Application = Callable[..., Any]


class ReplayGate(Protocol):
    """What the fixture is."""

    def __call__(
        self,
        trace: str | Path,
        target: str | Path | Application,
        slos: Sequence[str],
        *,
        strict: bool | None = None,
        baselines: Sequence[str | Path] = (),
        confidence: float = 0.95,
        least_fidelity: float = 0.9,
        **options: Any,
    ) -> "GateOutcome": ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        "replay_strict", "Fail a replay_gate that is inconclusive, rather than skip it.", "bool", False
    )


@pytest.fixture
def replay_gate(
    request: pytest.FixtureRequest, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> ReplayGate:
    """Replay a trace against a target and judge it by SLOs.

    trace, and a target that is a file, are looked for in the working directory and then in pytest's root. target: a
    URL, `asgi:module:app`, a target file, or an ASGI application itself. strict: fail where the verdict is
    inconclusive rather than skip; by default the ini option replay_strict. least_fidelity: how like the recording the
    replay has to be, 0..1, for its times to be judged. options: fields of
    replay.engine.types.RunOptions, and of its Knobs, such as speed=20 or timing="recorded". Returns the verdict and
    the run directory, which lies in tmp_path.
    """
    numbers = itertools.count(1)
    try:
        tmp_path: Path = request.getfixturevalue("tmp_path")
    except pytest.FixtureLookupError:
        _fail(
            "replay_gate leaves its runs in tmp_path, which is not there: was it turned off with -p no:tmpdir?"
        )

    def gate(
        trace: str | Path,
        target: str | Path | Application,
        slos: Sequence[str],
        *,
        strict: bool | None = None,
        baselines: Sequence[str | Path] = (),
        confidence: float = 0.95,
        least_fidelity: float = 0.9,
        **options: Any,
    ) -> "GateOutcome":
        __tracebackhide__ = True
        _refuse_running_loop()
        number = next(numbers)

        def found(path: str | Path) -> Path:
            return _found(path, pytestconfig.rootpath)

        if callable(target):
            target = _registered(target, number, monkeypatch)
        outcome = _run(
            found(trace),
            target if isinstance(target, str) and _is_url(target) else str(found(target)),
            slos,
            _options(options),
            tmp_path / f"replay-gate-{number}",
            [found(baseline) for baseline in baselines],
            confidence,
            least_fidelity,
        )
        is_strict = pytestconfig.getini("replay_strict") if strict is None else strict
        _conclude(outcome, bool(is_strict))
        return outcome

    return gate


def _run(
    trace: Path,
    target: str,
    slos: Sequence[str],
    options: "RunOptions",
    out: Path,
    baselines: Sequence[Path],
    confidence: float,
    least_fidelity: float,
) -> "GateOutcome":
    """Read what the test wrote, and run the gate; an error that is a sentence fails the test with it alone."""
    __tracebackhide__ = True
    from replay.engine.hosting.ownership import owning_signals
    from replay.errors import ReplayError
    from replay.judge.measures.slo import parse_slo
    from replay.target.file import load_target
    from replay.trials.gate.trial import gate_trace

    if isinstance(slos, str) or not slos:
        _fail('name the SLOs in a list, for example slos=["p99 < 800ms"].')
    try:
        bounds = [parse_slo(slo) for slo in slos]
        aim = load_target(target)
        # So that a time limit of the test ends an application that hangs, and fixtures stay in their thread.
        with owning_signals():
            return gate_trace(
                trace,
                aim,
                bounds,
                options,
                out=out,
                baselines=baselines,
                confidence=confidence,
                least_fidelity=least_fidelity,
            )
    except ReplayError as error:
        _fail(str(error))


def _conclude(outcome: "GateOutcome", is_strict: bool) -> None:
    """Pass, fail or skip the test."""
    __tracebackhide__ = True
    from replay.trials.endings import broken_off, concluded

    verdict, directory = outcome.verdict, outcome.directory
    conclusion = concluded(
        outcome.status, verdict.verdict, ended_early=outcome.ended_early, ended=outcome.ended, strict=is_strict
    )
    if conclusion == "pass":
        return
    if conclusion == "interrupted":
        raise KeyboardInterrupt
    if conclusion == "not_carried_out":
        _fail(f"{broken_off(conclusion, directory)}\nrecorded in {directory}")
    if conclusion == "fail":
        _fail(_table(verdict, directory))
    from replay.report.words.verdicts import gate_headline, sentence

    pytest.skip(_for_the_log("; ".join([gate_headline(verdict), *map(sentence, verdict.reasons)])))


def _table(verdict: "GateVerdict", directory: Path) -> str:
    from replay.report.plain import plain_console
    from replay.report.terminal.verdicts import print_gate

    out = io.StringIO()
    print_gate(verdict, directory, plain_console(file=out, width=_TABLE_WIDTH))
    return "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())


def _fail(message: str) -> NoReturn:
    __tracebackhide__ = True
    # From none: pytest would tell the chain of what was raised before it, in words that are not ours.
    raise pytest.fail.Exception(_for_the_log(message), pytrace=False) from None


def _for_the_log(text: str) -> str:
    """Text that pytest prints as it is, by no way that leads past our own outlets."""
    from replay.report.ci.log_commands import is_read_for_commands, without_commands

    return without_commands(text) if is_read_for_commands() else text


def _options(given: dict[str, Any]) -> "RunOptions":
    """Raises TypeError for an option that does not exist, and fails the test for one that cannot be used."""
    __tracebackhide__ = True
    from replay.api.options import options_of
    from replay.errors import InputError

    try:
        return options_of(given, "replay_gate", "strict, baselines, confidence, least_fidelity and ")
    except InputError as error:
        _fail(str(error))


def _refuse_running_loop() -> None:
    """Raises RuntimeError in an async test: a run has an event loop of its own, and two cannot share a thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("replay_gate runs an event loop of its own: call it in a test that is not async.")


def _is_url(target: str) -> bool:
    return "://" in target or target.startswith("asgi:")


def _found(path: str | Path, root: Path) -> Path:
    path = Path(path)
    return path if path.exists() or not (root / path).exists() else root / path


def _registered(app: Application, number: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """An asgi: URL for an application that is at hand; the wire knows applications only by module and name."""
    module = sys.modules.get(_APPS_MODULE) or ModuleType(_APPS_MODULE)
    monkeypatch.setitem(sys.modules, _APPS_MODULE, module)
    name = f"app_{number}"
    monkeypatch.setattr(module, name, app, raising=False)
    return f"asgi:{_APPS_MODULE}:{name}"
