"""What turns a fail into a pass stands beside the pass: windows, retries, sessions given up, answers without a word."""

import msgspec
import numpy as np
import pytest

from replay.judge.gate.judging import judge_gate
from replay.judge.measures.slo import parse_slo
from replay.results.columns import columns_of
from replay.results.summary_types import Fidelity
from replay.results.types import SIMULATED
from tests.support.runs import Evidence, evidence, step, summary


def gate(run, *slos):
    return judge_gate([parse_slo(text) for text in slos], run)


def cold_run(cold=0, warm=1000, failed_silent=0, answered_silent=0):
    """So many steps of each sort, in the same mixture all along."""
    sorts = [{"cold": True}] * cold + [{"cold": False}] * warm + [{"cold": None}] * answered_silent
    sorts += [{"cold": None, "outcome": "failed", "error": "timeout", "status": None}] * failed_silent
    order = np.random.default_rng(1).permutation(len(sorts))
    records = [step(f"s-{n}", 20.0, n, **sorts[at]) for n, at in enumerate(order)]
    return Evidence(summary(), columns_of([records]), "r")


def slow_start(n=1000, slow=100):
    """Of a marked warm-up that takes 3 s a step, and 20 ms from then on."""
    records = [step(f"s-{i}", (3000.0 if i < slow else 20.0) + i % 7, i, warmup=i < slow) for i in range(n)]
    return Evidence(summary(), columns_of([records]), "r")


@pytest.mark.parametrize(
    ("window", "out"), [("without warm-up", 100), ("after 1s", 100), ("after 2s", 200), ("before 5s", 500)]
)
def test_a_window_says_how_much_it_leaves_out_and_what_the_whole_run_would_say(window, out):
    slo = f"p50 < 25ms {window}"

    (note,) = gate(slow_start(), slo).notes

    assert note.startswith(f"{slo}: the window leaves out {out} of 1,000 steps; with them it would ")
    assert note.endswith(" ms)")


def test_a_pass_that_holds_by_what_its_window_leaves_out_says_what_came_in_all():
    verdict = gate(slow_start(), "max < 100ms without warm-up")

    assert verdict.verdict == "pass"
    assert verdict.notes == [
        "max < 100ms without warm-up: the window leaves out 100 of 1,000 steps; with them it would fail (3.01 s)"
    ]


def test_a_window_that_changes_nothing_is_told_as_that():
    (note,) = gate(slow_start(), "max < 10s without warm-up").notes

    assert note.endswith("the window leaves out 100 of 1,000 steps; with them it would pass, too (3.01 s)")


def test_a_window_that_leaves_nothing_out_is_no_news():
    assert gate(slow_start(), "max < 10s after 0s").notes == []


def test_attempts_that_failed_before_the_last_are_told():
    run = evidence([20.0 + n % 7 for n in range(1000)])
    run.summary.counts.sent, run.summary.counts.retries = 1000, 250

    (note,) = gate(run, "errors < 0.5%").notes

    assert note == (
        "250 attempts failed and had another after it (20% of all); errors are of steps, each by its last attempt"
    )


def test_connections_that_had_been_closed_are_no_failed_attempts_of_the_target():
    run = evidence([20.0] * 1000)
    run.summary.counts.sent, run.summary.counts.retries = 1000, 250
    run.summary.counts.stale_connections = 250

    assert gate(run, "errors < 0.5%").notes == []


def test_steps_of_sessions_that_were_given_up_are_told():
    run = evidence([20.0] * 1000, unsent_reasons={"skip-rest": 300})

    (note,) = gate(run, "errors < 0.5%").notes

    assert note.startswith("300 steps were not tried, since one before them in their session had failed")


@pytest.mark.parametrize(("failed", "verdict"), [(0, "pass"), (3, "pass"), (80, "inconclusive")])
def test_a_share_of_cold_starts_is_not_kept_by_failing_behind_the_boot(failed, verdict):
    (found,) = gate(cold_run(failed_silent=failed), "cold < 2%", "errors < 50%").checks[:1]

    assert found.verdict == verdict
    if verdict == "inconclusive":
        assert found.reason == "80 steps failed without saying whether they were cold, and may have been"
        assert found.ci[1] > 100 * failed / (1000 + failed)


def test_what_is_broken_by_those_that_tell_alone_fails_however_many_do_not():
    (found,) = gate(cold_run(cold=200, failed_silent=50), "cold < 2%").checks

    assert (found.verdict, found.observed) == ("fail", pytest.approx(100 * 200 / 1200))


def test_none_at_all_is_not_passed_where_failures_may_have_been_one():
    assert gate(cold_run(), "cold == 0%").verdict == "pass"
    assert gate(cold_run(failed_silent=1), "cold == 0%").verdict == "inconclusive"


@pytest.mark.parametrize(("silent", "verdict"), [(0, "pass"), (3, "pass"), (400, "inconclusive")])
def test_answers_that_do_not_say_may_have_been_cold_where_others_of_their_name_say_it(silent, verdict):
    (found,) = gate(cold_run(answered_silent=silent), "cold < 2%").checks

    assert found.verdict == verdict
    if verdict == "inconclusive":
        assert (
            found.reason == "400 steps were answered without saying whether they were cold, and may have been"
        )


def test_steps_of_a_name_of_which_none_says_it_are_counted_beside_the_share():
    elsewhere = [step(f"t-{n}", 20.0, n, kind="llm", name="answer", cold=None) for n in range(400)]
    here = [step(f"s-{n}", 20.0, n, cold=False) for n in range(1000)]

    verdict = gate(Evidence(summary(), columns_of([here + elsewhere]), "r"), "cold < 2%")

    assert (verdict.verdict, verdict.checks[0].n) == ("pass", 1000)
    assert verdict.notes == [
        "cold: 400 answers of 1,400 are of steps of which none says whether it was cold, and are left out"
    ]


def answers(sizes, names=("catalog", "search"), **fields):
    """An answer of each size in turn, to steps of these names in turn."""
    records = [
        step(f"s-{n}", 20.0, n, name=names[n % len(names)], response_bytes=size, **fields)
        for n, size in enumerate(sizes)
    ]
    return Evidence(summary(), columns_of([records]), "r")


NAMES = ("catalog", "search", "orders")


@pytest.mark.parametrize(
    ("run", "told"),
    [
        # One of the first, and one of the second, is another.
        (answers([4575] * 98 + [100, 200]), "98 of 100 answers are of the same size (4,575 bytes)"),
        # The third kind of steps is answered as it should be.
        (
            answers([4575, 4575, 80, 4575, 4575, 90] * 20, NAMES),
            "80 of 120 answers are of the same size (4,575 bytes)",
        ),
        (answers([11] * 100), "100 of 100 answers are of the same size (11 bytes)"),
    ],
)
def test_answers_of_one_size_to_steps_of_several_kinds_are_told(run, told):
    assert gate(run, "max < 1s").notes == [
        f"{told}, whatever was asked for (tool:catalog, tool:search): as a page to sign in at would be, or a stand-in"
    ]


@pytest.mark.parametrize(
    "run",
    [
        answers([4575] * 19),
        answers([4575] * 70 + list(range(30))),
        answers([4575] * 100, names=["search"]),
        answers([4575] * 100, streamed=True),
        answers([4575, 4576] * 50),
        # Where there is more than that, it may be what they are to answer.
        answers([11, 11, 80, 11, 11, 90] * 20, NAMES),
    ],
)
def test_answers_that_differ_or_are_few_or_of_one_kind_are_no_news(run):
    assert gate(run, "max < 1s").notes == []


def test_empty_answers_where_there_was_a_body_are_told():
    records = [step(f"s-{n}", 20.0, n, response_bytes=n // 5, emptied=n < 5) for n in range(100)]

    assert gate(Evidence(summary(), columns_of([records]), "r"), "max < 1s").notes == [
        "5 of 100 answers had no body, where the recorded ones had one, and count as ok"
    ]


@pytest.mark.parametrize(
    ("sizes", "known"),
    [
        ([0] * 9, {}),
        ([0] * 88 + [5, 6] * 6, {}),
        ([0] * 100, {"status": 204}),
        ([0] * 100, {"status": 302}),
        ([0] * 100, {"kind": "ws"}),
        ([0] * 100, {"kind": "mcp"}),
        ([0] * 100, {"kind": "http", "name": "HEAD /health"}),
    ],
)
def test_some_empty_answers_and_those_that_have_to_be_empty_are_no_news(sizes, known):
    records = [step(f"s-{n}", 20.0, n, response_bytes=size, **known) for n, size in enumerate(sizes)]

    assert gate(Evidence(summary(), columns_of([records]), "r"), "max < 1s").notes == []


def test_a_simulated_run_has_no_bodies_to_miss():
    simulated = summary()
    simulated.notes.append(SIMULATED)
    records = [step(f"s-{n}", 20.0, n, kind="http", response_bytes=0) for n in range(100)]

    assert gate(Evidence(simulated, columns_of([records]), "r"), "max < 1s").notes == []


def test_nothing_but_empty_answers_is_told_where_the_trace_does_not_say_what_there_was():
    records = [step(f"s-{n}", 20.0, n, kind="http", response_bytes=5 * (n < 4)) for n in range(100)]

    [note] = gate(Evidence(summary(), columns_of([records]), "r"), "max < 1s").notes
    assert note.startswith(
        "96 of 100 answers had no body, and the trace does not say that they should have one"
    )


@pytest.mark.parametrize(("recorded", "is_told"), [(None, True), (200, True), (304, False)])
def test_what_is_not_modified_for_nobody_who_has_it_is_an_empty_answer(recorded, is_told):
    records = [
        step(f"s-{n}", 20.0, n, kind="http", status=304, response_bytes=0, recorded_status=recorded)
        for n in range(100)
    ]

    notes = gate(Evidence(summary(), columns_of([records]), "r"), "max < 1s").notes

    assert any(note.startswith("100 of 100 answers had no body") for note in notes) is is_told


FAILED = {"outcome": "failed", "status": 503, "error": "status_5xx"}


@pytest.mark.parametrize(
    ("slos", "told"),
    [
        (["errors < 1%"], None),
        (["errors(llm) < 1%"], "10 steps failed (tool:search 10) that no SLO on errors is about; add for example: errors < 0.1%"),
        (["errors(llm) < 1%", "errors(tool:search) < 20%"], None),
        (["errors(timeout) == 0"], "10 steps failed (tool:search 10) that no SLO on errors is about; add for example: errors < 0.1%"),
        (["errors(status_5xx) < 20%"], None),
        (["max(llm) < 1s"], "10 steps failed (10%), and no SLO bounds errors; add for example: errors < 0.1%"),
    ],
)  # fmt: skip
def test_failures_that_no_slo_counts_are_told(slos, told):
    records = [
        step(f"s-{n}", 20.0, n, **({"kind": "llm", "name": "answer"} if n % 2 else FAILED if n < 20 else {}))
        for n in range(100)
    ]
    facts = summary(failed=10, errors={"status_5xx": 10})
    facts.counts.ok = 90

    found = [
        note for note in gate(Evidence(facts, columns_of([records]), "r"), *slos).notes if "failed" in note
    ]

    assert found == ([] if told is None else [told])


@pytest.mark.parametrize(
    ("slo", "note"),
    [
        ("p95 > 1ms", "p95 > 1ms: passes because the target takes long, and would not if it did so less; if that is not meant, write <"),
        ("errors > 5%", "errors > 5%: passes because the target fails, and would not if it did so less; if that is not meant, write <"),
        # It does not hold, so nobody is misled.
        ("p95 > 1s", None),
        ("min > 1ms", None),
        ("rate > 1/s", None),
        ("share(response < 1s) > 50%", None),
    ],
)  # fmt: skip
def test_a_bound_that_is_kept_by_doing_worse_is_told(slo, note):
    records = [
        step(f"s-{n}", 20.0 + n % 7, n, **(FAILED if n % 8 == 0 and "errors" in slo else {}))
        for n in range(2000)
    ]
    facts = summary()

    told = [
        one for one in gate(Evidence(facts, columns_of([records]), "r"), slo).notes if "passes because" in one
    ]

    assert told == ([] if note is None else [note])


def test_a_share_that_no_number_of_steps_shows_says_so():
    found = gate(
        evidence([20.0 + n % 7 for n in range(2000)]), "errors <= 0%", "share(response < 1s) >= 100%"
    ).checks

    assert [(one.verdict, one.reason) for one in found] == [
        ("inconclusive", "no number of steps shows that a share is exactly 0%: write a limit short of it; errors == 0 is about this run alone"),
        ("inconclusive", "no number of steps shows that a share is exactly 100%: write a limit short of it"),
    ]  # fmt: skip


def test_answers_of_one_size_are_no_news_where_the_recorded_ones_were_so_too():
    records = [
        step(f"s-{i}", 20.0 + i % 7, i, name=("track", "ping")[i % 2], response_bytes=11, recorded_bytes=11)
        for i in range(100)
    ]
    held = msgspec.structs.replace(summary(), fidelity=Fidelity(ratio=1.0, answer_sizes=1.0))
    found = Evidence(held, columns_of([records]), "r")
    unknown = Evidence(summary(), columns_of([records]), "r")

    assert not any("of the same size" in note for note in gate(found, "max < 1s").notes)
    assert any("of the same size" in note for note in gate(unknown, "max < 1s").notes)


def test_one_answer_to_all_that_was_asked_passes_nothing():
    records = [step(f"s-{i}", 20.0 + i % 7, i, response_bytes=64) for i in range(1000)]
    unlike = msgspec.structs.replace(summary(), fidelity=Fidelity(ratio=0.1, answer_sizes=0.1))

    verdict = gate(Evidence(unlike, columns_of([records]), "r"), "p95 < 1s", "errors < 1%")

    assert [check.verdict for check in verdict.checks] == ["inconclusive", "inconclusive"]
    assert verdict.checks[0].reason == (
        "would pass, but the replay was unlike the recording: only 10% of the answers have sizes of their own, as they "
        "had when they were recorded; the others are of nearly one size, whatever was asked for"
    )
