"""wrk: C, one thread; a connection sends when its last answer is in."""

import json
import shutil
from pathlib import Path

from benchmarks.machine import run
from benchmarks.peers.types import Load, Peer
from benchmarks.work import USERS, Work


def load(work: Work, url: str, seconds: float, folder: Path) -> Load:
    command = ["wrk", "-t1", f"-c{USERS}", f"-d{max(1, round(seconds))}s"]
    if work.body:
        script = folder / "wrk.lua"
        # A JSON string is one of Lua's for these bodies.
        script.write_text(
            f'wrk.method = "POST"\nwrk.body = {json.dumps(work.body)}\n'
            'wrk.headers["content-type"] = "application/json"\n'
        )
        command += ["-s", str(script)]
    ran = run([*command, url + work.path])
    return Load(int(ran.number(r"(\d+) requests in")), ran.number(r"Requests/sec:\s*([\d.]+)"), ran)


WRK = Peer("wrk", "apt install wrk", lambda: shutil.which("wrk") is not None, False, load)
