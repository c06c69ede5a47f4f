"""What this machine runs out of when connections are opened: descriptors, local ports, memory; and how to say so.

Such a failure is never the target's. A step that meets one waits for a connection of ours to come free, as at
connections.max, for as long as a connection may take to open; then it ends in the class `local`.
"""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from replay.system.shared import Shared

try:
    import resource
except ImportError:  # Windows has no such limit.
    resource = None  # type: ignore[assignment]

LOCAL = "local"
# The highest descriptors are left for files, name look-ups and commands that a run needs while it goes on.
RESERVED_DESCRIPTORS = 32
# What uvloop 0.22 was seen to open before it turns for the first time, ten, and some for what is opened next.
_LOOP_DESCRIPTORS = 16
# More than one address has ports for; some children walk through all that they may open when they start.
_MOST_DESCRIPTORS = 1 << 18
_PORT_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"


def descriptor_limit() -> int | None:
    """How many descriptors this process may have open; None where there is no such limit."""
    if resource is None:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def most_descriptors_possible() -> int | None:
    """How many descriptors a process may open once it has asked for the most; None where there is no such limit."""
    if resource is None:
        return None
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)


def local_ports() -> int | None:
    """How many local ports there are for connections to one address; None where the system does not say."""
    try:
        low, high = map(int, Path(_PORT_RANGE).read_text().split())
    except (OSError, ValueError):
        return None
    return high - low + 1


@contextlib.contextmanager
def _raised_limit() -> Iterator[None]:
    if resource is None:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, hard = before
    most = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    is_raised = soft != resource.RLIM_INFINITY and soft < most
    if is_raised:
        # macOS refuses more than kern.maxfilesperproc, whatever the hard limit says.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        if is_raised:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, before)


most_descriptors = Shared(_raised_limit)
"""Inside, this process may open as many descriptors as the system lets it ask for."""


def check_room_for_loop() -> None:
    """Raises OSError (EMFILE) where too few descriptors are left for an event loop.

    To be asked before one is made: where a loop gets some of what it needs, uvloop ends the process, or the loop can
    neither turn nor be closed.
    """
    taken: list[int] = []
    try:
        taken.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(_LOOP_DESCRIPTORS))
    finally:
        for descriptor in taken:
            os.close(descriptor)


class ShortageError(OSError):
    """This machine has run out of something; str() says of what, and what to raise."""


def open_socket(family: int) -> socket.socket:
    """A stream socket; raises OSError (EMFILE) also where only what is kept in reserve is left."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    limit = descriptor_limit()
    # The system gives the lowest number that is free, so a high one says that nearly all are in use.
    if limit is not None and sock.fileno() >= limit - min(RESERVED_DESCRIPTORS, limit // 4):
        sock.close()
        raise OSError(errno.EMFILE, "too many open files")
    return sock


def starved_of(error: BaseException) -> str | None:
    """What this machine has run out of where Python itself could go on no longer, and what to do; None if nothing."""
    # A library in C that is loaded late, for which there was no room.
    is_unmapped = isinstance(error, ImportError) and "failed to map segment" in str(error)
    if isinstance(error, MemoryError) or is_unmapped:
        return "out of memory: raise the memory limit of this process (ulimit -v), or replay less at once (--sessions)"
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return "this machine starts no further thread: raise ulimit -u, or the memory limit of this process (ulimit -v)"
    return None


def shortage_of(cause: OSError, *, was_reached: bool = True) -> str | None:
    """What this machine has run out of, and what to raise; None if the failure is not of that kind.

    was_reached: whether a connection to the same address has been opened before. Without that, an address that
    cannot be assigned only says that there is no way to it from here, as to IPv6 on a machine that has none.
    """
    code = cause.errno
    if code == errno.EMFILE:
        return f"out of file descriptors (limit {descriptor_limit()}): raise it with ulimit -n"
    if code == errno.ENFILE:
        return "this machine is out of file descriptors: raise fs.file-max"
    if code == errno.EADDRNOTAVAIL and was_reached:
        return (
            "out of local ports to the target: widen net.ipv4.ip_local_port_range, or let connections be reused"
        )
    if code in (errno.ENOBUFS, errno.ENOMEM):
        return "out of memory for sockets: raise net.ipv4.tcp_mem, or the memory limit of this process"
    return None
