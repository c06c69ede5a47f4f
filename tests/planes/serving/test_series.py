"""What a plane says of itself, in a file: a line a second, on a clock that the test moves, and of real processes."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from replay.planes.core.types import PlaneSpec
from replay.planes.modelled.time_types import Constant
from replay.planes.modelled.types import ModelSpec
from replay.planes.serving.series import SeriesError, series_file
from replay.planes.serving.serving import plane_server

pytestmark = pytest.mark.anyio

SECOND_NS = 1_000_000_000


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self, monkeypatch):
        self.now_ns = 5 * SECOND_NS
        self.late_ns = 0
        self._turn = asyncio.sleep
        monkeypatch.setattr("replay.planes.serving.series.asyncio.sleep", self.sleep)
        self._until_ns = self.now_ns

    def now(self):
        return self.now_ns

    async def sleep(self, seconds):
        while self.now_ns + round(seconds * SECOND_NS) > self._until_ns:
            await self._turn(0)
        self.now_ns += round(seconds * SECOND_NS) + self.late_ns

    async def pass_to(self, second):
        self._until_ns = 5 * SECOND_NS + round(second * SECOND_NS)
        for _ in range(1000):
            await self._turn(0)
        self.now_ns = max(self.now_ns, self._until_ns)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_there_is_a_line_each_second_and_one_at_the_end(tmp_path, clock):
    async with series_file(tmp_path / "s", lambda at_ns: {"at_ns": at_ns}, print, clock.now):
        await clock.pass_to(3.4)

    assert [line["at_s"] for line in lines_of(tmp_path / "s")] == [0.0, 1.0, 2.0, 3.0, 3.4]
    assert lines_of(tmp_path / "s")[1]["at_ns"] == 6 * SECOND_NS


async def test_a_late_line_says_so_and_delays_no_other(tmp_path, clock):
    clock.late_ns = 300_000_000
    async with series_file(tmp_path / "s", lambda at_ns: {}, print, clock.now):
        await clock.pass_to(3.4)

    assert [line["at_s"] for line in lines_of(tmp_path / "s")] == [0.0, 1.3, 2.3, 3.3, 3.4]


async def test_lines_are_added_to_those_that_are_there(tmp_path, clock):
    (tmp_path / "s").write_text('{"at_s":0}\n')
    async with series_file(tmp_path / "s", lambda at_ns: {}, print, clock.now):
        await clock.pass_to(0.5)

    assert len(lines_of(tmp_path / "s")) == 3


async def test_a_file_that_cannot_be_opened_is_told_before_anything_is_served(tmp_path):
    with pytest.raises(SeriesError, match=r"cannot write the series to .*/s: No such file or directory\."):
        async with series_file(tmp_path / "nowhere" / "s", lambda at_ns: {}, print):
            raise AssertionError("served")


@pytest.mark.skipif(sys.platform != "linux", reason="needs a device that is always full")
async def test_a_disk_that_is_full_ends_the_series_and_not_the_plane(tmp_path, clock):
    told = []
    async with series_file(Path("/dev/full"), lambda at_ns: {}, told.append, clock.now):
        await clock.pass_to(5.0)

    assert told == ["[plane] the series in /dev/full ends here: No space left on device"]


@pytest.fixture
def pipe(tmp_path):
    """A named pipe, and the end of it to read, which never waits."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")
    os.mkfifo(tmp_path / "pipe")
    descriptor = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb", buffering=0) as reading:
        yield tmp_path / "pipe", reading


async def test_a_pipe_has_the_lines_that_a_file_would_have(pipe, clock):
    path, reading = pipe
    async with series_file(path, lambda at_ns: {}, pytest.fail, clock.now):
        await clock.pass_to(2.5)

    assert [json.loads(line)["at_s"] for line in reading.read().splitlines()] == [0.0, 1.0, 2.0, 2.5]


async def test_a_pipe_that_nobody_reads_ends_the_series_and_does_not_hold_the_plane_up(pipe, clock):
    told = []
    async with series_file(pipe[0], lambda at_ns: {"x": "x" * 30_000}, told.append, clock.now):
        await clock.pass_to(9.0)

    assert told == [f"[plane] the series in {pipe[0]} ends here: nobody reads it"]


async def test_a_pipe_whose_reader_has_left_ends_the_series(pipe, clock):
    path, reading = pipe
    told = []
    async with series_file(path, lambda at_ns: {}, told.append, clock.now):
        await clock.pass_to(1.5)
        reading.close()
        await clock.pass_to(5.0)

    assert told == [f"[plane] the series in {path} ends here: Broken pipe"]


async def test_a_fault_of_the_state_is_not_swallowed(tmp_path, clock):
    with pytest.raises(ZeroDivisionError):
        async with series_file(tmp_path / "s", lambda at_ns: {"at": 1 // 0}, print, clock.now):
            await clock.pass_to(1.5)


async def test_without_a_file_nothing_is_asked_and_nothing_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked, told = [], []
    async with series_file(None, asked.append, told.append):
        await asyncio.sleep(0)

    assert asked == told == list(tmp_path.iterdir()) == []


async def test_a_plane_writes_what_its_control_address_says(tmp_path):
    model = ModelSpec(boot=Constant(0.0), service=Constant(0.0))
    async with plane_server(PlaneSpec(max_instances=2), model, series=tmp_path / "s") as where:
        host, port = where.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()

    last = lines_of(tmp_path / "s")[-1]
    assert last["instances"] == {"booting": 0, "idle": 1, "busy": 0, "draining": 0}
    assert (last["requests"]["requests"], last["requests"]["waiting"], last["requests"]["running"]) == (1, 0, 0)
    assert last["seconds"].keys() == {"booting", "busy", "idle"}
    assert [one["instance"] for one in last["alive"]] == ["i-1"]


def test_what_instances_spent_is_what_their_lives_add_up_to(simulation):
    spec = PlaneSpec(concurrency=2, max_instances=5, idle_lifetime_s=3.0)
    run = simulation(
        spec, arrivals_s=[n * 0.7 for n in range(60)], service_s=lambda start: 2.3, boot_s=lambda: 1.1
    ).run(40.0)
    lives, spent = run.plane.ledger(run.now_ns), run.plane.spent(run.now_ns)

    assert len([life for life in lives if life.gone_ns is None]) == len(run.plane.alive(run.now_ns))
    assert sum(spent) == sum((life.gone_ns or run.now_ns) - life.requested_ns for life in lives)
    assert spent.busy == sum(life.busy_ns for life in lives)
