"""Whether two real servers give the same answers, from the trace to the verdict."""

import msgspec
import pytest
from click.testing import CliRunner

from replay.cli.main import cli
from replay.engine.types import Knobs, RunOptions
from replay.judge.types import CompareVerdict
from replay.results.answers import read_answers
from replay.results.rundir import RunDirError
from replay.target.target import Target
from replay.trials.answers import AnswersQuestion
from replay.trials.compare import Question, compare_runs, compare_targets

RANDOM = {"/id", "/at", "/count"}


@pytest.fixture
def trace(write_trace):
    """200 sessions: a search, then a model's stream."""
    get = write_trace.get
    return write_trace(
        *[
            (n * 4.0, [get("a", f"/search?n={n}", name="search"), get("b", f"/chat?n={n}", ["a"], name="chat")])
            for n in range(200)
        ]
    )


@pytest.fixture
def compared(trace, answering, tmp_path):
    def compare(*ways, keeps="shape", mode="paired", options=None, **asked):
        targets = [Target(url=answering(way), name=f"{way}-{n}") for n, way in enumerate(ways)]
        question = Question(answers=AnswersQuestion(keeps, **asked))
        return compare_targets(
            trace, targets, options or RunOptions(), mode, question, out=tmp_path / "out"
        ).verdict

    return compare


def named(verdict):
    return {(one.name, one.aspect, one.path) for one in verdict.answers.differences}


@pytest.mark.parametrize(
    ("way", "keeps", "difference"),
    [
        ("lacks_price", "shape", ("search", "shape", "/items/*/price")),
        ("lacks_stock", "shape", ("search", "shape", "/items/*/stock")),
        ("price_is_text", "shape", ("search", "shape", "/items/*/price")),
        ("other_owner", "values", ("search", "value", "/owner")),
        ("turned", "values", ("search", "order", "/items")),
        ("fails", "shape", ("search", "status", None)),
        ("html", "shape", ("search", "content", None)),
        ("cut_off", "shape", ("chat", "finish_reasons", None)),
        ("pads", "shape", ("search", "size", None)),
    ],
)
def test_what_differs_in_one_answer_of_33_is_named_and_what_is_random_is_not(compared, way, keeps, difference):
    verdict = compared("plain", way, keeps=keeps)

    found = verdict.answers
    assert difference in named(verdict)
    assert not RANDOM & {path for _, _, path in named(verdict)}
    assert found.verdict == "different"
    one = next(one for one in found.differences if (one.name, one.aspect, one.path) == difference)
    if way != "pads":
        assert (one.count, one.n) == (6, 200)


def test_two_servers_that_answer_alike_are_called_so(compared, tmp_path):
    verdict = compared("plain", "plain", keeps="values")

    assert verdict.answers.verdict != "different"
    assert {one.path for one in verdict.answers.noise} >= RANDOM
    assert msgspec.json.decode((tmp_path / "out" / "verdict.json").read_bytes(), type=CompareVerdict) == verdict


def test_a_value_is_shown_only_if_values_were_asked_for_and_stands_in_no_record(compared, tmp_path):
    verdict = compared("plain", "other_owner", keeps="values")

    (one,) = [one for one in verdict.answers.differences if one.path == "/owner"]
    assert (one.example_a, one.example_b) == ('"Ada"', '"Eve"')
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file() and path.name != "verdict.json":
            assert b'"Eve"' not in path.read_bytes(), path
            assert b"sku-" not in path.read_bytes(), path


def test_without_values_no_file_holds_any(compared, tmp_path):
    compared("plain", "lacks_price")

    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            assert b'"Ada"' not in path.read_bytes(), path


def test_the_first_target_is_asked_again_in_a_run_of_its_own_that_changes_no_figure(compared, tmp_path):
    verdict = compared("plain", "plain")

    again = read_answers(tmp_path / "out" / "plain-0-again")
    assert len({answer.session for answer in again.answers}) == 200
    assert [target.runs for target in verdict.targets] == [["plain-0"], ["plain-1"]]
    assert verdict.answers.asked_again == 200
    assert "asked 200 of 200 sessions again, after the comparison" in verdict.answers.notes[0]


def test_sequential_rounds_ask_the_first_twice_anyway(compared, tmp_path):
    verdict = compared("plain", "lacks_price", mode="sequential")

    assert ("search", "shape", "/items/*/price") in named(verdict)
    assert not (tmp_path / "out" / "plain-0-again").exists()


def test_interleaved_sessions_are_asked_of_the_first_too(compared, tmp_path):
    verdict = compared("plain", "lacks_price", mode="interleaved", options=RunOptions(knobs=Knobs(scale=3)))

    assert verdict.answers.sessions == 300
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == {
        "plain-0", "lacks-price-1", "plain-0-answers", "plain-0-again",
    }  # fmt: skip


def test_the_first_is_held_to_each_further_target(compared):
    verdict = compared("plain", "plain", "lacks_price")

    assert verdict.answers.verdict != "different"
    assert ("search", "shape", "/items/*/price") in named(verdict.further[0])


def test_runs_that_were_made_are_judged_by_their_record(compared, tmp_path):
    compared("plain", "lacks_price", keeps="values")
    runs = [tmp_path / "out" / "plain-0", tmp_path / "out" / "lacks-price-1"]

    shapes = compare_runs(runs, Question(answers=AnswersQuestion()))
    values = compare_runs(runs, Question(answers=AnswersQuestion("values")))

    assert named(shapes) == {("search", "shape", "/items/*/price")}
    assert ("search", "shape", "/items/*/price") in named(values)
    (one,) = [one for one in values.answers.differences if one.aspect == "shape"]
    assert one.example_a is None


def test_a_run_without_a_record_of_answers_is_refused(compared, trace, answering, tmp_path):
    compared("plain", "plain")
    compare_targets(trace, [Target(url=answering("plain"), name="x")], RunOptions(), out=tmp_path / "other")

    with pytest.raises(RunDirError, match=r"x: recorded no answers\. Make the run with --answers"):
        compare_runs(
            [tmp_path / "out" / "plain-0", tmp_path / "other" / "x"], Question(answers=AnswersQuestion())
        )


def test_the_command_says_so_and_fails_if_asked_to(trace, answering, tmp_path):
    asked = ["compare", str(trace), "-t", answering("plain"), "-t", answering("lacks_price"), "--speed", "2"]
    files = ["--markdown", str(tmp_path / "x.md"), "--junit", str(tmp_path / "x.xml")]

    result = CliRunner().invoke(
        cli, [*asked, *files, "--out", str(tmp_path / "out"), "--fail-if-different", "--answers"]
    )

    assert result.exit_code == 1
    said = " ".join(result.stdout.split())
    assert (
        "answers differ: tool:search lacks /items/*/price in 6 of 200 answers (3%, 95% interval 1.11% to 6.42%)"
        in said
    )
    assert "lacks /items/&#42;/price" in (tmp_path / "x.md").read_text()
    assert 'type="different"' in (tmp_path / "x.xml").read_text()


def test_the_command_refuses_to_fail_for_what_it_does_not_look_at(trace):
    result = CliRunner().invoke(cli, ["compare", str(trace), "-t", "a", "-t", "b", "--fail-if-different"])

    assert result.exit_code == 2
    assert "add --answers" in result.output
