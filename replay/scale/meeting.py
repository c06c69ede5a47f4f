"""Where workers on other machines come to: a port, at which each says its number and shows that it knows the secret."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable

from replay.errors import InputError, ReplayError
from replay.scale.secrets import MOST_WAIT_S, NotTrusted, introduce, welcome
from replay.system.listening import listening_on
from replay.words.numbers import seconds

_LOOPBACK = "127.0.0.1"
_MOST_AT_ONCE = 64
_RETRY_S = 0.5


def address_of(text: str) -> tuple[str, int]:
    """HOST:PORT, or PORT alone, which is one of this machine only. Raises InputError."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal() and int(port) <= 65_535):
        raise InputError(
            f"{text!r} is not an address. Write HOST:PORT, for example 0.0.0.0:7077, or a port alone."
        )
    return host.strip("[]") or _LOOPBACK, int(port)


class RemoteWorker:
    """A worker that has come."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def __repr__(self) -> str:
        return f"<RemoteWorker {self.sock}>"

    def ending(self) -> str | None:
        """Nothing is known of it but what it says."""
        return "the connection to it was lost"

    def kill(self) -> None:
        """Without its conductor it ends by itself."""
        with contextlib.suppress(OSError):
            self.sock.close()


class Meeting:
    """A context manager: the port is open inside. address: host and port."""

    def __init__(self, address: tuple[str, int], token: bytes, workers: int) -> None:
        self._token, self._workers = token, workers
        with listening_on("--listen", *address):
            self._sock = socket.create_server(address)
        self.address: tuple[str, int] = self._sock.getsockname()[:2]
        self._came: dict[int, socket.socket] = {}
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(_MOST_AT_ONCE)
        self._is_over = False

    def __repr__(self) -> str:
        return f"<Meeting at {self.address}, {len(self._came)} of {self._workers}>"

    def __enter__(self) -> "Meeting":
        threading.Thread(target=self._accept, name="replay-meeting", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_over = True
            left, self._came = list(self._came.values()), {}
        with contextlib.suppress(OSError):
            # Closing alone does not wake the thread that accepts.
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        for sock in left:
            sock.close()

    def gather(self, within_s: float, refused: Callable[[str], ReplayError]) -> list[RemoteWorker]:
        """Wait until all have come. refused: what to raise, with who is missing, where they have not in time."""
        ends_s = time.monotonic() + within_s
        while True:
            with self._lock:
                missing = [n for n in range(self._workers) if n not in self._came]
                if not missing:
                    came, self._came = self._came, {}
                    self._is_over = True
                    return [RemoteWorker(came[n]) for n in range(self._workers)]
            if time.monotonic() > ends_s:
                names = ", ".join(f"worker {n}" for n in missing)
                raise refused(
                    f"{names} of {self._workers} did not come to {self.address[0]}:{self.address[1]} within "
                    f"{seconds(within_s)}, so the run was not started."
                )
            time.sleep(0.02)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._sock.accept()
            except OSError:
                return
            if not self._room.acquire(blocking=False):
                sock.close()
                continue
            threading.Thread(target=self._greet, args=(sock,), daemon=True).start()

    def _takes(self, index: int, sock: socket.socket) -> bool:
        with self._lock:
            if self._is_over or not 0 <= index < self._workers or index in self._came:
                return False
            self._came[index] = sock
            return True

    def _greet(self, sock: socket.socket) -> None:
        """One that came; whoever does not show in time that it knows the secret is sent away."""
        try:
            sock.settimeout(MOST_WAIT_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            welcome(sock, self._token, lambda index: self._takes(index, sock))
        except (NotTrusted, OSError):
            sock.close()
        finally:
            self._room.release()


def join(address: tuple[str, int], token: bytes, index: int, within_s: float) -> socket.socket | None:
    """Come to a conductor; None where none was there in time. Raises NotTrusted for one that is another's."""
    ends_s = time.monotonic() + within_s
    while True:
        try:
            sock = socket.create_connection(address, timeout=MOST_WAIT_S)
        except OSError:
            if time.monotonic() > ends_s:
                return None
            time.sleep(_RETRY_S)
            continue
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            introduce(sock, token, index)
        except NotTrusted:
            sock.close()
            if time.monotonic() > ends_s:
                raise
            time.sleep(_RETRY_S)
            continue
        return sock
