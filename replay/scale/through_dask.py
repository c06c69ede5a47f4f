"""Workers in a Dask cluster, of which no more is asked than the address of its scheduler.

Dask is made for work that may be done anywhere, and again; a share of a run may not. So each worker is one call, bound
to one Dask worker, without a retry; and it takes a ticket, of which there is one for each, so that a call which Dask
begins anew, since the process that had it died, does nothing. The engine is a child process, as ever, so neither
Dask's event loop nor its interpreter's lock makes a step late.

What conductor and worker say to one another goes through queues on the scheduler, as bytes; here they are joined to
sockets, so that both ends speak as they do anywhere. TLS and authentication are those of Dask's own configuration.
"""

import contextlib
import logging
import secrets
import socket
import threading
from concurrent.futures import CancelledError
from types import TracebackType
from typing import Any

from replay import __version__
from replay.errors import InputError
from replay.scale.conductor import NotStarted
from replay.scale.worker import Worker

_CONNECT_S = 10.0
_TICKET_S = 5.0
_LOOK_S = 0.5
_READ_BYTES = 1 << 20
# What a queue raises once the scheduler, or the client that asked it, has gone.
_GONE = (OSError, RuntimeError, CancelledError)

_log = logging.getLogger("distributed.client")


class DaskWorker:
    """The conductor's end of one."""

    def __init__(self, sock: socket.socket, address: str) -> None:
        self.sock, self._address = sock, address

    def __repr__(self) -> str:
        return f"<DaskWorker {self._address}>"

    def ending(self) -> str | None:
        """Nothing is known of it but what it says."""
        return "its Dask worker ended the call"

    def kill(self) -> None:
        """Without its conductor it ends by itself."""
        with contextlib.suppress(OSError):
            self.sock.close()


class DaskCluster:
    """A context manager: inside, `launched` are the workers. scheduler: its address. count: how many of its workers."""

    def __init__(self, scheduler: str, count: int) -> None:
        distributed = _distributed()
        try:
            self._client: Any = distributed.Client(scheduler, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError, RuntimeError) as cause:
            raise NotStarted(f"{scheduler}: no Dask scheduler answers there ({cause}).") from cause
        # A scheduler that has gone is told of in our words; Dask would have a traceback beside them.
        self._logged_from = _log.level
        _log.setLevel(logging.CRITICAL)
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._relays: list[socket.socket] = []
        self._queues: list[Any] = []
        self._calls: list[Any] = []
        self.launched: list[DaskWorker] = []
        try:
            self._launch(distributed, scheduler, count)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<DaskCluster of {len(self.launched)} workers>"

    def __enter__(self) -> "DaskCluster":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _launch(self, distributed: Any, scheduler: str, count: int) -> None:
        addresses = sorted(self._client.scheduler_info(n_workers=-1)["workers"])
        if len(addresses) < count:
            raise NotStarted(
                f"{scheduler}: has {len(addresses)} Dask workers, and {count} are asked for. Start more, or take fewer "
                "--workers."
            )
        addresses = addresses[:count]
        _check_versions(self._client, addresses)
        run = secrets.token_hex(8)
        up = self._queue(distributed, f"replay-{run}-up")
        for n, address in enumerate(addresses):
            down = self._queue(distributed, f"replay-{run}-down-{n}")
            self._queue(distributed, f"replay-{run}-ticket-{n}").put(n)
            ours, relay = socket.socketpair()
            self._relays.append(relay)
            self.launched.append(DaskWorker(ours, address))
            self._begin(_carry_down, relay, down)
            self._calls.append(
                self._client.submit(
                    work,
                    run,
                    n,
                    key=f"replay-{run}-{n}",
                    workers=[address],
                    allow_other_workers=False,
                    retries=0,
                    pure=False,
                )
            )
        self._begin(self._carry_up, up)

    def _queue(self, distributed: Any, name: str) -> Any:
        queue = distributed.Queue(name, client=self._client)
        self._queues.append(queue)
        return queue

    def _begin(self, task: Any, *args: Any) -> None:
        thread = threading.Thread(target=task, args=args, name="replay-dask", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _carry_up(self, up: Any) -> None:
        """What workers say, to the conductor; nothing any more means that one has gone."""
        try:
            while not self._stopping.is_set():
                try:
                    n, data = up.get(timeout=_LOOK_S)
                except TimeoutError:
                    continue
                except _GONE:
                    break
                with contextlib.suppress(OSError):
                    if data:
                        self._relays[n].sendall(data)
                    else:
                        self._relays[n].shutdown(socket.SHUT_RDWR)
        finally:
            for relay in self._relays:
                with contextlib.suppress(OSError):
                    relay.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the cluster; what is left there hears nothing more, and ends."""
        self._stopping.set()
        for worker in self.launched:
            worker.kill()
        for thread in self._threads:
            thread.join(2 * _LOOK_S)
        with contextlib.suppress(*_GONE):
            self._client.cancel(self._calls, force=True)
            for queue in self._queues:
                queue.close()
        with contextlib.suppress(*_GONE):
            self._client.close(timeout=_LOOK_S)
        _log.setLevel(self._logged_from)
        for relay in self._relays:
            relay.close()


def _carry_down(relay: socket.socket, down: Any) -> None:
    """What the conductor says, to one worker; b"" once it says no more."""
    try:
        while data := relay.recv(_READ_BYTES):
            down.put(data)
        down.put(b"")
    except _GONE:
        pass
    finally:
        # Whatever ended it, the conductor is told that nothing goes there any more.
        with contextlib.suppress(OSError):
            relay.shutdown(socket.SHUT_RDWR)


def work(run: str, index: int, within_s: float = _TICKET_S) -> None:
    """On a Dask worker: be one of the workers of this run, once. within_s: how long a ticket may take to come."""
    distributed = _distributed()
    client = distributed.get_client()
    try:
        distributed.Queue(f"replay-{run}-ticket-{index}", client=client).get(timeout=within_s)
    except TimeoutError:
        return
    up = distributed.Queue(f"replay-{run}-up", client=client)
    down = distributed.Queue(f"replay-{run}-down-{index}", client=client)
    ours, theirs = socket.socketpair()
    is_over = threading.Event()

    def hear() -> None:
        try:
            while not is_over.is_set():
                try:
                    data = down.get(timeout=_LOOK_S)
                except TimeoutError:
                    continue
                except _GONE:
                    return
                if not data:
                    return
                with contextlib.suppress(OSError):
                    ours.sendall(data)
        finally:
            with contextlib.suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)

    def say() -> None:
        with contextlib.suppress(*_GONE):
            while data := ours.recv(_READ_BYTES):
                up.put((index, data))
            up.put((index, b""))

    threads = [threading.Thread(target=each, daemon=True) for each in (hear, say)]
    for thread in threads:
        thread.start()
    try:
        Worker(theirs, index).run()
    finally:
        is_over.set()
        for thread in threads:
            thread.join(2 * _LOOK_S)
        ours.close()


def version_here() -> str:
    """On a Dask worker: which version of this package it has."""
    return __version__


def _check_versions(client: Any, addresses: list[str]) -> None:
    found = client.run(version_here, workers=addresses, on_error="return")
    for address in addresses:
        version = found.get(address)
        if isinstance(version, BaseException) or version is None:
            raise NotStarted(
                f"{address}: agent-replay cannot be used there ({version}). Install it on all Dask workers."
            )
        if version != __version__:
            raise NotStarted(
                f"{address}: has agent-replay {version}, and this is {__version__}. Install the same version on all."
            )


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as cause:
        raise InputError("--cluster needs Dask: pip install 'agent-replay[cluster]'") from cause
    return distributed
