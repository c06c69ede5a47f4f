"""Workers that are kept from one run to the next, such as levels of a search: started once, wherever they are to be.

Between runs somebody goes on talking with them, so that their clocks stay known, and neither side takes the other for
lost, however long a search thinks. A crew that has lost a worker, or in which one failed, is let go; the next run has a
fresh one.
"""

import contextlib
import threading
from collections.abc import Iterator

from replay import __version__
from replay.engine.types import RunOptions
from replay.scale.conductor import Conductor, NotStarted
from replay.scale.launching import Launched, LocalWorker, cores_for
from replay.scale.meeting import Meeting, address_of
from replay.scale.presses import Presses
from replay.scale.secrets import shared_token
from replay.scale.through_dask import DaskCluster

# A cluster may have to fetch an image first.
GATHER_S = 300.0


class Crew:
    """A context manager; nobody is left behind. options: how many workers, and where they are.

    began_ns: when the last run began, on CLOCK_MONOTONIC of this machine.
    """

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._started = contextlib.ExitStack()
        self._conductor: Conductor | None = None
        self._talker: threading.Thread | None = None
        self._hushed = threading.Event()
        self.began_ns = 0

    def __repr__(self) -> str:
        return f"<Crew {self._conductor or 'of nobody yet'}>"

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        self._dismiss()

    @property
    def is_away(self) -> bool:
        """Whether they are on other machines, or may be."""
        return self._options.is_away

    @contextlib.contextmanager
    def at_work(self, presses: Presses) -> Iterator[Conductor]:
        """Inside, who conducts them in one run; they may not have greeted yet. presses: of this run.

        Raises NotStarted, and InputError for what the options name that cannot be used.
        """
        self._hush()
        try:
            if self._conductor is not None and not self._conductor.is_whole:
                self._dismiss()
            if self._conductor is None:
                self._conductor = self._begun(presses)
            self._conductor.presses = presses
            yield self._conductor
        except BaseException:
            self._dismiss()
            raise
        self.began_ns = self._conductor.start_ns
        if self._conductor.is_whole:
            self._talk_on(self._conductor)
        else:
            self._dismiss()

    def _talk_on(self, conductor: Conductor) -> None:
        self._hushed.clear()
        self._talker = threading.Thread(
            target=conductor.talk, args=(self._hushed,), name="replay-crew", daemon=True
        )
        self._talker.start()

    def _hush(self) -> None:
        if self._talker is not None:
            self._hushed.set()
            self._talker.join()
            self._talker = None

    def _begun(self, presses: Presses) -> Conductor:
        options, started = self._options, self._started
        launched: list[Launched]
        if options.listen is not None:
            launched = _gathered(options.listen, options.workers, started)
        elif options.cluster is not None:
            launched = list(started.enter_context(DaskCluster(options.cluster, options.workers)).launched)
        else:
            launched = _started_here(options.workers, started)
        cores = [None] * options.workers if self.is_away else cores_for(options.workers)
        return started.enter_context(Conductor(launched, cores, __version__, presses))

    def _dismiss(self) -> None:
        self._hush()
        self._conductor = None
        self._started.close()


def _started_here(count: int, started: contextlib.ExitStack) -> list[Launched]:
    """Processes of this machine."""
    launched: list[Launched] = []
    for n in range(count):
        worker = LocalWorker(n)
        started.callback(worker.kill)
        launched.append(worker)
    return launched


def _gathered(listen: str, count: int, started: contextlib.ExitStack) -> list[Launched]:
    """Workers of any machine, which come to this port. Raises NotStarted with who did not."""
    with Meeting(address_of(listen), shared_token(), count) as meeting:
        gathered = meeting.gather(GATHER_S, NotStarted)
    for worker in gathered:
        started.callback(worker.kill)
    return list(gathered)
