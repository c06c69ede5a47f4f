"""This machine as the benchmark uses it: a core for the client, one for the server, and what a command took."""

import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

CORES = sorted(os.sched_getaffinity(0))
CLIENT_CORE, SERVER_CORE = CORES[0], CORES[-1]


class CommandFailed(Exception):
    """A command ended with a status that is no answer, or took too long."""


class Ran(NamedTuple):
    """A command that has ended. cpu_s: of all its processes, user and system; instants: CLOCK_MONOTONIC.

    peak_bytes: the most memory that its largest process held.
    """

    text: str
    cpu_s: float
    began_ns: int
    ended_ns: int
    peak_bytes: int

    @property
    def wall_s(self) -> float:
        return (self.ended_ns - self.began_ns) / 1e9

    def number(self, pattern: str) -> float:
        """The first group of this pattern in what was printed. Raises CommandFailed where there is no such text."""
        found = re.search(pattern, self.text)
        if found is None:
            raise CommandFailed(f"nothing like {pattern} was printed: {self.text[-500:]}")
        return float(found[1])


def on_core(
    core: int, command: Sequence[str], env: Mapping[str, str] | None = None, **options: object
) -> subprocess.Popen[str]:
    """Start a command that keeps to one core. env: what is added to the environment."""
    return on_cores([core], command, env, **options)


def on_cores(
    cores: Sequence[int], command: Sequence[str], env: Mapping[str, str] | None = None, **options: object
) -> subprocess.Popen[str]:
    """The same of several."""
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        command,
        text=True,
        env={**os.environ, **(env or {})},
        preexec_fn=lambda: os.sched_setaffinity(0, set(cores)),
        **options,
    )


def run(
    command: Sequence[str],
    env: Mapping[str, str] | None = None,
    is_fine: Sequence[int] = (0,),
    timeout_s: float = 300.0,
    cores: Sequence[int] = (CLIENT_CORE,),
) -> Ran:
    """Run a command on these cores, to its end. Raises CommandFailed unless it ends with a status of is_fine."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began_ns = time.monotonic_ns()
        process = on_cores(cores, command, env, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        watch = threading.Timer(timeout_s, process.send_signal, [signal.SIGKILL])
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        ended_ns = time.monotonic_ns()
        watch.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        text, complaint = out.read(), err.read()
    if process.returncode not in is_fine:
        raise CommandFailed(f"{' '.join(command[:4])} ended with {process.returncode}: {complaint[-500:]}")
    return Ran(text, usage.ru_utime + usage.ru_stime, began_ns, ended_ns, usage.ru_maxrss << 10)


def noise_floor(core: int, seconds: float) -> dict[str, float]:
    """How long a bare loop that only looks at the clock is kept from running on this core."""
    before_on = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    gaps_ns = []
    end_ns = time.monotonic_ns() + int(seconds * 1e9)
    before_ns = time.monotonic_ns()
    while before_ns < end_ns:
        now_ns = time.monotonic_ns()
        gaps_ns.append(now_ns - before_ns)
        before_ns = now_ns
    os.sched_setaffinity(0, before_on)
    gaps_ns.sort()
    return {
        "p99_99_us": gaps_ns[int(len(gaps_ns) * 0.9999)] / 1e3,
        "max_us": gaps_ns[-1] / 1e3,
        "over_100_us_per_s": sum(gap > 100_000 for gap in gaps_ns) / seconds,
    }
