"""Verdicts as JUnit XML, which CI systems show beside the tests.

There is no standard; the elements and attributes are those that Jenkins, GitLab and GitHub's reporters share:
https://github.com/testmoapp/junitxml
"""

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from replay.judge.answers.types import AnswersVerdict
from replay.judge.types import Check, CompareVerdict, Difference, GateVerdict
from replay.report.words import answers
from replay.report.words import verdicts as words
from replay.words.names import clean, printable


def gate_junit(verdict: GateVerdict, strict: bool = False) -> str:
    """A test suite with a test case for each SLO. strict: inconclusive is a failure, else it is skipped."""
    suite = Suite("replay gate", clean(verdict.target or verdict.run or "replay"))
    for check in verdict.checks:
        case = suite.case(words.sentence(check.slo), f"{words.check_figures(check)}\n{words.why(check)}")
        if check.verdict == "fail":
            suite.fail(case, _message(check), "slo", words.check_figures(check))
        elif check.verdict == "inconclusive" and strict:
            suite.fail(case, _message(check), "inconclusive", words.check_figures(check))
        elif check.verdict == "inconclusive":
            suite.skip(case, _message(check))
    if not verdict.checks:
        case = suite.case("gate", words.gate_headline(verdict))
        if strict:
            suite.fail(case, words.gate_headline(verdict), "inconclusive", "")
        else:
            suite.skip(case, words.gate_headline(verdict))
    return suite.text(verdict.elapsed_s, verdict.notes)


def _message(check: Check) -> str:
    reason = words.why(check) or check.verdict
    opening = "inconclusive: " if check.verdict == "inconclusive" else ""
    return f"{opening}{reason} ({words.check_figures(check)})"


def compare_junit(verdict: CompareVerdict) -> str:
    """For each pair of targets a test case for the verdict, one for each metric of all steps, and one for answers.

    b slower (or failing more often, or cold more often) is a failure, inconclusive is skipped. Differences by
    step name are left out: dozens of cases that few would read hide the ones that decide.
    """
    suite = Suite("replay compare", "replay compare")
    for one in (verdict, *verdict.further):
        names = [clean(target.name) for target in reversed(one.targets)]
        suite.classname = " against ".join(names) or "replay compare"
        headline = words.compare_headline(one)
        _settle(
            suite, suite.case(f"verdict: {_metric(one.metric)}", headline), one.verdict, headline, one.reasons
        )
        for difference in one.differences:
            if difference.name is None and difference.kind is None:
                sentence = _sentence(difference)
                case = suite.case(words.subject(difference), sentence)
                _settle(suite, case, difference.verdict, sentence, [difference.reason])
        if one.answers is not None:
            _settle_answers(suite, one.answers)
    notes = dict.fromkeys(note for one in (verdict, *verdict.further) for note in one.notes)
    return suite.text(verdict.elapsed_s, list(notes))


def error_junit(command: str, why: str) -> str:
    """A test suite with one test case, an error: the command has no verdict."""
    suite = Suite(f"replay {command}", f"replay {command}")
    suite.error(suite.case(command, why), words.sentence(why), "not carried out")
    return suite.text()


def _metric(metric: str) -> str:
    return metric.replace("_", ".")


def _settle(suite: "Suite", case: ET.Element, verdict: str, message: str, reasons: list[str]) -> None:
    reason = "; ".join(words.sentence(reason) for reason in reasons)
    if verdict == "a_faster":
        suite.fail(case, message, "slower", reason)
    elif verdict == "inconclusive":
        suite.skip(case, f"{message} ({reason})" if reason else message)


def _settle_answers(suite: "Suite", verdict: AnswersVerdict) -> None:
    headline = answers.headline(verdict)
    case = suite.case("answers", headline)
    if verdict.verdict == "different":
        suite.fail(case, headline, "different", "\n".join(answers.reasons(verdict)))
    elif verdict.verdict == "inconclusive":
        suite.skip(case, headline)


def _sentence(difference: Difference) -> str:
    a, b = words.difference_values(difference)
    delta = f"{words.difference_delta(difference)} ({words.signed_percent(difference.delta_percent)})"
    interval = f"{words.confidence(difference.confidence)} interval {words.difference_interval(difference)}"
    return f"b is {words.b_is(difference)}: {b} against {a}, {delta}, {interval}, p {words.p_value(difference)}"


class Suite:
    """A test suite as it grows."""

    def __init__(self, name: str, classname: str) -> None:
        self.classname = classname
        self._root = ET.Element("testsuites")
        self._suite = ET.SubElement(self._root, "testsuite", name=name)
        self._counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}

    def case(self, name: str, told: str) -> ET.Element:
        case = ET.SubElement(self._suite, "testcase", name=_xml(name), classname=_xml(self.classname))
        ET.SubElement(case, "system-out").text = _xml(told.strip())
        self._counts["tests"] += 1
        return case

    def fail(self, case: ET.Element, message: str, kind: str, told: str) -> None:
        failure = ET.Element("failure", message=_xml(message), type=kind)
        failure.text = _xml(told)
        case.insert(0, failure)
        self._counts["failures"] += 1

    def error(self, case: ET.Element, message: str, kind: str) -> None:
        case.insert(0, ET.Element("error", message=_xml(message), type=kind))
        self._counts["errors"] += 1

    def skip(self, case: ET.Element, message: str) -> None:
        case.insert(0, ET.Element("skipped", message=_xml(message)))
        self._counts["skipped"] += 1

    def text(self, elapsed_s: float | None = None, notes: Sequence[str] = ()) -> str:
        """The document. elapsed_s: how long the runs took that all cases are of; each case has an equal part of it,
        since readers add the cases up. notes: of the whole suite.
        """
        for name, n in self._counts.items():
            self._suite.set(name, str(n))
            self._root.set(name, str(n))
        cases = self._suite.findall("testcase")
        for case in cases:
            case.set("time", str(round((elapsed_s or 0.0) / len(cases), 3)))
        for whole in (self._suite, self._root):
            whole.set("time", str(round(elapsed_s or 0.0, 3)))
        if notes:
            told = "\n".join(f"note: {words.sentence(note)}" for note in notes)
            ET.SubElement(self._suite, "system-out").text = _xml(told)
        ET.indent(self._root)
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(self._root, encoding="unicode") + "\n"


def _xml(text: str) -> str:
    """Text without what XML 1.0 (section 2.2) has no way to write, and what a log viewer would act on."""
    return printable(text, keep="\n")
