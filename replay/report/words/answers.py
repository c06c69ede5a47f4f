"""What a comparison says of answers, on the terminal, in Markdown and on a page: the same words and rows in each.

Names, paths, statuses and examples come from targets. Here they are cleaned and shortened; each page escapes them.
"""

from collections.abc import Mapping, Sequence

from rich.console import Console

from replay.judge.answers import sentences
from replay.judge.answers.types import AnswerDifference, AnsweredSide, AnsweredStep, AnswersVerdict
from replay.report.plain import Table, Text, fitted
from replay.words.names import clean
from replay.words.numbers import count, number
from replay.words.phrases import counted

_SENTENCE_LENGTH = 600
_NAME_LENGTH = 80
_MOST_COUNTS = 4
_MOST_NOISE = 10
_MOST_UNDECIDED = 5
_STYLES = {"different": "red", "inconclusive": "yellow", "same": "green"}
MARKS = {"different": "❌", "inconclusive": "⚠️", "same": "✅"}

_STEP_HEADS = ("step", "answers", "differ", "status", "content", "bytes (median)", "ends", "tools")
DIFFERENCE_HEADS = ("step", "b", "", "answers", "interval", "a differs from itself", "p (adjusted)")


def headline(verdict: AnswersVerdict) -> str:
    return clean(sentences.headline(verdict), _SENTENCE_LENGTH)


def reasons(verdict: AnswersVerdict) -> list[str]:
    """Why, where the headline does not say it all."""
    if verdict.verdict == "different":
        return [clean(reason, _SENTENCE_LENGTH) for reason in verdict.reasons[1:]]
    return []


def _undecided(verdict: AnswersVerdict) -> list[str]:
    return [
        clean(f"{sentences.sentence_of(one, verdict.confidence)}, which may be chance", _SENTENCE_LENGTH)
        for one in verdict.undecided[:_MOST_UNDECIDED]
    ]


def difference_rows(found: Sequence[AnswerDifference]) -> list[tuple[str, ...]]:
    """A row for each, under DIFFERENCE_HEADS. Only one that is undecided says so."""
    return [
        (
            clean(sentences.subject(one), _NAME_LENGTH),
            clean(sentences.what_differs(one), 200),
            "" if one.standing == "different" else "may be chance",
            f"{count(one.count)} of {count(one.n)} ({number(one.share_percent)}%)",
            "–" if one.ci_percent is None else f"[{number(one.ci_percent[0])}%, {number(one.ci_percent[1])}%]",
            "–" if one.noise_percent is None else f"{number(one.noise_percent)}%",
            "–" if one.p_adjusted is None else "<0.001" if one.p_adjusted < 0.001 else number(one.p_adjusted),
        )
        for one in found
    ]


def step_table(verdict: AnswersVerdict) -> tuple[list[str], list[list[str]]]:
    """Heads, and a row for each step name; where both sides have the same, it is told once, and what none has is left
    out.
    """
    rows = [
        (
            clean(f"{step.kind}:{step.name}", _NAME_LENGTH),
            _pairs(step),
            count(step.differing) if step.differing else f"0 (≤ {number(step.at_most_percent or 0.0)}%)",
            _both(_counts(step.a.statuses), _counts(step.b.statuses)),
            _both(_counts(step.a.contents), _counts(step.b.contents)),
            _both(_size(step.a), _size(step.b)),
            _both(_counts(step.a.finish_reasons), _counts(step.b.finish_reasons)),
            _both(_counts(step.a.tool_names), _counts(step.b.tool_names)),
        )
        for step in verdict.steps
    ]
    kept = [n for n in range(len(_STEP_HEADS)) if any(row[n] for row in rows)]
    return [_STEP_HEADS[n] for n in kept], [[row[n] for n in kept] for row in rows]


def noise_line(verdict: AnswersVerdict) -> str | None:
    """What is random in the first target's own answers, and so was not counted against the second."""
    if not verdict.noise:
        return None
    named = [
        clean(
            f"{sentences.subject(one)} {one.path if one.path is not None else one.aspect}"
            + ("" if one.aspect in ("shape", "value", one.path) or one.path is None else f" ({one.aspect})")
            + ("" if not one.noise_percent else f" {number(one.noise_percent)}%"),
            2 * _NAME_LENGTH,
        )
        for one in verdict.noise[:_MOST_NOISE]
    ]
    rest = len(verdict.noise) - len(named)
    more = f", and {rest} more" if rest > 0 else ""
    return f"noise, not counted against b (how often a differs from itself): {', '.join(named)}{more}"


def left_out(verdict: AnswersVerdict) -> list[str]:
    notes = [clean(note, _SENTENCE_LENGTH) for note in verdict.notes]
    if verdict.left_out:
        notes.append(
            "not listed: "
            + counted(verdict.left_out, "more difference or noisy path", "more differences and noisy paths")
        )
    return notes


def _pairs(step: AnsweredStep) -> str:
    unanswered = step.a.unanswered + step.b.unanswered
    return count(step.pairs) + (f", {count(unanswered)} without" if unanswered else "")


def _counts(found: Mapping[str, int]) -> str:
    if len(found) == 1:
        return clean(next(iter(found)))
    shown = [f"{clean(name, 40)} ×{count(n)}" for name, n in list(found.items())[:_MOST_COUNTS]]
    return ", ".join(shown) + (", …" if len(found) > _MOST_COUNTS else "")


def _size(side: AnsweredSide) -> str:
    return "" if side.median_bytes is None else count(side.median_bytes)


def _both(a: str, b: str) -> str:
    return a if a == b else f"{a or '–'} → {b or '–'}"


def print_answers(verdict: AnswersVerdict, console: Console) -> None:
    """Print the verdict on answers: the headline, what else differs, a row for each step name, noise."""
    style = _STYLES[verdict.verdict]
    console.print(Text(headline(verdict), style=f"bold {style}"))
    for reason in reasons(verdict):
        console.print(Text(f"and {reason}", style=style))
    if verdict.verdict == "different":
        for line in _undecided(verdict):
            console.print(Text(f"undecided: {line}", style="yellow"))
    if verdict.steps:
        console.print()
        console.print(fitted(_table(*step_table(verdict)), console, folds=True))
    if (noise := noise_line(verdict)) is not None:
        console.print(Text(noise, style="dim"))
    for note in left_out(verdict):
        console.print(Text(f"note: {note}", style="dim"))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for n, head in enumerate(heads):
        table.add_column(Text(head), overflow="fold", justify="right" if n else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
