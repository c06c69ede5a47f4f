"""Numbers as people read them: one style, in one place."""

import ast
import re
from math import inf, nan
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.words.numbers import exact, milliseconds, money, number, percent, seconds, signed, size

PACKAGE = Path(__file__).parent.parent.parent / "replay"
FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15)

# Widths, fill and thousands change no digit; the hexadecimal forms are of characters, not of figures.
HARMLESS = re.compile(r"[<>]?(\d*|\{\})|,|>\d+,|0\dd|\dd|02|02[xX]")
# What these write is read by programs.
FOR_PROGRAMS = {
    "cli/units.py",  # a default as one types it
    "engine/requests/render.py",
    "importers/loadtests/k6.py",  # a number that is read as the text of others is
    "assembly/requests/log_fields.py",  # the same
    "results/hlog.py",
}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (0.0, "0 ms"),
        (0.00004, "0.04 µs"),
        (0.25, "250 µs"),
        (12.0, "12 ms"),
        (999.9, "1 s"),
        (1_200.0, "1.2 s"),
        (119_000.0, "119 s"),
        (180_000.0, "3 min"),
        (9_000_000.0, "2.5 h"),
        (604_800_000.0, "7 days"),
        (inf, "∞"),
        (nan, "–"),
        (None, "–"),
    ],
)
def test_a_length_of_time_has_the_unit_that_reads_best(value, says):
    assert milliseconds(value) == says
    assert seconds(None if value is None else value / 1000) == says


@pytest.mark.parametrize(
    ("share", "says"),
    [
        (0.0, "0%"),
        (1e-6, "<0.01%"),
        (0.0123, "1.23%"),
        (0.95, "95%"),
        (0.99999, "99.9%"),
        (1.0, "100%"),
        (12.5, "1,250%"),
    ],
)
def test_a_share_is_never_rounded_to_none_or_to_all(share, says):
    assert percent(share) == says


def test_a_change_has_its_sign():
    assert [signed(value) for value in (1.25, -0.5, 0.0, None)] == ["+1.25", "-0.5", "±0", "–"]


def test_an_amount_has_two_digits_behind_the_point_or_those_that_matter():
    assert [money(value) for value in (1234.5, 0.0, -2.0, 0.05, 0.0000123)] == [
        "1,234.50",
        "0.00",
        "-2.00",
        "0.05",
        "0.000012",
    ]
    assert money(5, "USD") == "5.00 USD"
    assert money(None, "USD") == "–"


def test_a_figure_that_somebody_chose_keeps_its_digits():
    assert [exact(value) for value in (300.0, 0.1 + 0.2, 1e9, 1e-7, 8, 1e300)] == [
        "300",
        "0.3",
        "1,000,000,000",
        "0.0000001",
        "8",
        "more than 10^18",
    ]


@given(FINITE)
def test_no_number_has_an_exponent(value):
    said = [number(value), number(value, 6), exact(value), signed(value), money(value), percent(value)]
    said += [milliseconds(abs(value)).split()[0], size(int(abs(value))).split()[0]]

    assert not [text for text in said if "e" in text]


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix()
)
def test_digits_are_chosen_here_and_nowhere_else(path):
    name = path.relative_to(PACKAGE).as_posix()
    if name.startswith("words/") or name in FOR_PROGRAMS:
        return

    assert not [f"line {at.lineno}: {spec}" for at, spec in chosen_digits(ast.parse(path.read_text())) if spec]


def chosen_digits(tree):
    """Each format of a number that says how many digits, but for those of a repr, and of a figure that is rounded."""
    for node in ast.walk(tree):
        inside = getattr(node, "_inside", None) or is_repr(node) or is_rounding(node)
        for child in ast.iter_child_nodes(node):
            child._inside = inside
        if isinstance(node, ast.FormattedValue) and node.format_spec is not None and not inside:
            parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.format_spec.values)
            spec = "".join(parts)
            if HARMLESS.fullmatch(spec) is None:
                yield node, spec


def is_repr(node):
    return isinstance(node, ast.FunctionDef) and node.name == "__repr__"


def is_rounding(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
