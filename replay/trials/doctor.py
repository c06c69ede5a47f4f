"""Looking at this machine as a generator: what it is, and two short runs against a server of its own on loopback.

The first run sends as much as goes, a hundred requests at a time; the second sends at a steady rate that is far below
that, and so shows how precisely. Both sides are on one machine, so what it could send elsewhere is more, if anything.
"""

import multiprocessing
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from pathlib import Path

import anyio
import anyio.to_thread

from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.errors import ReplayError
from replay.judge.machine import DoctorReport, Machine, Sent, examined
from replay.planes.modelled.server import modelled_server
from replay.planes.modelled.types import ServiceModel
from replay.results.summary_types import Summary
from replay.system.cores import usable_cores
from replay.system.facts import clock_source, core_quota, governors, load_per_core, memory_left_bytes, niceness
from replay.system.interrupts import start_uninterrupted
from replay.system.shortage import local_ports, most_descriptors_possible
from replay.target.errors import TargetError
from replay.target.target import Target
from replay.trace.file.stream import TraceWriter
from replay.trace.types import FORMAT, VERSION, Header, Request, Session, Step

_NS = 1_000_000_000
_SLEEP_S = 0.001
_SLEEPS = 200
_READY_S = 10.0
# About as many as the fastest of machines sends while it is looked.
_MOST_REQUESTS = 8_000
_MOST_S = 1.0
_AT_ONCE = 128
_PACED_S = 1.5
_PACED_RPS = 500.0
# So far below what went that the machine has time to be precise.
_PACED_SHARE = 0.1
_SPAWN = multiprocessing.get_context("spawn")


def examine() -> DoctorReport:
    """Look at this machine, for a few seconds; sends to 127.0.0.1 alone, and leaves nothing behind."""
    wall_ns, steady_ns = time.time_ns(), time.monotonic_ns()
    # Before the runs, which would be seen in it.
    load = load_per_core(len(usable_cores()))
    late_us = sorted(_sleeps_late_us())
    sent, why_not = None, ""
    try:
        with _served() as url:
            sent = _sent_to(url)
    except (ReplayError, OSError) as error:
        why_not = str(error)
    step_ns = (time.time_ns() - wall_ns) - (time.monotonic_ns() - steady_ns)
    machine = Machine(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        uvloop=_version_of("uvloop"),
        cores=len(usable_cores()),
        core_quota=core_quota(),
        governors=governors(),
        load_per_core=load,
        niceness=niceness(),
        descriptors=most_descriptors_possible(),
        local_ports=local_ports(),
        memory_bytes=memory_left_bytes(),
        clock_source=clock_source(),
        wall_step_ms=round(step_ns / 1e6, 3),
        sleep_late_p50_us=round(late_us[len(late_us) // 2], 1),
        sleep_late_p99_us=round(late_us[len(late_us) * 99 // 100], 1),
    )
    return examined(machine, sent, why_not)


def _sleeps_late_us() -> Iterator[float]:
    for _ in range(_SLEEPS):
        began_ns = time.monotonic_ns()
        time.sleep(_SLEEP_S)
        yield (time.monotonic_ns() - began_ns - _SLEEP_S * _NS) / 1000


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _sent_to(url: str) -> Sent:
    """Raises ReplayError and OSError where nothing can be sent."""
    target = Target(url=url, name="loopback")
    with tempfile.TemporaryDirectory(prefix="replay-doctor-") as folder:
        run = partial(_run, Path(folder), target)
        most = run("most", [0.0] * _MOST_REQUESTS, RunOptions(duration_s=_MOST_S, max_in_flight=_AT_ONCE))
        most_rps = most.counts.ok / most.elapsed_s if most.elapsed_s else 0.0
        paced_rps = max(1.0, min(_PACED_RPS, most_rps * _PACED_SHARE))
        starts_ms = [n * 1000 / paced_rps for n in range(int(_PACED_S * paced_rps))]
        paced = run("paced", starts_ms, RunOptions())
    return Sent(
        most_rps=round(most_rps, 1),
        paced_rps=round(paced_rps, 1),
        lag_p50_us=paced.dispatch_lag_us.p50 or 0.0,
        lag_p99_us=paced.dispatch_lag_us.p99 or 0.0,
        failed=most.counts.failed + paced.counts.failed,
        reasons=paced.generator.reasons,
    )


def _run(folder: Path, target: Target, name: str, starts_ms: Sequence[float], options: RunOptions) -> Summary:
    trace = folder / f"{name}.jsonl"
    with TraceWriter(trace, Header(FORMAT, VERSION, name)) as writer:
        for n, start_ms in enumerate(starts_ms):
            step = Step(id="a", kind="http", name="GET /", request=Request(method="GET", path="/"))
            writer.write(Session(id=f"s-{n}", start_ms=start_ms, steps=[step]))
    summary = replay_trace(trace, target, options, folder / name).summary
    if summary.status == "interrupted":
        # What it had measured by then would be told as what this machine can do.
        raise KeyboardInterrupt
    return summary


@contextmanager
def _served() -> Iterator[str]:
    """A server that answers at once, in a process of its own; yields its URL. Raises TargetError."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_serve, args=(theirs,), daemon=True)
    start_uninterrupted(process)
    theirs.close()
    try:
        if not ours.poll(_READY_S):
            raise TargetError("the server for it did not start.")
        try:
            yield ours.recv()
        except EOFError as cause:
            raise TargetError("the server for it did not start.") from cause
    finally:
        ours.close()
        process.join(_READY_S)
        if process.is_alive():
            process.kill()
            process.join()


def _serve(doctor: Connection) -> None:
    """In the server's own process: serve until the doctor's end of the pipe is closed."""

    async def until_closed() -> None:
        async with modelled_server(ServiceModel(speed=1e9)) as url:
            with suppress(OSError):
                # The doctor may be gone by now.
                doctor.send(url)
            await anyio.to_thread.run_sync(partial(doctor.poll, None), abandon_on_cancel=True)

    anyio.run(until_closed, backend_options={"use_uvloop": sys.platform != "win32"})
