"""What is said of answers that differ, in a sentence. Names and paths in it come from targets: clean it to show it."""

from replay.judge.answers.types import AnswerDifference, AnswersVerdict
from replay.words.numbers import exact, number


def subject(found: AnswerDifference) -> str:
    return f"{found.kind}:{found.name}"


def what_differs(found: AnswerDifference) -> str:
    """What the second target does otherwise: `lacks /items/*/price`."""
    path = found.path or "the document"
    match found.aspect:
        case "shape" if found.b is None or (found.a is not None and _is_more_absent(found.b, found.a)):
            some = "" if found.b is None else " in some elements"
            return f"lacks {path}{some}"
        case "shape" if found.a is None or _is_more_absent(found.a, found.b or ""):
            some = "" if found.a is None else " in elements that had none"
            return f"has {path} in addition{some}"
        case "shape":
            return f"has {_or(found.b)} in place of {_or(found.a)} at {path}"
        case "value" if found.example_a is not None and found.example_b is not None:
            return f"has {found.example_b} in place of {found.example_a} at {path}"
        case "value":
            return f"has other values at {path if found.path else 'its text'}"
        case "order":
            return f"has {path} in another order"
        case "size":
            return f"is of another size: {found.b} bytes against {found.a} in the median"
        case _:
            words = {"status": "status", "content": "content", "tool_names": "tools", "finish_reasons": "ends"}
            return f"answers {words[found.aspect]} {found.b or 'none'} in place of {found.a or 'none'}"


def how_often(found: AnswerDifference, confidence: float) -> str:
    """`in 6 of 200 answers (3%, 95% interval 1.1% to 6.4%)`."""
    said = f"in {found.count:,} of {found.n:,} answers ({number(found.share_percent)}%"
    if found.ci_percent is not None:
        low, high = found.ci_percent
        said += f", {exact(100 * confidence)}% interval {number(low)}% to {number(high)}%"
    return said + ")"


def sentence_of(found: AnswerDifference, confidence: float) -> str:
    said = f"{subject(found)} {what_differs(found)} {how_often(found, confidence)}"
    if found.noise_percent:
        said += f"; the first differs from itself there in {number(found.noise_percent)}%"
    return said


def headline(verdict: AnswersVerdict) -> str:
    """The verdict on answers in one sentence."""
    if verdict.verdict == "different" and verdict.differences:
        rest = len(verdict.differences) - 1
        more = f", and {rest} more" if rest else ""
        return f"answers differ: {sentence_of(verdict.differences[0], verdict.confidence)}{more}"
    reasons = "; ".join(verdict.reasons)
    what = "status, shape and values" if verdict.keeps == "values" else "status and shape"
    opening = f"answers are the same in {what}" if verdict.verdict == "same" else "answers: inconclusive"
    return f"{opening}: {reasons}" if reasons else opening


def _is_more_absent(types: str, others: str) -> bool:
    """Whether the one are the others, but for elements in which there is nothing."""
    return set(types.split("|")) - set(others.split("|")) == {"absent"} and set(others.split("|")) < set(
        types.split("|")
    )


def _or(types: str | None) -> str:
    return "nothing" if types is None else types.replace("|", " or ")
