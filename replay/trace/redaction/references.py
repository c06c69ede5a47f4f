"""What a value tells of itself: that it only refers to a secret, that it is a word, or was drawn at random. Pure."""

import re

is_reference = re.compile(
    r"\$.*|%[\w(].*|\{\{.*|<.*|\*+|\.{3}|redacted|none|null|nil|true|false|undefined|string|str|int"
    r"|(?:self|os|process|config|settings|args|opts|options|request|req|env|ENV|this|import\.meta|secrets|vars)[.\[].*",
    re.IGNORECASE | re.DOTALL,
).fullmatch
"""Whether a value only refers to a secret, or says that there is none."""

is_word = re.compile(r"[a-z][a-z_]{0,24}|[A-Z][a-z]{0,24}|[A-Z][A-Z_]{0,24}").fullmatch
"""Whether a value is a word, or a name of one, as a field's or an option's."""

_SHORTEST_RANDOM = 12
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE).search
_RUN = re.compile(rf"[A-Za-z0-9]{{{_SHORTEST_RANDOM},}}")
_TURN_OF_DIGITS = re.compile(r"(?<=[0-9])(?=[A-Za-z])|(?<=[A-Za-z])(?=[0-9])")
_TURN_OF_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[a-z])")
# Names that people write turn from digits to letters, or from small to capital ones, at a third of their places at
# most ("ResetPasswordPage2024"). Drawn at random, 97 of 100 words of 16 digits in base 62 or 16 turn more often, 99 of
# 20, and in base 32 71 of 16, 92 of 24 (tests/trace/redaction/test_references.py).
_LEAST_TURNS = 0.34
_FEWEST_OF_DIGITS = 4


def is_random(value: str) -> bool:
    """Whether a value looks drawn at random: a UUID, or letters and digits in no order that a name has."""
    if _UUID(value):
        return True
    for run in _RUN.findall(value):
        of_digits, of_case = len(_TURN_OF_DIGITS.findall(run)), len(_TURN_OF_CASE.findall(run))
        if of_digits >= _FEWEST_OF_DIGITS or of_digits + of_case >= _LEAST_TURNS * len(run):
            return True
    return False
