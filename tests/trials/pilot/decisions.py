"""Print what a pilot answers for each known case beside what is right: change a constant, and see which answers flip."""

import sys

from replay.choice.types import PilotVerdict
from tests.trials.pilot.answering import answers
from tests.trials.pilot.cases import CASES, Case


def main(words: list[str]) -> int:
    """Print a row for each case whose name has one of the words. Returns the exit code: 1 where one is wrong, 2 where no
    case has such a name.
    """
    wrong = 0
    asked = [case for case in CASES if not words or any(word in case.name for word in words)]
    if not asked:
        print(
            f"No case has {' or '.join(words)} in its name; the names are: {', '.join(case.name for case in CASES)}.",
            file=sys.stderr,
        )
        return 2
    with answers(asked) as known:
        for case in asked:
            answer = known[case.name].result()
            verdict = answer.read
            is_right = verdict.verdict in case.right and (case.on is None or case.on in verdict.answer)
            wrong += not is_right
            print(_row(case, verdict, is_right=is_right, cpu_s=answer.cpu_s), flush=True)
    return min(wrong, 1)


def _row(case: Case, verdict: PilotVerdict, *, is_right: bool, cpu_s: float) -> str:
    bills = ", ".join(
        f"{plane.target} {'no bill' if plane.cost_month is None else format(plane.cost_month, ',.2f')}"
        for plane in verdict.planes
    )
    deciding = ", ".join(rule.name for rule in verdict.rules if rule.decides)
    return "\n  ".join(
        [
            f"{'right' if is_right else 'WRONG'}  {case.name}: {verdict.verdict} (right: {' or '.join(case.right)})",
            f"by {deciding or 'no rule'}; {bills}; {cpu_s:.1f} s of CPU",
            verdict.answer,
            *([] if verdict.hybrid is None else [verdict.hybrid.text]),
        ]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
