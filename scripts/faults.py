"""Put faults in the way of every command at random instants, and check what they leave behind.

    ./scripts/faults --trials 20 --seed 7 --commands run gate --faults kill full-disk

Everything is bounded: nothing is mounted, no real disk fills, and limits hold for the command under test alone. Each
trial has its seed, and is run again by it: --trials 1 --seed N. Exit code 1 if anything was found.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.faults.commands import COMMANDS
from tests.faults.trials import FAULTS, POWER, Outcome, Target, power_cuts, trial

_CUTS_A_TRIAL = 40
# Of what is as fast as the other, or on a machine that is busy.
_INCONCLUSIVE = 3


def main() -> int:
    asked = _asked()
    target = Target()
    table: dict[tuple[str, str], list[Outcome]] = {}
    with tempfile.TemporaryDirectory(prefix="replay-faults-") as made:
        room = Path(asked.room or made)
        for name in asked.commands:
            command = COMMANDS[name]
            usual = trial(command, "none", 0, room / f"{name}-none", target, 1.0)
            if usual.problems or usual.code not in (0, _INCONCLUSIVE):
                sys.exit(f"{name} ends with {usual.code} without any fault: {usual.problems}")
            for fault in asked.faults:
                found = table.setdefault((name, fault), [])
                for seed in range(asked.seed, asked.seed + asked.trials):
                    folder = room / f"{name}-{fault}-{seed}"
                    if fault == POWER:
                        outcomes = list(power_cuts(command, _CUTS_A_TRIAL, seed, folder, target))
                    else:
                        outcomes = [trial(command, fault, seed, folder, target, usual.took_s)]
                    found += outcomes
                    for outcome in outcomes:
                        for problem in outcome.problems:
                            print(
                                f"{name} {fault} {seed}: {outcome.words}: {problem}",
                                file=sys.stderr,
                                flush=True,
                            )
    _print(table, asked.commands, asked.faults)
    return 1 if any(outcome.problems for found in table.values() for outcome in found) else 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Put faults in the way of every command.")
    parser.add_argument(
        "--trials", type=int, default=3, help="of each command and fault (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--faults", nargs="+", choices=[*FAULTS, POWER], default=[*FAULTS, POWER])
    parser.add_argument("--room", help="where what went wrong is kept (default: nowhere)")
    return parser.parse_args()


def _print(table: dict[tuple[str, str], list[Outcome]], commands: list[str], faults: list[str]) -> None:
    """Trials, and of them those in which something was wrong."""
    print("| command | " + " | ".join(faults) + " |\n|---" + "|---" * len(faults) + "|")
    for name in commands:
        cells = []
        for fault in faults:
            found = table[name, fault]
            wrong = sum(bool(outcome.problems) for outcome in found)
            cells.append(f"{len(found)}" if not wrong else f"{len(found)}, {wrong} wrong")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    sys.exit(main())
