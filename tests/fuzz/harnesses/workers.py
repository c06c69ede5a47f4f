"""What comes from workers of other machines: messages over their line, and the directories they leave to be merged."""

import shutil
import socket
from functools import partial
from pathlib import Path

from replay.results.merging.layout import worker_directory
from replay.results.merging.merge import merge
from replay.results.rundir import RunDir, RunDirError
from replay.results.summary import rebuild
from replay.results.types import WorkerFacts
from replay.scale.lines import Line, LineError, framed
from replay.scale.messages import Beat, Failed, FromWorker, Hello, Pong
from tests.fuzz import seeds
from tests.fuzz.contract import Harness

_MESSAGES = (Hello(3, "1.0", "a-machine", 77), Beat(), Pong(1, 2, 3), Failed(2, "no such file"))


def _line(data: bytes, folder: Path) -> bool:
    here, there = socket.socketpair()
    with here, there:
        there.setblocking(False)
        there.send(data[: 1 << 16])
        heard: list[FromWorker] = Line(here, FromWorker).received()
    return bool(heard)


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


HARNESSES = (
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
