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
# Base64 for URLs has a mark at each 32nd place on average, names one behind each word.
_PART = re.compile(r"[\w\-]{12,}", re.ASCII)
_PLACES_A_MARK = 8
_WORD_IN_IT = re.compile(r"[A-Z]?[a-z]{2,}+").findall
_HAS_VOWEL = re.compile("[aeiouyAEIOUY]").search
_SHORTEST_WORD = 3
_LEAST_OF_WORDS = 0.5


def is_random(value: str) -> bool:
    """Whether a value looks drawn at random: a UUID, or letters and digits in no order that a name has."""
    if _UUID(value):
        return True
    for run in _RUN.findall(value):
        if _turns(run) or len(_TURN_OF_DIGITS.findall(run)) >= _FEWEST_OF_DIGITS:
            return True
    return any(map(_is_of_base64, _PART.findall(value))) if "-" in value or "_" in value else False


def is_of_words(value: str) -> bool:
    """Whether half of a value or more are words that can be spoken, as in `iPhone12ProMax`."""
    words = [word for word in _WORD_IN_IT(value) if len(word) >= _SHORTEST_WORD and _HAS_VOWEL(word)]
    return sum(map(len, words)) >= _LEAST_OF_WORDS * len(value)


def _is_of_base64(part: str) -> bool:
    """Whether letters of both cases and digits, with a few marks among them, are in no order that a name has."""
    run = part.replace("-", "").replace("_", "")
    if len(run) < _SHORTEST_RANDOM or (len(part) - len(run)) * _PLACES_A_MARK > len(part):
        return False
    is_mixed = run.upper() != run != run.lower()
    return is_mixed and _turns(run) and not is_of_words(run)


def _turns(run: str) -> bool:
    turns = len(_TURN_OF_DIGITS.findall(run)) + len(_TURN_OF_CASE.findall(run))
    return turns >= _LEAST_TURNS * len(run)
