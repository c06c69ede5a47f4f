"""What every parser owes to bytes that nobody vouches for, and whether it kept to it for one input.

It takes them, or refuses them with the error that its docstring names; it computes for less than a second and takes
less than 500 MB. Anything else is a finding, named by where it came up, so that a thousand inputs that break the same
line are one finding.
"""

import resource
import signal
import traceback
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import process_time
from typing import NamedTuple

MOST_CPU_S = 1.0
MOST_MEMORY_MB = 500.0
# Past this much CPU an input is given up; slow inputs shorter than this get their true time.
_GIVEN_UP_CPU_S = 5.0
_REPLAY = f"{Path(__file__).parent.parent.parent / 'replay'}/"


class Harness(NamedTuple):
    """How one parser is fed. name: on the command line. feed: takes the bytes, and a folder of its own for files;
    returns whether they were accepted, and asserts what must hold of them. documented: what it may raise. seeds: inputs
    to begin from. covers: the modules of replay that read what these bytes hold. words: pieces worth putting in.
    short_run: as many inputs as the tests try.
    """

    name: str
    feed: Callable[[bytes, Path], bool]
    documented: tuple[type[Exception], ...]
    seeds: Callable[[], Sequence[bytes]]
    covers: tuple[str, ...]
    words: tuple[bytes, ...] = ()
    short_run: int = 250


class Tried(NamedTuple):
    """What one input did. finding: where it broke the contract, None where it did not. why: for people."""

    is_accepted: bool
    cpu_s: float
    finding: str | None = None
    why: str = ""


class _GivenUp(BaseException):
    """The input computed for too long; no `except Exception` on its way holds it up."""


def tried(harness: Harness, data: bytes, folder: Path) -> Tried:
    """Feed these bytes once, and once more if they took too long: another process may have had the machine's caches."""
    found = _tried(harness, data, folder)
    if found.finding is not None and found.finding.startswith("slow"):
        return _tried(harness, data, folder)
    return found


def _tried(harness: Harness, data: bytes, folder: Path) -> Tried:
    before_mb, begin_s = peak_mb(), process_time()
    is_accepted = False
    try:
        with _cpu_limit():
            is_accepted = harness.feed(data, folder)
    except harness.documented as error:
        if not str(error).strip():
            return Tried(False, process_time() - begin_s, _place(error), "an error without a word")
    except _GivenUp as given_up:
        return Tried(False, process_time() - begin_s, f"slow at {_place(given_up)}", "given up")
    except MemoryError as error:
        return Tried(False, process_time() - begin_s, f"memory at {_place(error)}", "out of memory")
    except Exception as error:
        why = f"{type(error).__name__}: {error}"[:200]
        return Tried(False, process_time() - begin_s, _place(error), why)
    cpu_s = process_time() - begin_s
    if cpu_s > MOST_CPU_S:
        return Tried(is_accepted, cpu_s, "slow as a whole", f"{cpu_s:.1f} s of CPU")
    if peak_mb() - before_mb > MOST_MEMORY_MB:
        return Tried(is_accepted, cpu_s, "memory as a whole", f"{peak_mb() - before_mb:.0f} MB more")
    return Tried(is_accepted, cpu_s)


def peak_mb() -> float:
    """The most memory that this process ever had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def _cpu_limit():
    def give_up(*_: object) -> None:
        raise _GivenUp

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, _GIVEN_UP_CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _place(error: BaseException) -> str:
    """The exception and the innermost line of replay that it passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(_REPLAY)]
    if not ours:
        return f"{type(error).__name__} in the harness"
    last = ours[-1]
    return f"{type(error).__name__} at replay/{last.filename.removeprefix(_REPLAY)}:{last.name}"
