"""What a bill takes connections for that sessions hold: time of their instances."""

import pytest

from replay.money.holding import on_open_sockets, until_let_go
from replay.money.usage import Plane, usage_by_window
from replay.results.columns import columns_of
from replay.results.evidence import Evidence
from tests.support.runs import step, summary


def on_socket(session, at_ms, took_ms, n, instance="i-1"):
    return step(session, took_ms, n, kind="ws", name="say", at_ms=at_ms, instance=instance)


def test_a_connection_is_held_from_message_to_message_and_to_the_end_of_its_session():
    records = [
        on_socket("s-0", 0, 10, 0),
        on_socket("s-0", 1_000, 10, 1),
        step("s-0", 50, 2, at_ms=1_500, instance="i-1"),
        on_socket("s-1", 200, 5, 0),
        step("s-2", 5, 0, at_ms=300, instance="i-1"),
    ]
    held = until_let_go(columns_of([records]))

    assert (held.end_ns / 1e6).tolist() == [1_000, 1_550, 1_550, 205, 305]


def test_a_run_without_sockets_is_left_as_it_is():
    columns = columns_of([[step("s-0", 5, n) for n in range(3)]])

    assert until_let_go(columns) is columns


def test_a_connection_is_billed_as_long_as_it_lasts():
    records = [on_socket("s-0", n * 10_000, 20, n) for n in range(6)]
    run = Evidence(summary(elapsed_s=60.0), columns_of([records]), "run")

    usage = usage_by_window(run, 60.0, 1, Plane()).whole()

    assert usage.active_s == pytest.approx(50.02)
    assert usage.billed_s == pytest.approx(50.1)
    assert usage.request_s == pytest.approx(50.02)


def test_a_connection_is_one_request_and_messages_on_it_are_none():
    records = [
        step("s-0", 20, 0, kind="ws", status=101, at_ms=0, instance="i-1", connection="new"),
        *(
            step("s-0", 20, n, kind="ws", status=101, at_ms=n * 1_000, instance="i-1", connection="reused")
            for n in (1, 2)
        ),
        # Another connection, after the first was lost; a model call on one; a request.
        step("s-0", 20, 3, kind="ws", status=101, at_ms=3_000, instance="i-1", connection="new"),
        step("s-0", 20, 4, kind="llm", status=101, at_ms=4_000, instance="i-1", connection="reused"),
        step("s-0", 20, 5, at_ms=5_000, instance="i-1", connection="reused"),
    ]
    columns = columns_of([records])
    usage = usage_by_window(Evidence(summary(elapsed_s=60.0), columns, "run"), 60.0, 1, Plane()).whole()

    assert on_open_sockets(columns).tolist() == [False, True, True, False, True, False]
    assert (usage.requests, usage.on_sockets) == (6, 3)
    assert (usage.times(10).on_sockets, usage.plus(usage).on_sockets) == (30, 6)
