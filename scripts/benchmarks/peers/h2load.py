"""h2load: C, one thread, by HTTP/1.1 here; a connection sends when its last answer is in."""

import shutil
from pathlib import Path

from benchmarks.machine import run
from benchmarks.peers.types import Load, Peer
from benchmarks.work import USERS, Work


def load(work: Work, url: str, seconds: float, folder: Path) -> Load:
    command = ["h2load", "--h1", "-t1", f"-c{USERS}", "-m1", f"-D{max(1, round(seconds))}", "--warm-up-time=0"]
    if work.body:
        body = folder / "h2load-body"
        body.write_text(work.body)
        command += ["-d", str(body), "-H", "content-type: application/json"]
    ran = run([*command, url + work.path])
    return Load(
        int(ran.number(r"requests: .* (\d+) succeeded")), ran.number(r"finished in [^,]+, ([\d.]+) req/s"), ran
    )


H2LOAD = Peer("h2load", "apt install nghttp2-client", lambda: shutil.which("h2load") is not None, False, load)
