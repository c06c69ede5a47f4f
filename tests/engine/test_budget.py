"""A budget: what a call is expected to cost, what it did cost, and when no further one is sent."""

from types import SimpleNamespace

import msgspec
import pytest

from replay.dialects.types import BodyFacts, Usage
from replay.engine.budget import MOST_ANSWERED, Purse, Till, Tokens, expected_tokens, is_model_call
from replay.engine.forecast.dryrun import foresee
from replay.engine.run import Job, replay_together, replay_trace
from replay.engine.types import Budget, RunOptions
from replay.target.cost import Cost
from replay.target.errors import TargetError
from replay.target.sending import Retry
from replay.target.target import Target
from replay.trace.types import LlmCall, Request, Step
from replay.trials.compare import compare_targets
from replay.trials.endings import concluded
from replay.trials.prices import check_currency

COST = Cost(price="gce-e2-us-central1", call_price=0.01, token_price_million=10.0)
TARGET = Target(url="http://a", name="staging", cost=COST)
LLM = Step("a", "llm", "plan", llm=LlmCall(600, 400))  # 0.01 for the call and 0.01 for its tokens


def chat(body=b"{}", kind="http", path="/v1/chat/completions", **attributes):
    return Step("a", kind, "x", request=Request("POST", path, json=msgspec.Raw(body)), attributes=attributes)


def till(amount):
    purse = Purse(Budget(amount, "USD"))
    return Till(TARGET, Budget(amount, "USD"), purse), purse


def ended(step, status=200, usage=None, sent_ns=1, method="POST"):
    facts = None if usage is None else BodyFacts(usage=Usage(*usage))
    return SimpleNamespace(
        step=step, body=b"", status=status, facts=facts, events=None, sent_ns=sent_ns, method=method
    )


def test_model_calls_are_those_whose_tokens_are_paid_for():
    assert is_model_call(LLM, b"")
    assert is_model_call(chat(), b"{}")
    assert is_model_call(chat(kind="llm", path="/x"), b"{}")
    assert not is_model_call(Step("a", "tool", "x", request=Request("GET", "/v1/chat/completions")), b"")
    assert not is_model_call(Step("a", "llm", "a wait"), b"")


@pytest.mark.parametrize(
    ("step", "body", "tokens"),
    [
        (LLM, b"", Tokens(600, 400)),
        (chat(), b'{"max_tokens": 50, "x":"........................"}', Tokens(13, 50)),
        (chat(), b'{"max_completion_tokens":7}', Tokens(7, 7)),
        (chat(input_tokens="900", output_tokens="30"), b"{}", Tokens(900, 30)),
        (chat(input_tokens="900", output_tokens="30"), b'{"max_tokens":50}', Tokens(900, 50)),
        (chat(input_tokens="many"), b"12345678", Tokens(2, MOST_ANSWERED)),
        (chat(), rb'{"content":"\"max_tokens\":5"}', Tokens(8, MOST_ANSWERED)),
    ],
)
def test_what_a_call_is_expected_to_use(step, body, tokens):
    assert expected_tokens(step, body) == tokens


def test_a_call_that_would_pass_the_budget_is_not_paid_and_none_is_after_it():
    paying, purse = till(0.05)

    assert [paying.pays(LLM, b"") for _ in range(4)] == [True, True, False, False]
    assert paying.pays(Step("b", "tool", "x", request=Request("GET", "/")), b"")
    assert purse.why == (
        "with 0.04 USD spent, the next model call, at about 0.02 USD, would pass the budget of 0.05 USD"
    )


def test_a_budget_may_be_met_to_the_last_digit():
    paying, _ = till(0.06)

    assert [paying.pays(LLM, b"") for _ in range(4)] == [True, True, True, False]


def test_what_an_answer_used_takes_the_place_of_what_was_set_aside():
    paying, purse = till(0.06)
    for _ in range(3):
        assert paying.pays(LLM, b"")
    paying.settle(ended(LLM, usage=(300, 200)))  # 0.01 + 0.005
    paying.settle(ended(LLM, usage=(None, 400)))  # as set aside
    paying.settle(ended(LLM))

    found = paying.result()
    assert (found.calls, found.counted, found.assumed) == (3, 2, 1)
    assert (found.input_tokens, found.output_tokens) == (900, 600)
    assert found.amount == pytest.approx(0.055)
    assert purse.spent == pytest.approx(0.055)


def test_what_was_never_sent_or_was_refused_costs_nothing():
    paying, purse = till(1.0)
    for exchange in (ended(LLM, status=0, sent_ns=0), ended(LLM, status=429), ended(LLM, status=503)):
        assert paying.pays(LLM, b"")
        paying.settle(exchange)
    paying.settle(ended(LLM, method=""))  # made up for a step without its values, and never paid for

    assert purse.spent == pytest.approx(0.02)
    assert (paying.result().calls, paying.result().assumed) == (1, 1)


def test_two_targets_share_a_purse():
    purse = Purse(Budget(0.05))
    one, other = (Till(TARGET, Budget(0.05), purse) for _ in range(2))

    assert [one.pays(LLM, b""), other.pays(LLM, b""), one.pays(LLM, b"")] == [True, True, False]


def llm_trace(write_trace, n):
    step = {"id": "a", "kind": "llm", "name": "plan", "llm": {"input_tokens": 600, "output_tokens": 400}}
    tool = write_trace.get("b", "/tool", ["a"])
    return write_trace(*[(i * 2.0, [step, tool]) for i in range(n)])


def test_a_run_ends_before_it_would_pass_its_budget(write_trace, truth, tmp_path):
    target = Target(url=truth.url, name="truth", cost=COST, answers="status")
    options = RunOptions(budget=Budget(0.1, "USD"))

    summary = replay_trace(llm_trace(write_trace, 400), target, options, tmp_path / "run").summary

    assert len([seen for seen in truth.arrivals if seen["method"] == "POST"]) == 5
    counts = summary.counts
    assert counts.ok + counts.failed + counts.unsent == counts.steps == 800
    assert counts.unsent_reasons == {"budget": counts.unsent}
    assert (summary.status, summary.ended.by) == ("interrupted", "budget")
    assert summary.ended.why == (
        "with 0.10 USD spent, the next model call, at about 0.02 USD, would pass the budget of 0.10 USD"
    )
    assert (summary.spent.calls, summary.spent.counted, summary.spent.assumed) == (5, 0, 5)
    assert summary.spent.amount == pytest.approx(0.1)
    assert concluded(summary.status, ended=summary.ended) == "fail"


def test_retries_are_paid_for_too(write_trace, truth, tmp_path):
    step = {
        "id": "a",
        "kind": "llm",
        "name": "plan",
        "request": {"method": "POST", "path": "/?do=503", "body": "x"},
    }
    target = Target(
        url=truth.url, cost=COST, retry=Retry(attempts=9, unsafe=True, backoff_s=0.001, budget_percent=1e6)
    )
    # Each attempt: 0.01, and 1 + 1,024 tokens.
    options = RunOptions(budget=Budget(0.07))

    summary = replay_trace(write_trace((0.0, [step])), target, options, tmp_path / "run").summary

    assert len(truth.arrivals) == 3
    assert (summary.counts.ok, summary.counts.failed, summary.counts.unsent_reasons) == (0, 0, {"budget": 1})


def test_a_budget_is_of_all_targets_and_of_all_rounds_together(write_trace, truth, tmp_path):
    trace = llm_trace(write_trace, 20)
    targets = [Target(url=truth.url, name=name, cost=COST, answers="status") for name in "ab"]
    # Of one replay: 20 calls, 0.4.
    options = RunOptions(budget=Budget(0.6))

    together = replay_together(trace, [Job(t, tmp_path / t.name) for t in targets], options)
    rounds = compare_targets(trace, targets, options, "sequential", out=tmp_path / "rounds")

    assert sum(run.summary.spent.amount for run in together) == pytest.approx(0.6)
    assert all(run.summary.ended.by == "budget" for run in together)
    assert rounds.ended.by == "budget"
    assert len([seen for seen in truth.arrivals if seen["method"] == "POST"]) == 60


def test_a_target_without_a_price_of_model_calls_keeps_no_budget(write_trace, tmp_path):
    trace = llm_trace(write_trace, 1)
    for cost in (None, Cost(price="gce-e2-us-central1")):
        with pytest.raises(TargetError) as error:
            replay_trace(
                trace, Target(url="http://a.invalid", name="a", cost=cost), RunOptions(budget=Budget(1.0))
            )
        assert str(error.value) == (
            "a: has no price of model calls, so no budget can be kept. Write call_price or token_price_million under "
            "[cost] in its file."
        )


def test_a_budget_is_in_the_currency_of_the_prices():
    check_currency(Budget(5.0, "USD"), [TARGET])
    check_currency(Budget(5.0), [TARGET])
    with pytest.raises(TargetError, match="staging: has its prices in USD, and the budget is in EUR"):
        check_currency(Budget(5.0, "EUR"), [TARGET])


def test_a_dry_run_says_what_requests_come_to(write_trace):
    forecast = foresee(
        llm_trace(write_trace, 3), msgspec.structs.replace(TARGET, url="https://A.example/v1"), RunOptions()
    )

    assert forecast.methods == {"POST": 3, "GET": 3}
    assert forecast.hosts == {"https://a.example": 6}
    assert (forecast.model_calls, forecast.input_tokens, forecast.output_tokens) == (3, 1800, 1200)
    assert forecast.model_cost == pytest.approx(0.06)
    assert forecast.request_bytes > 3 * 600
    assert foresee(llm_trace(write_trace, 3), Target(url="http://a"), RunOptions()).model_cost is None
