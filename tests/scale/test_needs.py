"""What workers of one machine need of it, known before they start."""

import pytest

from replay.engine.run import Job
from replay.engine.types import Knobs, RunOptions
from replay.scale import replaying
from replay.scale.needs import Room, TooLittleRoom, check_room
from replay.scale.replaying import replay_dealt
from replay.target.sending import Connections
from replay.target.target import Target


def test_what_finds_room_is_let_through():
    check_room(3_800, 4, Room(1_024, 28_232))
    check_room(1e6, 1, Room(None, None))


def test_too_few_descriptors_are_told_with_what_to_raise():
    with pytest.raises(TooLittleRoom) as told:
        check_room(4_000.5, 4, Room(1_024, 28_232))

    assert str(told.value) == (
        "The run has some 4,001 connections open at once, 1,065 descriptors for each of 4 workers, and a process of "
        "this machine may have 1,024. Raise it with ulimit -Hn, or take more --workers."
    )


def test_too_few_ports_are_told_with_what_to_widen():
    with pytest.raises(TooLittleRoom) as told:
        check_room(30_000, 4, Room(262_144, 28_232))

    assert str(told.value) == (
        "The run has some 30,000 connections open at once to one target, and this machine has 28,232 local ports for "
        "them. Widen net.ipv4.ip_local_port_range, or take workers on further machines (--listen, --cluster)."
    )


@pytest.mark.parametrize(("most", "limit"), [(100_000, None), (4_096, 100_000)])
def test_a_run_that_needs_more_than_there_is_does_not_begin(write_trace, tmp_path, monkeypatch, most, limit):
    """By the recording it has 10,000 requests under way; at most as many as its limits allow for."""
    monkeypatch.setattr(replaying, "local_ports", lambda: 4_000)
    get = write_trace.get
    trace = write_trace(*[(float(n), [{**get("a", "/a"), "took_ms": 1000.0}]) for n in range(1000)])
    target = Target(url="http://127.0.0.1:9", connections=Connections(max=most))
    options = RunOptions(knobs=Knobs(scale=20), workers=2, max_in_flight=limit)

    with pytest.raises(TooLittleRoom, match=r"and this machine has 4,000 local ports for them"):
        replay_dealt(trace, [Job(target, tmp_path / "run")], options)

    assert not (tmp_path / "run").exists()
