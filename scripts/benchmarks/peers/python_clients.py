"""aiohttp and httpx, each as its users would write it: a task for each virtual user, on uvloop."""

import json
from collections.abc import Callable
from pathlib import Path

from benchmarks.machine import run
from benchmarks.peers.types import PYTHON, Load, Peer
from benchmarks.work import Work

USERS_LOOP = """
async def users(one, work, seconds):
    done = 0
    end = time.perf_counter() + seconds
    async def user():
        nonlocal done
        while time.perf_counter() < end:
            for width in work["stages"]:
                if width == 1:
                    await one()
                else:
                    await asyncio.gather(*(one() for _ in range(width)))
                done += width
    began = time.perf_counter()
    await asyncio.gather(*(user() for _ in range(work["users"])))
    print(done, done / (time.perf_counter() - began))
"""
AIOHTTP = """
import asyncio, json, sys, time, aiohttp, uvloop
async def main(work, seconds):
    url, method, body = work["url"], work["method"], work["body"].encode() or None
    headers = {"content-type": "application/json"} if body else {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        async def one():
            async with session.request(method, url, data=body, headers=headers) as response:
                await response.read()
        await users(one, work, seconds)
"""
HTTPX = """
import asyncio, json, sys, time, httpx, uvloop
async def main(work, seconds):
    url, method, body = work["url"], work["method"], work["body"].encode() or None
    headers = {"content-type": "application/json"} if body else {}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=30, trust_env=False) as client:
        async def one():
            await client.request(method, url, content=body, headers=headers)
        await users(one, work, seconds)
"""
MAIN = "\nuvloop.run(main(json.loads(sys.argv[1]), float(sys.argv[2])))\n"


def _loads(source: str) -> Callable[[Work, str, float, Path], Load]:
    def load(work: Work, url: str, seconds: float, folder: Path) -> Load:
        script = source + USERS_LOOP + MAIN
        ran = run([str(PYTHON), "-c", script, json.dumps(work.told(url)), str(seconds)])
        requests, rps = ran.text.split()
        return Load(int(requests), float(rps), ran)

    return load


def _peer(name: str, package: str, source: str) -> Peer:
    def is_here() -> bool:
        return any((PYTHON.parents[1] / "lib").glob(f"python*/site-packages/{package}"))

    return Peer(name, f".venv-bench/bin/pip install {package} uvloop", is_here, True, _loads(source))


AIOHTTP_CLIENT = _peer("aiohttp", "aiohttp", AIOHTTP)
HTTPX_CLIENT = _peer("httpx.AsyncClient", "httpx", HTTPX)
