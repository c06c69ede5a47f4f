"""`./scripts/bench`: measure the scenarios that are asked for, and print the table of docs/performance.md.

Every client has the first core to itself, the server has the last; the clients take turns, so that a drift of the
machine's speed meets all of them. Figures are medians of the rounds, with their range. A ratio counts only beside
the noise floor that stands first in the table.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.peers import PEERS
from benchmarks.peers.ours import OURS
from benchmarks.scenarios import SCENARIOS
from benchmarks.scenarios.types import Setting
from benchmarks.table import Row, markdown

# About a minute for all of it, for whoever wants to see that it works.
QUICK_SECONDS, QUICK_SHARE = 0.2, 0.02


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns of each client (default: 3)")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long a turn is (default: 4)")
    parser.add_argument(
        "--only", nargs="+", choices=list(SCENARIOS), metavar="SCENARIO", help=_names(SCENARIOS)
    )
    parser.add_argument(
        "--beside",
        nargs="*",
        choices=[peer.name for peer in PEERS if peer is not OURS],
        metavar="PEER",
        help=f"{_names([peer.name for peer in PEERS if peer is not OURS])} (default: all that are installed)",
    )
    parser.add_argument("--quick", action="store_true", help="one short round: that it works, not how fast")
    parser.add_argument(
        "--steps", type=int, default=1_000_000, help="how long the run of `long` is (default: 1,000,000)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every round's figures here")
    return parser.parse_args(arguments)


def _names(names: Any) -> str:
    return ", ".join(f'"{name}"' if " " in name else name for name in names)


def main(arguments: list[str] | None = None) -> None:
    chosen = parsed(arguments)
    wanted = [peer for peer in PEERS if peer is OURS or chosen.beside is None or peer.name in chosen.beside]
    peers = [peer for peer in wanted if peer.is_here()]
    for peer in wanted:
        if peer not in peers:
            print(f"{peer.name} is not installed and is left out: {peer.install}", file=sys.stderr)
    rows: list[Row] = []
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(chosen.rounds, chosen.seconds, Path(folder), peers, steps=chosen.steps)
        if chosen.quick:
            setting = Setting(1, QUICK_SECONDS, Path(folder), peers, QUICK_SHARE, chosen.steps)
        for name in chosen.only or SCENARIOS:
            print(f"measuring: {name}", file=sys.stderr)
            measured = SCENARIOS[name](setting)
            rows += measured.rows
            figures[name] = measured.figures
    print(markdown(rows))
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
