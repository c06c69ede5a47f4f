"""What comes from workers of other machines: messages over their line, and the directories they leave to be merged."""

import shutil
import socket
import struct
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from replay.results.manifest_types import WorkerFacts
from replay.results.merging.layout import worker_directory
from replay.results.merging.merge import merge
from replay.results.rundir import RunDir, RunDirError
from replay.results.summary import rebuild
from replay.scale.lines import Line, LineError, framed
from replay.scale.messages import Beat, Failed, FromWorker, Hello, Pong
from replay.scale.secrets import NotTrusted, introduce, welcome
from tests.fuzz import seeds
from tests.fuzz.contract import Harness

_TOKEN = b"a secret that all of them share"
_MESSAGES = (Hello(3, "1.0", "a-machine", 77), Beat(), Pong(1, 2, 3), Failed(2, "no such file"))


def _line(data: bytes, folder: Path) -> bool:
    here, there = socket.socketpair()
    with here, there:
        there.setblocking(False)
        there.send(data[: 1 << 16])
        heard: list[FromWorker] = Line(here, FromWorker).received()
    return bool(heard)


def _shaking_hands(greets: Callable[[socket.socket], None], data: bytes) -> bool:
    """What one end does with what a stranger says, who then hangs up; nonces are zeros, so that seeds may be right."""
    ours, theirs = socket.socketpair()
    with ours, theirs, mock.patch("replay.scale.secrets.secrets.token_bytes", bytes):
        theirs.sendall(data[: 1 << 16])
        theirs.shutdown(socket.SHUT_WR)
        greets(ours)
    return True


def _welcome(data: bytes, folder: Path) -> bool:
    return _shaking_hands(lambda sock: welcome(sock, _TOKEN, lambda index: 0 <= index < 8), data)


def _introduce(data: bytes, folder: Path) -> bool:
    return _shaking_hands(lambda sock: introduce(sock, _TOKEN, 3), data)


class _Noted:
    """A socket of which is kept what was sent through it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self.sent = sock, bytearray()

    def sendall(self, data: bytes) -> None:
        self.sent += data
        self._sock.sendall(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def _said(speaks: Callable[[Any], None], hears: Callable[[Any], None]) -> bytes:
    """All that the first says to the second in a handshake that goes well."""
    here, there = socket.socketpair()
    with here, there, mock.patch("replay.scale.secrets.secrets.token_bytes", bytes):
        other = threading.Thread(target=hears, args=(there,), daemon=True)
        other.start()
        noted = _Noted(here)
        speaks(noted)
        other.join()
    return bytes(noted.sent)


def _merging(file: str, data: bytes, folder: Path) -> bool:
    run = folder / "run"
    if not run.exists():
        shutil.copytree(seeds.run_directory(), run)
        for n in range(2):
            shutil.copytree(seeds.run_directory(), worker_directory(run, n))
    directory = RunDir(run)
    manifest = directory.read_manifest()
    manifest.workers = [WorkerFacts(index=n) for n in range(2)]
    (worker_directory(run, 0) / file).write_bytes(data)
    whole = merge(run, manifest)
    rebuild(run, whole)
    return True


def _conductor(sock: socket.socket) -> None:
    welcome(sock, _TOKEN, lambda index: True)


def _worker(sock: socket.socket) -> None:
    introduce(sock, _TOKEN, 3)


# Deeper than a decoder goes, where it passes over what it does not know.
_DEEP = struct.pack(">I", 4003) + b"\x81\xa1x" + b"\x91" * 4000

HARNESSES = (
    Harness(
        "handshake-of-workers",
        _welcome,
        (NotTrusted,),
        lambda: [_said(_worker, _conductor), _DEEP],
        ("replay.scale.secrets", "replay.scale.lines"),
    ),
    Harness(
        "handshake-of-conductors",
        _introduce,
        (NotTrusted,),
        lambda: [_said(_conductor, _worker), _DEEP],
        ("replay.scale.secrets", "replay.scale.lines"),
    ),
    Harness(
        "worker-line",
        _line,
        (LineError,),
        lambda: [b"".join(map(framed, _MESSAGES)), *map(framed, _MESSAGES)],
        ("replay.scale.lines", "replay.scale.messages"),
    ),
    *(
        Harness(
            f"merge:{file}",
            partial(_merging, file),
            (RunDirError,),
            partial(seeds.files_of_runs, file),
            covers,
            short_run=40,
        )
        for file, covers in (
            ("steps.jsonl", ("replay.results.merging.steps",)),
            ("answers.jsonl", ("replay.results.merging.answers",)),
            ("latency.hlog", ("replay.results.merging.histograms",)),
            ("run.json", ("replay.results.merging.manifests",)),
        )
    ),
)
