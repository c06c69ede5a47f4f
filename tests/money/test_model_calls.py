"""What is paid for model calls and their tokens beside a bill, and what a run did not do that a month would have."""

import datetime

import msgspec
import pytest

from replay.money.month import Beside, OnMachines, cost_of_run
from replay.results.columns import columns_of
from replay.results.summary_types import Fidelity
from replay.trials.prices import price_table
from tests.support.runs import Evidence, step, summary

TODAY = datetime.date(2026, 11, 1)
E2 = OnMachines("vm", price_table("gce-e2-us-central1"), "e2-medium", rps=20.0)
BESIDE = Beside(call_price=0.01, token_price=3.0)
RUN_S = 100.0
RUNS = 730 * 3600 / RUN_S
LLM = {"kind": "llm", "name": "answer"}
FAILED = {"outcome": "failed", "status": 503, "error": "status_5xx"}


def cost_of(steps, **facts):
    return cost_of_run(
        Evidence(summary(elapsed_s=RUN_S, **facts), columns_of([steps]), "run"), [], [E2], TODAY, beside=BESIDE
    )


def calls(n, **fields):
    return [step(f"s-{k}", 20.0, k, **LLM, **fields) for k in range(n)]


@pytest.mark.parametrize(
    ("told", "tokens"),
    [
        ({"tokens": 20}, 20),
        # An event may bring several.
        ({"tokens": 20, "output_tokens": 50}, 50),
        # Of an answer in one piece nothing else is told.
        ({"output_tokens": 50}, 50),
        ({}, 0),
    ],
)
def test_tokens_are_those_that_answers_tell_or_else_the_events_that_brought_them(told, tokens):
    found = cost_of([*calls(40, **told), *[step(f"t-{k}", 20.0, k) for k in range(10)]])

    amounts = {line.name: line.amount for line in found.beside}
    assert amounts.get("model tokens", 0.0) == pytest.approx(40 * tokens * RUNS * 3.0 / 1e6)
    assert amounts["model calls"] == pytest.approx(40 * RUNS * 0.01)


def test_calls_that_told_no_tokens_are_told():
    found = cost_of([*calls(30, output_tokens=5), *(one for one in calls(40)[30:])])

    assert "10 of 40 model calls told no tokens, and are in the price of tokens with none" in found.notes


def test_each_try_of_a_model_call_is_a_call_and_those_of_others_are_none():
    def tried(session, **fields):
        before = {"final": False, "outcome": "failed", "error": "reset"}
        return [step(session, 5.0, 0, **before, **fields), step(session, 20.0, 0, attempt=2, **fields)]

    found = cost_of([*tried("a", **LLM), *tried("b"), *calls(1)])

    (line,) = [line for line in found.beside if line.name == "model calls"]
    assert line.quantity == pytest.approx(3 * RUNS)


@pytest.mark.parametrize(("failed", "is_told"), [(1, False), (2, True), (100, True)])
def test_failures_are_told_since_they_take_what_failures_take(failed, is_told):
    steps = [step(f"s-{k}", 20.0, k, **(FAILED if k < failed else {})) for k in range(100)]

    told = [note for note in cost_of(steps).notes if "failed" in note]

    assert told == (
        [
            f"{failed} steps of 100 failed, and are priced as what they were: a target that answers may take longer"
        ]
        if is_told
        else []
    )


def test_a_run_that_was_broken_off_or_unlike_its_recording_is_told():
    facts = msgspec.structs.replace(
        summary(elapsed_s=RUN_S, status="interrupted"), fidelity=Fidelity(ratio=0.5, streams=0.5)
    )

    notes = cost_of_run(Evidence(facts, columns_of([calls(10)]), "run"), [], [E2], TODAY).notes

    assert "the run was interrupted, so the month is one of what was done by then" in notes
    assert (
        "the replay was unlike the recording, whose load may cost another amount: only 50% of the model calls were "
        "streamed as in the recording"
    ) in notes


@pytest.mark.parametrize(("last_s", "is_told"), [(90, False), (60, False), (20, True)])
def test_a_run_that_mostly_waited_for_its_last_answers_says_so(last_s, is_told):
    steps = [*calls(10), step("last", 5.0, at_ms=1000 * last_s)]

    told = [note for note in cost_of(steps).notes if "nothing was sent" in note]

    assert told == (
        [
            "nothing was sent in the last 80 s of the run's 100 s; the month has that pause in it as often as the run"
        ]
        if is_told
        else []
    )


def test_requests_that_a_read_only_run_kept_back_are_told():
    facts = summary(elapsed_s=RUN_S)
    facts.counts.withheld = 7

    notes = cost_of_run(Evidence(facts, columns_of([calls(10)]), "run"), [], [E2], TODAY).notes

    assert "the run was read-only: 7 requests were not sent, and are in no bill" in notes
