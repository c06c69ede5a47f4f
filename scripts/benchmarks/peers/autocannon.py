"""autocannon: Node.js, one worker."""

import json
import shutil
from pathlib import Path

from benchmarks.machine import run
from benchmarks.peers.types import PEERS_FOLDER, Load, Peer
from benchmarks.work import USERS, Work


def _program() -> str | None:
    ours = PEERS_FOLDER / "node_modules/.bin/autocannon"
    return str(ours) if ours.exists() else shutil.which("autocannon")


def load(work: Work, url: str, seconds: float, folder: Path) -> Load:
    program = _program()
    assert program is not None
    command = [program, "-c", str(USERS), "-d", str(max(1, round(seconds))), "-j", "-n"]
    if work.body:
        body = folder / "autocannon-body"
        body.write_text(work.body)
        command += ["-m", "POST", "-i", str(body), "-H", "content-type: application/json"]
    ran = run([*command, url + work.path])
    told = json.loads(ran.text)
    return Load(told["2xx"], told["2xx"] / told["duration"], ran)


AUTOCANNON = Peer(
    "autocannon", "npm install --prefix .venv-bench autocannon", lambda: _program() is not None, False, load
)
