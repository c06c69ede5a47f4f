"""hey: Go, on one core."""

import shutil
from pathlib import Path

from benchmarks.machine import run
from benchmarks.peers.types import Load, Peer
from benchmarks.work import USERS, Work


def load(work: Work, url: str, seconds: float, folder: Path) -> Load:
    command = ["hey", "-z", f"{round(seconds * 1000)}ms", "-c", str(USERS), "-cpus", "1"]
    if work.body:
        body = folder / "hey-body"
        body.write_text(work.body)
        command += ["-m", "POST", "-D", str(body), "-T", "application/json"]
    ran = run([*command, url + work.path])
    return Load(int(ran.number(r"\[200\]\s+(\d+) responses")), ran.number(r"Requests/sec:\s*([\d.]+)"), ran)


HEY = Peer("hey", "apt install hey", lambda: shutil.which("hey") is not None, False, load)
