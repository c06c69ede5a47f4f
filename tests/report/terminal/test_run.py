"""A finished run on the terminal: what was answered, what failed, and what was recorded, each in its own row."""

import io
from math import inf

import msgspec
import pytest
from rich.console import Console

from replay.report.plain import Table, fitted
from replay.report.terminal.run import print_summary
from replay.results.summary_types import Fidelity, Quantiles, Series
from tests.support.runs import summary


def times(n, ms):
    return Quantiles(n=n, mean=ms, min=ms, p50=ms, p90=ms, p95=ms, p99=ms, p99_9=ms, max=ms)


def with_failures(n, p50):
    return Quantiles(n=n, p50=p50, p90=inf, p95=inf, p99=inf, p99_9=inf, max=inf, failed_ratio=0.2)


def a_summary(**latency_ms):
    said = summary()
    said.counts.sent, said.counts.ok = 5_000, 4_000
    said.counts.failed, said.counts.errors = 1_000, {"status_5xx": 990, "check": 10}
    said.latency_ms = latency_ms
    return said


def printed(said, width=80):
    out = io.StringIO()
    print_summary(said, None, Console(file=out, width=width, highlight=False))
    return out.getvalue()


def row_of(text, label):
    (line,) = (line for line in text.splitlines() if line.startswith(label))
    return line.removeprefix(label).split()


def test_failures_have_rows_of_their_own_and_what_falls_among_them_is_infinite():
    text = printed(
        a_summary(
            response=times(4_000, 250.0),
            response_with_failures=with_failures(5_000, 260.0),
            failed=times(1_000, 2.0),
        )
    )

    assert row_of(text, "response ") == ["4,000", *["250", "ms"] * 6]
    assert row_of(text, "with failures") == ["5,000", "260", "ms", "∞", "∞", "∞", "∞", "∞"]
    assert row_of(text, "failed ")[:3] == ["1,000", "2", "ms"]
    assert "failed: status_5xx 990, check 10" in text
    assert "infinitely slow (∞)" in text


def test_what_knobs_took_out_of_gaps_is_not_taken_for_time_that_the_run_is_shorter_by():
    said = a_summary()
    said.elapsed_s, said.removed_s = 12.0, {"speed": 1.44, "idle_cap": 59.0, "arrivals": 5.0}
    said.trace.recorded_span_s = 120.0

    text = printed(said)

    assert "took 12 s for 2 min of the recording" in text
    assert (
        "left out of the pauses within sessions (added up over all sessions): 1.44 s by --speed, 59 s by --idle-cap"
        in " ".join(text.split())
    )
    assert "left out of the time between session starts: 5 s by --arrivals\n" in text
    said.status = "interrupted"
    assert "of the recording" not in printed(said)


def test_where_nothing_was_answered_it_still_says_what_the_failures_are_of():
    text = printed(a_summary(response_with_failures=with_failures(1_000, inf)))

    assert row_of(text, "response ") == ["0", *"–" * 6]


def test_the_recording_stands_beside_all_steps_and_each_of_them():
    said = a_summary(response=times(4_000, 250.0), recorded=times(4_000, 200.0))
    said.series = [
        Series("llm", "plan", times(50, 900.0), times(50, 900.0), {"ok": 50}, recorded=times(50, 1_000.0)),
        Series("tool", "search", times(3_950, 100.0), times(3_950, 100.0), {"ok": 3_950}),
    ]
    beside = printed(said).split("beside the recording")[1]

    assert row_of(beside, "all steps") == ["250", "ms", "200", "ms", "1.25×"] * 2
    assert row_of(beside, "llm:plan") == [
        "900",
        "ms",
        "1",
        "s",
        "0.9×",
        "900",
        "ms*",
        "1",
        "s*",
        "0.9×",
    ]
    assert "tool:search" not in beside


def test_a_summary_of_an_older_version_prints_without_what_it_lacks():
    text = printed(a_summary(response=times(4_000, 250.0), service=times(4_000, 240.0)))

    assert "recorded" not in text
    assert "with failures  " not in text
    assert "fidelity" not in text


def test_everything_fits_into_eighty_columns():
    said = a_summary(
        response=times(1_234_567, 12_345.0),
        response_with_failures=with_failures(1_234_568, 12_345.0),
        makespan=times(12_345, 98_765.0),
        makespan_with_failures=with_failures(12_346, 98_765.0),
        recorded=times(1_234_567, 12_345.0),
    )
    said.fidelity = Fidelity(ratio=0.4, sessions=1.0, steps=1.0, statuses=0.4, streams=0.5, arrivals=1.0)
    name = "x" * 80
    said.series = [
        Series("tool", name, times(99, 98.7), times(99, 98.7), {"ok": 99}, recorded=times(99, 0.0123)),
        Series("llm", name, times(99, 98.7), times(99, 98.7), {"ok": 99}, recorded=times(99, 98.7)),
    ]

    assert max(map(len, printed(said).splitlines())) <= 80


@pytest.mark.parametrize("width", [24, 40, 60, 200])
def test_a_table_of_figures_is_cut_on_no_terminal(width):
    table = Table(box=None)
    for head in ("latency", "n", "p50", "p99.9", "max"):
        table.add_column(head, no_wrap=True)
    table.add_row("response", "320", "236 ms", "2.95 s*", "–")
    table.add_row("[red]llm[/red]", "76", "1.84 s", "2.79 s*", "2.79 s")
    console = Console(width=width, file=io.StringIO(), force_terminal=False)

    console.print(fitted(table, console))

    said = console.file.getvalue()
    assert all(len(line.rstrip()) <= width for line in said.splitlines())
    assert "…" not in said
    for figure in ("236 ms", "2.95 s*", "1.84 s", "2.79 s", "[red]llm[/red]"):
        assert figure in said
    assert ("p50 236 ms" in said) == (width < 60)


def test_a_list_says_what_its_rows_are_and_names_them_by_all_that_names_them():
    table = Table(box=None)
    for head in ("", "step", "due", "response"):
        table.add_column(head, no_wrap=True)
    table.add_row("●", "plan", "0 ms", "2.95 s")
    table.add_row(" ", "search", "3.2 s", "–")
    console = Console(width=20, file=io.StringIO(), force_terminal=False)

    console.print(fitted(table, console, names=2))

    assert [line.rstrip() for line in console.file.getvalue().splitlines()] == [
        "step",
        "● plan",
        "  due 0 ms",
        "  response 2.95 s",
        "search",
        "  due 3.2 s",
    ]


@pytest.mark.parametrize(("width", "is_list"), [(40, False), (13, True)])
def test_a_table_whose_cells_fold_is_a_list_only_where_its_words_do_not_fit(width, is_list):
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("failed", overflow="fold")
    table.add_column("steps", no_wrap=True)
    table.add_row("an answer of which a check was not met", "12,345")
    table.add_row("a timeout", "1")
    console = Console(width=width, file=io.StringIO(), force_terminal=False)

    console.print(fitted(table, console, folds=True))

    said = console.file.getvalue()
    assert ("\n  steps" in said) == is_list
    assert "12,345" in said
    assert all(len(line.rstrip()) <= width for line in said.splitlines())


@pytest.mark.parametrize("width", [30, 50, 80])
def test_what_is_said_of_the_generator_breaks_between_words(width):
    said = a_summary(response=times(1_000, 5.0))
    said.generator.verdict = "suspect"
    said.generator.reasons = ["1% of the steps were handed over more than 22.8 ms late, of all that were sent"]

    lines = printed(said, width).splitlines()

    assert max(map(len, lines)) <= width
    (at,) = [n for n, line in enumerate(lines) if line.startswith("  because")]
    assert lines[at + 1].startswith("  ")


@pytest.mark.parametrize(
    ("rows", "explained"),
    [
        (["response"], {"response"}),
        (["response", "service", "ttfb", "makespan"], {"response", "service", "ttfb", "makespan"}),
        (["response", "ttft", "itl"], {"response", "ttft", "itl"}),
    ],
)
def test_rows_are_explained_where_they_stand_and_no_others(rows, explained):
    """ttft and itl were explained under every run, by lines that broke within words' brackets."""
    text = printed(a_summary(**{name: times(10, 5.0) for name in rows}))
    legend = " ".join(text[text.index("response: from") :].splitlines())
    names = ("response", "service", "ttfb", "ttft", "itl", "makespan")

    assert {name for name in names if f"{name}: " in legend} == explained


def test_where_nothing_was_sent_no_star_is_explained_and_an_example_goes_on_where_it_began():
    said = a_summary(response_with_failures=with_failures(1, inf), failed=times(1, 3.0))
    said.counts = msgspec.structs.replace(
        said.counts, sent=0, ok=0, failed=1, errors={"tls": 1}, error_examples={"tls": "the certificate " * 8}
    )

    lines = printed(said).splitlines()

    assert not any(text.startswith("*") for text in lines)
    (first,) = [n for n, text in enumerate(lines) if "tls, for example" in text]
    assert lines[first + 1].startswith("    certificate the")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("finished", "in 2 s"),
        ("running", "in 2 s; the run has not ended"),
        ("interrupted", "in 2 s; the run was interrupted"),
        ("incomplete", "in 2 s; the run was incomplete"),
        ("failed", "in 2 s; the run broke off"),
    ],
)
def test_how_a_run_ended_is_told_in_words(status, said):
    """A full disk left a run that "was failed", and a kill one that "was running"."""
    one = a_summary(response=times(4_000, 250.0))
    one.status, one.elapsed_s = status, 2.0

    assert printed(one).splitlines()[2].endswith(said)
