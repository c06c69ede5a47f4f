"""What is said of answers: the fields of `answers` in a comparison's verdict.json.

Shares are percent where the name says so. Names, paths and statuses come from targets, and are to be escaped wherever
they are shown. Absent is None.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

AnswersDecision = Literal["same", "different", "inconclusive"]
Aspect = Literal["status", "content", "shape", "value", "order", "finish_reasons", "tool_names", "size"]
"""What of an answer differs. shape: whether a path is there, and its types. order: of an array; its values are the
same. content: what the body is (JSON, text, a stream's layout, nothing).
"""

Standing = Literal["different", "undecided", "noise"]


class AnswerDifference(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One aspect in which answers of one step name differ."""

    kind: Annotated[str, Meta(description="The step's kind.")]
    name: Annotated[str, Meta(description="The step's name.")]
    aspect: Annotated[Aspect, Meta(description="What of the answers differs.")]
    standing: Annotated[
        Standing,
        Meta(
            description=(
                "Whether it is a difference, undecided, or no more than how the first target differs from "
                "itself."
            )
        ),
    ]
    path: Annotated[
        str | None, Meta(description="Where in the JSON, as a pointer in which `*` stands for every element.")
    ] = None
    a: Annotated[
        str | None,
        Meta(
            description=(
                "What the first answers where they differ, in the most frequent way; null: nothing, or not to "
                "be told."
            )
        ),
    ] = None
    b: Annotated[
        str | None,
        Meta(
            description=(
                "What the second answers where they differ, in the most frequent way; null: nothing, or not "
                "to be told."
            )
        ),
    ] = None
    example_a: Annotated[
        str | None,
        Meta(description="A value of the first, shortened and without secrets, where values were asked for."),
    ] = None
    example_b: Annotated[
        str | None,
        Meta(description="A value of the second, shortened and without secrets, where values were asked for."),
    ] = None
    count: Annotated[
        int,
        Meta(
            description=(
                "Answers in which the second alone is different: the first gave twice what the second did not."
            )
        ),
    ] = 0
    n: Annotated[int, Meta(description="Pairs of answers that count is of.")] = 0
    sessions: Annotated[int, Meta(description="How many sessions they come from.")] = 0
    share_percent: Annotated[float, Meta(description="The share of such answers, in percent.")] = 0.0
    ci_percent: Annotated[
        tuple[float, float] | None,
        Meta(description="The interval of that share at the verdict's confidence, in percent."),
    ] = None
    noise_count: Annotated[int, Meta(description="Answers in which the first differs from itself.")] = 0
    noise_n: Annotated[int, Meta(description="Answers that were asked twice, which noise_count is of.")] = 0
    noise_percent: Annotated[
        float | None,
        Meta(
            description=(
                "The share in which the first differs from itself, in percent, weighted by how they were "
                "chosen."
            )
        ),
    ] = None
    p_value: Annotated[
        float | None, Meta(description="The probability that the second is the odd one so often by chance.")
    ] = None
    p_adjusted: Annotated[float | None, Meta(description="The p-value, corrected for all aspects (Holm).")] = (
        None
    )
    sessions_needed: Annotated[
        int | None, Meta(description="About how many sessions would decide, if it goes on like this.")
    ] = None


class AnsweredSide(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What one side answered to one step name."""

    answers: Annotated[int, Meta(description="Whole answers.")] = 0
    unanswered: Annotated[int, Meta(description="Steps that brought no whole answer.")] = 0
    statuses: Annotated[dict[str, int], Meta(description="How many answers had each status.")] = {}
    contents: Annotated[dict[str, int], Meta(description="How many answers had each content.")] = {}
    finish_reasons: Annotated[dict[str, int], Meta(description="How many answers had each finish reason.")] = {}
    tool_names: Annotated[dict[str, int], Meta(description="How many answers called each tool.")] = {}
    median_bytes: Annotated[int | None, Meta(description="The median size of the bodies, in bytes.")] = None


class AnsweredStep(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One step name."""

    kind: Annotated[str, Meta(description="Its kind.")]
    name: Annotated[str, Meta(description="Its name.")]
    pairs: Annotated[int, Meta(description="Steps that both sides answered.")]
    sessions: Annotated[int, Meta(description="How many sessions they come from.")]
    a: Annotated[AnsweredSide, Meta(description="What the first side answered.")]
    b: Annotated[AnsweredSide, Meta(description="What the second side answered.")]
    differing: Annotated[
        int, Meta(description="Pairs in which the second alone differs in something that is not noise.")
    ] = 0
    at_most_percent: Annotated[
        float | None,
        Meta(
            description=(
                "Where none is: the largest share of sessions with one that is still possible, in percent."
            )
        ),
    ] = None


class AnswersVerdict(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Whether the second target answers as the first does."""

    verdict: Annotated[
        AnswersDecision,
        Meta(
            description=(
                "same: a difference in margin_percent of the sessions or more is excluded at the confidence."
            )
        ),
    ]
    reasons: Annotated[list[str], Meta(description="Why, in sentences.")]
    keeps: Annotated[str, Meta(description="What was compared: shapes, or values too.")]
    confidence: Annotated[float, Meta(description="The confidence of what is said.")]
    margin_percent: Annotated[
        float, Meta(description="The share of sessions that may differ in a verdict of same, in percent.")
    ]
    pairs: Annotated[int, Meta(description="Answers that were compared.")] = 0
    sessions: Annotated[int, Meta(description="How many sessions they come from.")] = 0
    asked_again: Annotated[int, Meta(description="Sessions that the first target was asked twice.")] = 0
    unanswered: Annotated[int, Meta(description="Steps to which at least one side gave no whole answer.")] = 0
    steps: Annotated[list[AnsweredStep], Meta(description="The step names, one by one.")] = []
    differences: Annotated[list[AnswerDifference], Meta(description="In what the answers differ.")] = []
    undecided: Annotated[list[AnswerDifference], Meta(description="In what they may differ.")] = []
    noise: Annotated[
        list[AnswerDifference], Meta(description="In what the first target differs from itself as much.")
    ] = []
    left_out: Annotated[int, Meta(description="Differences, or noise, that are not listed.")] = 0
    notes: Annotated[list[str], Meta(description="What a reader must know, in sentences.")] = []
