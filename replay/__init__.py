"""Replay recorded AI-agent workloads at precise times against any HTTP endpoint.

    outcome = replay.run("traces/support-agent.jsonl", "http://127.0.0.1:8080", speed=4)
    print(outcome.summary.latency_ms["response"].p99, outcome.directory)

The names below are public; the rest of the package may change. They are brought when they are first used, so that
importing the package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from replay.api.ceilings import ceiling
    from replay.api.coldstarts import coldstart
    from replay.api.comparing import compare
    from replay.api.explaining import explain
    from replay.api.gating import gate
    from replay.api.piloting import pilot
    from replay.api.pricing import cost
    from replay.api.reading import open_run, open_trace
    from replay.api.running import arun, run, simulate
    from replay.api.synthesising import synth
    from replay.errors import InputError, ReplayError
    from replay.target.target import Target

__version__ = "0.1.0"
__all__ = [
    "InputError",
    "ReplayError",
    "Target",
    "__version__",
    "arun",
    "ceiling",
    "coldstart",
    "compare",
    "cost",
    "explain",
    "gate",
    "open_run",
    "open_trace",
    "pilot",
    "run",
    "simulate",
    "synth",
]

_HOMES = {
    "InputError": "errors",
    "ReplayError": "errors",
    "Target": "target.target",
    "arun": "api.running",
    "ceiling": "api.ceilings",
    "coldstart": "api.coldstarts",
    "compare": "api.comparing",
    "cost": "api.pricing",
    "explain": "api.explaining",
    "gate": "api.gating",
    "open_run": "api.reading",
    "open_trace": "api.reading",
    "pilot": "api.piloting",
    "run": "api.running",
    "simulate": "api.running",
    "synth": "api.synthesising",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
