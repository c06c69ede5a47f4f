"""Our signs for outputs whose encoding has none of them: `->` for an arrow, `+` for a tick."""

import codecs
import unicodedata

# A tick and a cross must not both become a question mark, which is the sign for inconclusive.
_PLAIN = {
    "✓": "+",
    "✗": "x",
    "→": "->",
    "–": "-",
    "±": "+-",
    "≤": "<=",
    "≥": ">=",
    "×": "x",
    "∞": "inf",
    "µ": "u",
    "…": "...",
    "█": "#",
    "·": ".",
    "●": "*",
    "€": "EUR",
    "£": "GBP",
} | dict(zip("▁▂▃▄▅▆▇", "__--==^", strict=True))
# The name of an error handler for codecs, as `strict` and `replace` are.
PLAIN_SIGNS = "replay.plain_signs"


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    unsayable = error.object[error.start : error.end]
    return "".join(_plain(character) for character in unsayable), error.end


def _plain(character: str) -> str:
    if character in _PLAIN:
        return _PLAIN[character]
    # Of a letter with a mark the letter, of anything else that a name may have in it a question mark.
    base = unicodedata.normalize("NFKD", character)[0]
    return base if base.isascii() else "?"


codecs.register_error(PLAIN_SIGNS, _plainly)
