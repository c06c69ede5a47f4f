import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.judge.measures.slo import Limit, SloWindow, parse_slo, parse_slo_file
from replay.judge.measures.slo_tokens import SloError
from replay.results.selector import Selector


def test_a_percentile_is_of_response_time_unless_it_says_otherwise():
    slo = parse_slo("p99 < 800ms")

    assert (slo.metric, slo.q, slo.measure, slo.operator) == ("p99", 0.99, "response", "<")
    assert slo.limit == Limit(800.0)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("p99(response, tool:search) < 250ms", "selector", Selector("tool", "search")),
        ("p95(ttft, llm) < 1.2s", "limit", Limit(1200.0)),
        ("p95(ttft, llm) < 1.2s", "measure", "ttft"),
        ("p99.9 < 1s", "q", 0.999),
        ("P99_9 <= 1s", "q", 0.999),
        ("errors < 0.1%", "limit", Limit(0.1)),
        ("errors(status_5xx) == 0", "error", "status_5xx"),
        ("errors(tool:search*) < 1%", "selector", Selector("tool", "search*")),
        ("rate >= 200/s", "limit", Limit(200.0)),
        ("max(makespan) < 30s", "statistic", "max"),
        ("share(response < 500ms) >= 99%", "within_ms", 500.0),
        ("share(ttft < 1s, llm:plan) >= 99%", "selector", Selector("llm", "plan")),
        ("p99 < baseline * 1.10", "limit", Limit(0.0, 1.1)),
        ("p99 < baseline * 110%", "limit", Limit(0.0, 1.1)),
        ("p99 < baseline*1.1", "limit", Limit(0.0, 1.1)),
        ("p99 < baseline+20ms", "limit", Limit(20.0, 1.0)),
        ("p99 < recorded*.9", "limit", Limit(0.0, 0.9, "recorded")),
        ("p99(tool:baseline-2) < 1s", "selector", Selector("tool", "baseline-2")),
        ("p99(tool:recorded*) < 1s", "selector", Selector("tool", "recorded*")),
        ("p99 < baseline + 20ms", "limit", Limit(20.0, 1.0)),
        ("errors <= baseline + 0.5%", "limit", Limit(0.5, 1.0)),
        ("cold < 2%", "unit", "percent"),
        ("p99(tool:get-user.v2) < 1s", "selector", Selector("tool", "get-user.v2")),
        ('p99(http:"GET /users/*, all") < 1s', "selector", Selector("http", "GET /users/*, all")),
        ("p50(*:plan) < 1s", "selector", Selector(None, "plan")),
        ("p99 < 1s after 30s before 5m", "window", SloWindow(after_s=30.0, before_s=300.0)),
        ("p99 < 1s steady", "window", SloWindow(is_steady=True)),
        ("p99 < 1s without warm-up", "window", SloWindow(without_warmup=True)),
    ],
)
def test_it_reads_what_people_write(text, field, value):
    assert getattr(parse_slo(text), field) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "p99 < 800",
            "a time has a unit: write us, ms, s or min (character 10).\n  p99 < 800\n           ^",
        ),
        (
            "p99(respone) < 3ms",
            '"respone" is neither a measure nor a kind of step (did you mean "response"?); known are response, '
            "service, ttfb, ttft, tpot, makespan, lag, answered, failed, llm, tool, http, mcp, ws, grpc; name a step as tool:search "
            "(character 5).\n  p99(respone) < 3ms\n      ^",
        ),
        (
            "eror < 1%",
            'unknown metric "eror" (did you mean "errors"?); known are a percentile such as p99, mean, min, max, '
            "errors, cold, share and rate (character 1).\n  eror < 1%\n  ^",
        ),
        ("", "an empty SLO. Write for example: p99 < 800ms"),
        *(
            (
                text,
                "an SLO begins with what is measured, and its limit comes last, as in p99 < 800ms (character 1).\n"
                f"  {text}\n  ^",
            )
            for text in ("800ms > p99", "1% > errors", "0.8s>=p95(ttft)")
        ),
        ("p101 < 3s", "a percentile lies between 0 and 100 (character 1).\n  p101 < 3s\n  ^"),
        (
            "errors < 0.1",
            "errors is a share: write a percentage, for example 0.1% (character 13).\n  errors < 0.1\n              ^",
        ),
        (
            "p99 = 3ms",
            'write == for "equals", or <= (character 5).\n  p99 = 3ms\n      ^',
        ),
        (
            "p99 == 3ms",
            "p99 is never exactly a number that is not 0; write < or > (character 5).\n  p99 == 3ms\n      ^",
        ),
        ("p99(response < 3ms", "this parenthesis is not closed (character 4).\n  p99(response < 3ms\n     ^"),
        ("p99 < ", "ends too early: expected a number (character 7).\n  p99 < \n        ^"),
        (
            "p99 < 3ms foo",
            '"foo" is more than one SLO needs; a window is written after 30s, before 5m, steady, or without warm-up '
            "(character 11).\n  p99 < 3ms foo\n            ^",
        ),
    ],
)
def test_an_error_points_at_the_character_and_suggests(text, message):
    with pytest.raises(SloError) as error:
        parse_slo(text)

    assert str(error.value) == message


@given(st.text(max_size=60))
def test_any_text_is_an_slo_or_a_plain_error(text):
    with contextlib.suppress(SloError):
        assert parse_slo(text).metric


@given(
    st.sampled_from(["p50", "p99", "p99.9", "mean(service)", "max(makespan)", "p95(ttft, llm:plan)"]),
    st.sampled_from(["<", "<=", ">", ">="]),
    st.integers(1, 10_000),
    st.sampled_from(["us", "ms", "s", "min"]),
    st.sampled_from(["", " steady", " after 3s"]),
)
def test_blanks_do_not_matter(head, operator, number, unit, window):
    tight = parse_slo(f"{head}{operator}{number}{unit}{window}")
    loose = parse_slo(f"  {head}  {operator}  {number} {unit} {window}  ")

    assert tight._replace(text="") == loose._replace(text="")


def test_a_file_holds_one_a_line_and_errors_name_the_line():
    assert [slo.metric for slo in parse_slo_file("# ours\np99 < 1s  # soft\n\nerrors < 1%\n", "slo.txt")] == [
        "p99",
        "errors",
    ]
    with pytest.raises(SloError, match=r"slo\.txt, line 2: a time has a unit"):
        parse_slo_file("p99 < 1s\np50 < 3\n", "slo.txt")
    with pytest.raises(SloError, match=r"slo\.txt: holds no SLO"):
        parse_slo_file("# nothing\n", "slo.txt")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("errors >= 0%", "always"),
        ("share(response < 1s) <= 100%", "always"),
        ("p99 >= 0ms", "always"),
        ("rate >= 0/s", "always"),
        ("errors < 0%", "never"),
        ("share(response < 1s) > 100%", "never"),
        ("p99 < 0ms", "never"),
    ],
)
def test_a_bound_that_no_figure_can_keep_or_break_is_refused(text, said):
    with pytest.raises(SloError, match=f"this {said} holds, whatever is measured"):
        parse_slo(text)


@pytest.mark.parametrize(
    "text", ["errors == 0", "errors <= 0%", "min > 0ms", "errors >= baseline", "rate > 0/s"]
)
def test_a_bound_that_a_figure_can_break_is_none_of_these(text):
    assert parse_slo(text).text == text
