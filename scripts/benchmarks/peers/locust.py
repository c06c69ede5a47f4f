"""Locust: gevent, its fast client, one process."""

import json
from pathlib import Path

from benchmarks.machine import CommandFailed, run
from benchmarks.peers.types import PYTHON, Load, Peer
from benchmarks.work import USERS, Work

SCRIPT = """
import json
from urllib.parse import urlsplit
from gevent.pool import Pool
from locust import FastHttpUser, constant, task
WORK = json.loads({work!r})
PATH = WORK["url"].partition("//")[2].partition("/")[2]
HEADERS = {{"content-type": "application/json"}} if WORK["body"] else {{}}
class Agent(FastHttpUser):
    wait_time = constant(0)
    concurrency = max(WORK["stages"])
    def one(self):
        self.client.request(WORK["method"], "/" + PATH, data=WORK["body"] or None, headers=HEADERS)
    @task
    def session(self):
        for width in WORK["stages"]:
            if width == 1:
                self.one()
            else:
                pool = Pool()
                for _ in range(width):
                    pool.spawn(self.one)
                pool.join()
"""


def load(work: Work, url: str, seconds: float, folder: Path) -> Load:
    script = folder / "locustfile.py"
    script.write_text(SCRIPT.format(work=json.dumps(work.told(url))))
    command = [
        str(PYTHON), "-m", "locust", "-f", str(script), "--headless", "-u", str(USERS), "-r", "1000",
        "-t", f"{max(1, round(seconds))}s", "--host", url, "--json", "--skip-log-setup",
    ]  # fmt: skip
    ran = run(command, is_fine=(0, 1))
    told = json.loads(ran.text)
    requests = sum(entry["num_requests"] - entry["num_failures"] for entry in told)
    if not requests:
        raise CommandFailed("Locust has sent nothing in that time")
    began_s = min(entry["start_time"] for entry in told)
    ended_s = max(entry["last_request_timestamp"] for entry in told)
    return Load(requests, requests / (ended_s - began_s), ran)


def _is_here() -> bool:
    return (PYTHON.parent / "locust").exists()


LOCUST = Peer("Locust FastHttpUser", ".venv-bench/bin/pip install locust", _is_here, True, load)
