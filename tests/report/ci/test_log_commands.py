"""Nothing that is printed commands a CI system, wherever it came from and however it is cut."""

import itertools
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from replay.report.ci.log_commands import CommandBreaker, is_read_for_commands, without_commands

PIECES = st.sampled_from(
    [
        ":",
        "::",
        "#",
        "##[",
        "##vso[",
        "[",
        "vso",
        " ",
        "\n",
        "\r",
        "\u3000",
        "\x1b[1m",
        "\u0301",
        "\u200b",
        "é",
        "a",
    ]
)


def is_command(line):
    """As the runners see a line, at their most generous: what is not ASCII may count for nothing."""
    seen = re.sub(r"\x1b\[[0-9;]*m|[^ -~]", "", line)
    return seen.lstrip().startswith("::") or any(found in seen for found in ("##[", "##vso[", "##teamcity["))


@given(st.lists(PIECES), st.lists(st.integers(0, 30)))
@example([":", ":"], [1])
@example(["#", "#", "["], [1, 2])
@example([":", "\x1b[1m", ":"], [])
@example([":", "\x1b[1m", ":"], [1, 3, 5])
@example(["#", "\x1b[1m", "#", "\x1b[1m", "["], [])
def test_no_line_is_a_command_however_the_text_is_cut(pieces, cuts):
    text, breaker = "".join(pieces), CommandBreaker()
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    parts = [text[start:end] for start, end in itertools.pairwise(places)]

    told = "".join(map(breaker.broken, parts))

    assert not any(map(is_command, re.split(r"[\r\n]", told)))
    assert told.replace("\\", "") == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("::error file=a::b\n", ":\\:error file=a::b\n"),
        ("one\n \x1b[1m::add-mask::e", "one\n \x1b[1m:\\:add-mask::e"),
        ("a ##[error]b ##vso[task.x]y", "a ##\\[error]b ##vso\\[task.x]y"),
        ("p99 ::debug:: # [x] C::D", "p99 ::debug:: # [x] C::D"),
    ],
)
def test_a_command_stays_readable_and_all_else_is_as_it_was(text, told):
    assert without_commands(text) == told


def test_a_line_without_end_costs_no_more_for_each_part():
    breaker = CommandBreaker()

    for _ in range(50):
        assert breaker.broken("x" * 1000) == "x" * 1000
    assert breaker.broken("::error::") == "::error::"
    assert breaker.broken("\n:") + breaker.broken(":error::") == "\n:\\:error::"


def test_only_a_system_that_looks_for_commands_is_kept_from_them():
    assert is_read_for_commands({"GITHUB_ACTIONS": "true"})
    assert is_read_for_commands({"TF_BUILD": "True"})
    assert not is_read_for_commands({"CI": "true", "GITHUB_ACTIONS": ""})
