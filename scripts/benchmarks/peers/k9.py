"""k9-load: a Rust engine with a Python API, by a plan that no Python runs for, and by a script of Python."""

import json
from pathlib import Path
from typing import Any

from benchmarks.machine import Ran, run
from benchmarks.peers.types import PEERS_FOLDER, Load, Peer
from benchmarks.work import USERS, Work

PROGRAM = PEERS_FOLDER / "bin/k9"

SCRIPT = """
import asyncio, k9
WORK = {work!r}
options = {options!r}
async def one():
    if WORK["body"]:
        headers = {{"content-type": "application/json"}}
        await k9.http.post(WORK["url"], data=WORK["body"], headers=headers)
    else:
        await k9.http.get(WORK["url"])
async def default():
    for width in WORK["stages"]:
        if width == 1:
            await one()
        else:
            await asyncio.gather(*(one() for _ in range(width)))
"""


def _options(work: Work, seconds: float) -> dict[str, Any]:
    return {
        "vus": USERS,
        "duration": f"{round(seconds * 1000)}ms",
        "batchPerHost": max(work.stages),
        "discardResponseBodies": True,
    }


def _request(work: Work, url: str) -> dict[str, Any]:
    request: dict[str, Any] = {"method": work.method, "url": url + work.path}
    if work.body:
        request |= {"headers": {"content-type": "application/json"}, "body": work.body}
    return request


def flow(work: Work, url: str) -> list[dict[str, Any]]:
    """A session, as steps of a plan."""
    request = _request(work, url)
    return [{"request": request} if width == 1 else {"batch": [request] * width} for width in work.stages]


def run_plan(options: dict[str, Any], steps: list[dict[str, Any]], folder: Path, *more: str) -> Ran:
    plan = folder / "k9-plan.json"
    plan.write_text(json.dumps({"options": options, "flows": {"default": steps}}))
    return run([str(PROGRAM), "run", "--quiet", *more, str(plan)])


def _load(ran: Ran, summary: Path) -> Load:
    requests = json.loads(summary.read_text())["metrics"]["http_reqs"]
    return Load(requests["count"], requests["rate"], ran)


def load_plan(work: Work, url: str, seconds: float, folder: Path) -> Load:
    summary = folder / "k9-plan-summary.json"
    more = "--summary-export", str(summary)
    return _load(run_plan(_options(work, seconds), flow(work, url), folder, *more), summary)


def load_script(work: Work, url: str, seconds: float, folder: Path) -> Load:
    script, summary = folder / "k9_script.py", folder / "k9-script-summary.json"
    script.write_text(SCRIPT.format(work=work.told(url), options=_options(work, seconds)))
    return _load(run([str(PROGRAM), "run", "--quiet", "--summary-export", str(summary), str(script)]), summary)


INSTALL = ".venv-bench/bin/pip install k9-load"
K9_PLAN = Peer("k9, a plan", INSTALL, PROGRAM.exists, True, load_plan)
K9_SCRIPT = Peer("k9, a Python script", INSTALL, PROGRAM.exists, True, load_script)
