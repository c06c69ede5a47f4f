"""The pilot's answers held to those of an experienced engineer, each from a trace that is simulated here."""

import pytest

from tests.trials.pilot.answering import answers
from tests.trials.pilot.cases import CASES, Case
from tests.trials.pilot.decisions import main


@pytest.fixture(scope="module")
def answer_of(request):
    """The answer of each case that is asked for in this session, all of them begun at once."""
    asked = {
        item.callspec.params["case"].name
        for item in request.session.items
        if item.path == request.path and "answer_of" in item.fixturenames
    }
    with answers([case for case in CASES if case.name in asked]) as known:
        yield known


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_answer_is_what_an_engineer_would_give(case: Case, answer_of):
    verdict = answer_of[case.name].result().read

    said = " ".join([verdict.answer, *verdict.reasons, *verdict.doubts])
    assert verdict.verdict in case.right, said
    assert case.on is None or case.on in verdict.answer
    assert all(words in said for words in case.says), said
    assert not any(words in said for words in case.never), said


def test_a_word_that_no_case_has_in_its_name_is_said_with_the_names(capsys):
    assert main(["no-such-case", "nor-this"]) == 2

    said = capsys.readouterr().err
    assert said.startswith("No case has no-such-case or nor-this in its name; the names are: ")
    assert CASES[0].name in said
