"""A run dealt by session: its shares together are the run, whatever the trace, the knobs and their number."""

import json
from time import monotonic_ns

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.engine.arms import ALL, Arm
from replay.engine.plan import planned_counts, planned_sessions
from replay.engine.run import Job, replay_together
from replay.engine.shares import Share, part_of
from replay.engine.types import Knobs, Phase, RunOptions
from replay.engine.walker import Pace
from replay.target.target import Target
from replay.trace.file.stream import scan

MODES = st.sampled_from(["all", "paired", "interleaved"])
STARTS = st.lists(st.floats(0, 5_000), min_size=1, max_size=25).map(sorted)
SHARES = st.integers(1, 7)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("traces") / "trace.jsonl"

    def write(starts_ms, path_of_step="/a?n={{copy}}"):
        lines = [{"format": "replay-trace", "version": 1, "name": "t"}]
        for n, start_ms in enumerate(starts_ms):
            step = {"id": "a", "kind": "tool", "name": "x", "request": {"method": "GET", "path": path_of_step}}
            lines.append({"id": f"s-{n}", "start_ms": start_ms, "steps": [step]})
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    return write


def plan(trace, options, arm=ALL, share=Share()):  # noqa: B008 - a NamedTuple, so no call can change it
    found = scan(trace)
    planned = [
        (start_ns, session.id, session.place, session.copy, session.steps)
        for start_ns, session in planned_sessions(trace, found, options, Pace(options.knobs), arm, share)
    ]
    counts = planned_counts(trace, found, options, arm, share)
    assert counts == (len(planned), sum(len(steps) for *_, steps in planned))
    return planned


@given(data=st.data(), starts_ms=STARTS, of=SHARES, mode=MODES)
def test_the_shares_together_are_the_run_of_one_process(written, data, starts_ms, of, mode):
    sessions = data.draw(st.none() | st.integers(1, 30))
    options = RunOptions(
        knobs=Knobs(
            speed=data.draw(st.sampled_from([0.5, 1.0, 3.0])),
            arrivals=data.draw(st.sampled_from([1.0, 1.7])),
            scale=data.draw(st.integers(1, 4)),
            seed=data.draw(st.integers(0, 3)),
        ),
        sessions=sessions,
        duration_s=3.0,
        # Without a limit, a trace that is over in no time is begun without end.
        repeat=sessions is not None and data.draw(st.booleans()),
        phases=data.draw(st.sampled_from([(), (Phase(1.0, 2.0), Phase(1.0, 0.5))])),
    )
    trace = written(starts_ms)
    arms = [ALL] if mode == "all" else [Arm(mode, place, 2) for place in range(2)]

    for arm in arms:
        whole = plan(trace, options, arm)
        shares = [plan(trace, options, arm, Share(place, of)) for place in range(of)]

        assert sorted(each for share in shares for each in share) == sorted(whole)
        assert all(share == sorted(share, key=lambda each: each[0]) for share in shares)


@given(starts_ms=STARTS, of=SHARES)
def test_a_burst_is_spread_evenly(written, starts_ms, of):
    trace = written(starts_ms)

    sizes = [len(plan(trace, RunOptions(), share=Share(place, of))) for place in range(of)]

    assert max(sizes) - min(sizes) <= 1


@given(starts_ms=STARTS, of=SHARES, mode=st.sampled_from(["paired", "interleaved"]), scale=st.integers(1, 3))
def test_what_is_compared_stays_in_one_share(written, starts_ms, of, mode, scale):
    """Of a pair each arm sends the same session; of a block each sends one."""
    trace = written(starts_ms)
    options = RunOptions(knobs=Knobs(scale=scale))
    places = [
        [
            [
                place_in_run
                for _, _, place_in_run, *_ in plan(trace, options, Arm(mode, arm, 2), Share(place, of))
            ]
            for arm in range(2)
        ]
        for place in range(of)
    ]

    for a, b in places:
        if mode == "paired":
            assert sorted(a) == sorted(b)
        else:
            blocks = [n // 2 for n in a]
            # The last block may be half a one.
            assert len(set(blocks) ^ {n // 2 for n in b}) <= 1


@given(amount=st.integers(0, 10_000), of=SHARES)
def test_the_parts_of_a_limit_add_up_to_it(amount, of):
    parts = [part_of(amount, Share(place, of)) for place in range(of)]

    assert sum(parts) == amount
    assert max(parts) - min(parts) <= 1


class AtOnce:
    """A share of a run that begins as soon as it is ready."""

    def __init__(self, share):
        self.share = share

    async def line_up(self, manifests):
        self.sessions = manifests[0].trace.sessions
        return monotonic_ns() + 20_000_000


def test_shares_send_the_bytes_of_one_process(truth, written, tmp_path):
    trace = written([n * 3.0 for n in range(9)], "/a?n={{copy}}&id={{uuid}}&s={{session}}")
    options = RunOptions(knobs=Knobs(scale=2))
    target = Target(url=truth.url, name="truth")

    replay_together(trace, [Job(target, tmp_path / "whole", run_id="0011")], options)
    parts = [AtOnce(Share(place, 2)) for place in range(2)]
    for place, part in enumerate(parts):
        replay_together(trace, [Job(target, tmp_path / f"{place}", run_id="0011")], options, part=part)

    seen = [(each["path"], each.get("headers")) for each in truth.arrivals]
    assert [part.sessions for part in parts] == [9, 9]
    assert len(seen) == 36
    assert sorted(seen[:18], key=str) == sorted(seen[18:], key=str)
