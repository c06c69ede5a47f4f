"""What a command may conclude, the exit code for it, and what that code says; the same for every command."""

from typing import Literal

Conclusion = Literal["done", "pass", "fail", "inconclusive", "not_carried_out", "interrupted"]

EXIT_CODES: dict[Conclusion, int] = {
    "done": 0,
    "pass": 0,
    "fail": 1,
    "inconclusive": 3,
    "not_carried_out": 4,
    "interrupted": 130,
}
EXIT_BAD_INPUT = 2

MEANINGS: dict[Conclusion, str] = {
    "done": "done",
    "pass": "pass",
    "fail": "fail",
    "inconclusive": "inconclusive: too little was seen to tell",
    "not_carried_out": "could not be carried out: target unreachable, disk full, ...",
    "interrupted": "interrupted; what was recorded is kept",
}
BAD_INPUT = "bad usage or bad input"
