"""The script that sets a run on WebSockets beside the server's own stamps: what it subtracts from what."""

import importlib.util
import random
from itertools import pairwise
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def script():
    path = Path(__file__).parent.parent / "scripts" / "socket_truth.py"
    spec = importlib.util.spec_from_file_location("socket_truth", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_figure_of_a_run_is_set_beside_that_of_the_server(script):
    seen = {"s-0 m-0": [5_000_000, 8_000_000, 10_000_000]}
    record = {
        "session": "s-0",
        "step": "m-0",
        "sent_ns": 0,
        "first_byte_ns": 3_500_000,
        "first_token_ns": 3_500_000,
    }
    record |= {"last_token_ns": 5_750_000, "end_ns": 5_750_000}

    found = {what: values.tolist() for what, values in script.compared(seen, [record]).items()}

    assert found == {"first message": [0.5], "gap": [0.25], "whole answer": [0.75]}


def test_no_two_of_its_messages_are_under_way_at_once(script):
    _, *sessions = script.trace_of(3, 4, 30.0, random.Random(1))

    lasts = [
        (one["start_ms"], one["start_ms"] + sum(step["took_ms"] + 5.0 for step in one["steps"]))
        for one in sessions
    ]
    assert all(end < start for (_, end), (start, _) in pairwise(lasts))
