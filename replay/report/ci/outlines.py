"""A verdict in outline for CI: as Markdown, as JUnit XML, and as annotations of GitHub Actions."""

from replay.report.ci.github import LEVELS, annotation
from replay.report.ci.junit import Suite
from replay.report.ci.markdown import MARKS, escaped, markdown_table, notes_list
from replay.report.words import verdicts as words
from replay.report.words.outlines import Outline


def outline_markdown(found: Outline) -> str:
    headline = escaped(words.sentence(found.headline))
    parts = [f"### {MARKS[found.verdict]} replay {found.command}: {headline}"]
    if found.about:
        parts.append(f"**{escaped(found.about)}**")
    if found.reasons:
        parts.append("\n".join(f"- {escaped(words.sentence(reason))}" for reason in found.reasons))
    for heads, rows in found.tables:
        if rows:
            shown = [tuple(map(escaped, row)) for row in rows]
            parts.append(markdown_table(heads, shown, left=1, what="rows"))
    parts += notes_list(found.notes)
    return "\n\n".join(parts) + "\n"


def outline_junit(found: Outline, strict: bool = False) -> str:
    """A test suite with a test case for each case. strict: inconclusive is a failure, else it is skipped."""
    suite = Suite(f"replay {found.command}", found.about or f"replay {found.command}")
    reasons = "\n".join(map(words.sentence, found.reasons))
    for one in found.cases:
        case = suite.case(one.name, words.sentence(one.says))
        if one.verdict == "fail" or (strict and one.verdict == "inconclusive"):
            suite.fail(case, words.sentence(one.says), one.verdict, reasons)
        elif one.verdict == "inconclusive":
            suite.skip(case, words.sentence(one.says))
    return suite.text()


def outline_annotations(found: Outline) -> list[str]:
    reasons = "; ".join(map(words.sentence, found.reasons))
    said = words.sentence(found.headline) + (f" ({reasons})" if reasons else "")
    return [annotation(LEVELS[found.verdict], f"replay {found.command}", said)]
