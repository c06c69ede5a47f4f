"""What is said of answers: the fields of `answers` in a comparison's verdict.json.

Shares are percent where the name says so. Names, paths and statuses come from targets, and are to be escaped wherever
they are shown. Absent is None.
"""

from typing import Literal

import msgspec

AnswersDecision = Literal["same", "different", "inconclusive"]
Aspect = Literal["status", "content", "shape", "value", "order", "finish_reasons", "tool_names", "size"]
"""What of an answer differs. shape: whether a path is there, and its types. order: of an array; its values are the
same. content: what the body is (JSON, text, a stream's layout, nothing).
"""

Standing = Literal["different", "undecided", "noise"]


class AnswerDifference(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One aspect in which answers of one step name differ.

    path: of the JSON, as a pointer in which `*` stands for every element. a, b: what the first and the second answer
    where they differ, in the most frequent way; None: nothing there, or not to be told. example_a, example_b: values,
    shortened and without secrets, where values were asked for.
    count: answers in which the second alone is different (the first gave twice what the second did not), of n pairs
    from so many sessions; share_percent and ci_percent: their share, with its interval at the verdict's confidence.
    noise_percent: the share in which the first differs from itself, over those asked twice: noise_count of noise_n,
    weighted by how they were chosen. p_value: of the second being the odd one so often by chance; p_adjusted:
    corrected for all aspects (Holm). sessions_needed: about as many would decide, if it goes on like this.
    """

    kind: str
    name: str
    aspect: Aspect
    standing: Standing
    path: str | None = None
    a: str | None = None
    b: str | None = None
    example_a: str | None = None
    example_b: str | None = None
    count: int = 0
    n: int = 0
    sessions: int = 0
    share_percent: float = 0.0
    ci_percent: tuple[float, float] | None = None
    noise_count: int = 0
    noise_n: int = 0
    noise_percent: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    sessions_needed: int | None = None


class AnsweredSide(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What one side answered to one step name. unanswered: steps that brought no whole answer. statuses, contents,
    finish_reasons, tool_names: how many answers had each. median_bytes: of the bodies.
    """

    answers: int = 0
    unanswered: int = 0
    statuses: dict[str, int] = {}
    contents: dict[str, int] = {}
    finish_reasons: dict[str, int] = {}
    tool_names: dict[str, int] = {}
    median_bytes: int | None = None


class AnsweredStep(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One step name. pairs: steps that both sides answered, of so many sessions. differing: pairs in which the second
    alone is different in something that is no noise. at_most_percent: where there is none, the largest share of
    sessions with one that is still possible at the verdict's confidence.
    """

    kind: str
    name: str
    pairs: int
    sessions: int
    a: AnsweredSide
    b: AnsweredSide
    differing: int = 0
    at_most_percent: float | None = None


class AnswersVerdict(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Whether the second target answers as the first does. same: a difference in margin_percent of the sessions or more
    is excluded at the confidence. keeps: what was compared, shapes or values too.

    pairs: answers compared, of so many sessions. asked_again: sessions that the first target was asked twice;
    unanswered: steps that at least one side gave no whole answer to. left_out: differences, or noise, that are not
    listed.
    """

    verdict: AnswersDecision
    reasons: list[str]
    keeps: str
    confidence: float
    margin_percent: float
    pairs: int = 0
    sessions: int = 0
    asked_again: int = 0
    unanswered: int = 0
    steps: list[AnsweredStep] = []
    differences: list[AnswerDifference] = []
    undecided: list[AnswerDifference] = []
    noise: list[AnswerDifference] = []
    left_out: int = 0
    notes: list[str] = []
