"""What a conductor and its workers say to one another, and a worker to its engine.

Between machines a message is MessagePack in a frame (lines.py); between a worker and its engine, which are on one
machine, a line of JSON. Instants are ns of the clock of whoever is named.
"""

from typing import Literal

import msgspec

from replay.engine.answers.digests import DigestKey
from replay.engine.arms import Arm
from replay.engine.types import RunOptions
from replay.results.manifest_types import Ended
from replay.results.selector import Selector
from replay.results.summary_types import Snapshot
from replay.target.target import Target


class JobPart(msgspec.Struct, frozen=True):
    """One target of a run, for one worker. out: where its run directory is made. digests: the key for answers."""

    target: Target
    out: str
    arm: Arm
    run_id: str
    digests: DigestKey | None = None


class SentFile(msgspec.Struct, frozen=True):
    """A file that a run takes, which a worker on another machine asks for where it has none like it.

    path: the conductor's. bytes: its size. sha256: of what it holds.
    """

    path: str
    bytes: int
    sha256: str


class Assignment(msgspec.Struct, frozen=True, tag=True):
    """Conductor to worker to engine: what is to be done. core: the one to keep to; None: any.

    files: for a worker on another machine, which keeps its run directories for itself: the trace, and behind it what
    options.data names; None: this is the conductor's machine. followed: the steps to be counted by themselves.
    """

    place: int
    of: int
    trace: str
    options: RunOptions
    jobs: list[JobPart]
    core: int | None = None
    files: list[SentFile] | None = None
    followed: list[Selector] = []


class Ping(msgspec.Struct, frozen=True, tag=True):
    """Conductor to worker: what time is it? asked_ns: on the conductor's clock."""

    asked_ns: int


class Start(msgspec.Struct, frozen=True, tag=True):
    """Conductor to worker to engine: begin then. at_ns: on the clock of whoever is told."""

    at_ns: int


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Conductor to worker to engine: end the run. how: enough was seen; going on would do harm; as by Ctrl-C."""

    how: Literal["enough", "harm", "interrupt"]
    why: str = ""


class Bye(msgspec.Struct, frozen=True, tag=True):
    """Conductor to worker: nothing more will be asked."""


class Hello(msgspec.Struct, frozen=True, tag=True):
    """Worker to conductor, first of all."""

    index: int
    version: str
    host: str
    pid: int


class Pong(msgspec.Struct, frozen=True, tag=True):
    """Worker to conductor: the answer to a Ping. heard_ns, said_ns: on the worker's clock."""

    asked_ns: int
    heard_ns: int
    said_ns: int


class Beat(msgspec.Struct, frozen=True, tag=True):
    """Worker to conductor, once a second: it is there. The engine has no part in it."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """Engine to worker to conductor: the trace is read ahead, and the start may be named.

    sha256: of the trace. sessions, steps: what it is to do, for each target.
    """

    sha256: str
    sessions: list[int]
    steps: list[int]


class Going(msgspec.Struct, frozen=True, tag=True):
    """Engine to worker to conductor, twice a second: how its part of the run goes."""

    snapshot: Snapshot


class Over(msgspec.Struct, frozen=True, tag=True):
    """Engine to worker to conductor: its part of the run has ended, and its directories are whole."""

    ended: Ended | None = None


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Engine to worker to conductor: its part of the run could not be carried out, as it says itself."""

    exit_code: int
    why: str


class Want(msgspec.Struct, frozen=True, tag=True):
    """Worker to conductor: it has no such file. file: its place among them. at: from which byte on it is to be sent."""

    file: int
    at: int


class Chunk(msgspec.Struct, frozen=True, tag=True):
    """Conductor to worker: a part of a file."""

    file: int
    at: int
    data: bytes


class Piece(msgspec.Struct, frozen=True, tag=True):
    """Worker to conductor: what is new in a file of a run directory (mirror.py).

    job: which target's. at: from which byte on; None: it is the whole file. data: packed with Zstandard.
    """

    job: int
    name: str
    at: int | None
    data: bytes


class Lost(msgspec.Struct, frozen=True, tag=True):
    """Worker to conductor: its engine has ended and said nothing."""

    why: str


ToWorker = Assignment | Ping | Start | Stop | Bye | Chunk
ToEngine = Assignment | Start | Stop
FromEngine = Ready | Going | Over | Failed
FromWorker = Hello | Pong | Beat | Ready | Going | Over | Failed | Lost | Want | Piece
