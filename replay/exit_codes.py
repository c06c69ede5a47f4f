"""What a command may conclude, and the exit code for it; the same for every command."""

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
