"""Verdicts as GitHub-flavoured Markdown, for a comment on a pull request or a job summary.

Names come from traces and targets, so they may be anything. Every character with a meaning in Markdown or HTML
is written as a numeric entity, which CommonMark (section 2.5) never takes for structure; a mention or an issue
number is found by GitHub later, in the rendered text, so those are broken with a zero-width space.
"""

from collections.abc import Iterable, Sequence

from replay.judge.answers.types import AnswersVerdict
from replay.judge.types import Check, CompareVerdict, Difference, GateVerdict
from replay.report.words import answers
from replay.report.words import verdicts as words
from replay.words.names import clean, printable
from replay.words.numbers import count, exact
from replay.words.phrases import counted

MARKS = {"pass": "✅", "fail": "❌", "inconclusive": "⚠️"}
_COMPARE_MARKS = {"a_faster": "❌", "b_faster": "✅", "no_difference": "✅", "inconclusive": "⚠️"}
_ENTITIES = {ord(c): f"&#{ord(c)};" for c in "&<>|`*_[]~\\!$"} | {
    ord("@"): "@&#8203;",
    ord("#"): "#&#8203;",
}
# Longer tables are folded away, so that a comment stays short.
_ROWS_OPEN = 8
_NOTES_SHOWN = 20


def gate_markdown(verdict: GateVerdict) -> str:
    """A gate's verdict: the headline, a table of SLOs, reasons and notes."""
    parts = [f"### {MARKS[verdict.verdict]} replay gate: {escaped(words.gate_headline(verdict))}"]
    about = " → ".join(f"**{escaped(clean(name))}**" for name in (verdict.trace, verdict.target) if name)
    if verdict.baselines:
        about += ", compared with " + ", ".join(escaped(clean(name)) for name in verdict.baselines)
    if about:
        parts.append(about)
    if verdict.checks:
        parts.append(_gate_table(verdict.checks))
    reasons = [
        f"- {MARKS[check.verdict]} {escaped(words.sentence(check.slo))}: {escaped(words.why(check))}"
        for check in verdict.checks
        if (check.verdict != "pass" or check.decided_early) and words.why(check)
    ]
    if reasons:
        parts.append("\n".join(reasons))
    parts += notes_list(verdict.notes)
    return "\n\n".join(parts) + "\n"


def compare_markdown(verdict: CompareVerdict) -> str:
    """A comparison: the headline, who is who, a table of differences and notes; then each further target's."""
    return "\n".join(_comparison(one) for one in (verdict, *verdict.further))


def error_markdown(command: str, why: str) -> str:
    """A headline that says that the command has no verdict, and why."""
    return f"### ❌ replay {command}: no verdict\n\n{escaped(words.sentence(why))}\n"


def _comparison(verdict: CompareVerdict) -> str:
    mark = _COMPARE_MARKS[verdict.verdict]
    parts = [f"### {mark} replay compare: {escaped(words.compare_headline(verdict))}"]
    if verdict.verdict in ("inconclusive", "no_difference") and verdict.reasons:
        parts.append("\n".join(f"- {escaped(words.sentence(reason))}" for reason in verdict.reasons))
    sides = []
    for target in verdict.targets:
        line = f"- **{escaped(clean(target.label))}** is {escaped(clean(target.name))}"
        if target.failed:
            line += f", {count(target.failed)} of {counted(target.steps, 'step')} failed"
        sides.append(line)
    if sides:
        parts.append("\n".join(sides))
    margin = f"differences within ±{exact(verdict.margin_percent)}% count as equal"
    parts.append(f"{words.how(verdict)}; {margin}.")
    if floor := words.noise_floor(verdict):
        parts.append(f"**{escaped(floor)}**")
    if verdict.differences:
        parts.append(_difference_table(verdict))
    if verdict.answers is not None:
        parts += _answers(verdict.answers)
    parts += notes_list(verdict.notes)
    return "\n\n".join(parts) + "\n"


def _answers(verdict: AnswersVerdict) -> list[str]:
    """Whether the answers are the same."""
    parts = [f"#### {answers.MARKS[verdict.verdict]} {escaped(answers.headline(verdict))}"]
    if reasons := answers.reasons(verdict):
        parts.append("\n".join(f"- {escaped(reason)}" for reason in reasons))
    for heads, rows, what in (
        (
            answers.DIFFERENCE_HEADS,
            answers.difference_rows([*verdict.differences, *verdict.undecided]),
            "differences",
        ),
        (*answers.step_table(verdict), "step names"),
    ):
        if rows:
            parts.append(markdown_table(heads, [tuple(map(escaped, row)) for row in rows], left=2, what=what))
    notes = [answers.noise_line(verdict), *answers.left_out(verdict)]
    parts.append("\n".join(f"- {escaped(note)}" for note in notes if note))
    return [part for part in parts if part]


def _gate_table(checks: Sequence[Check]) -> str:
    heading = words.confidence_heading([check.confidence for check in checks])
    rows = [
        (
            MARKS[check.verdict],
            escaped(words.sentence(check.slo)),
            words.observed(check),
            words.limit(check),
            escaped(words.check_interval(check)),
            words.sample_size(check),
        )
        for check in checks
    ]
    return markdown_table(("", "SLO", "observed", "limit", heading, "n (sessions)"), rows, left=2, what="SLOs")


def _difference_table(verdict: CompareVerdict) -> str:
    a, b = (escaped(label) for label in words.labels(verdict))
    differences = words.ordered(verdict.differences)
    heading = words.confidence_heading([difference.confidence for difference in differences])
    heads = ("", a, b, f"{b} − {a}", "%", heading, "p (adjusted)", f"{b} is")
    return markdown_table(heads, [_difference_row(d) for d in differences], left=1, what="differences")


def _difference_row(difference: Difference) -> tuple[str, ...]:
    return (
        escaped(words.subject(difference)),
        *words.difference_values(difference),
        words.difference_delta(difference),
        words.signed_percent(difference.delta_percent),
        escaped(words.difference_interval(difference)),
        escaped(words.p_value(difference)),
        words.b_is(difference),
    )


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int, what: str) -> str:
    rules = [":--" if number < left else "--:" for number in range(len(heads))]
    table = "\n".join(_line(cells) for cells in (heads, rules, *rows))
    if len(rows) <= _ROWS_OPEN:
        return table
    return f"<details>\n<summary>{len(rows)} {what}</summary>\n\n{table}\n\n</details>"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def notes_list(notes: Sequence[str]) -> list[str]:
    lines = [f"- {escaped(words.sentence(note))}" for note in notes[:_NOTES_SHOWN]]
    if len(notes) > _NOTES_SHOWN:
        lines.append(f"- and {len(notes) - _NOTES_SHOWN} more; see verdict.json")
    return ["Notes:\n\n" + "\n".join(lines)] if lines else []


def escaped(text: str) -> str:
    """Text that means nothing to Markdown or HTML, mentions nobody, and stays on its line."""
    return printable(text).translate(_ENTITIES).replace("://", "&#58;//").replace("www.", "www&#46;")
