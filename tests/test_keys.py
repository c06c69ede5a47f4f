"""What is wrong with a file that a user wrote: the key, the place, and what was meant."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.keys import explained
from replay.money.price_table import PriceTable
from replay.planes.types import SimulatedPlane
from replay.target.target import Target

HEAD = {"provider": "P", "region": "r", "currency": "USD", "date": "2026-01-01", "source": "s"}


def said(kind: type, written: object, table: str = "") -> str:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(written, kind)
    return explained(caught.value, kind, written, table)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"plan": {}}, 'unknown key "plan" in [simulate]. Did you mean "plane"?'),
        (
            {"plane": {"concurency": 3}},
            'unknown key "concurency" in [simulate.plane]. Did you mean "concurrency"?',
        ),
        # Of the policies of scaling, the one that was named; without one, Cloud Run's.
        (
            {"plane": {"scaling": {"policy": "group", "hold": 3}}},
            'unknown key "hold" in [simulate.plane.scaling]. Did you mean "hold_s"?',
        ),
        (
            {"plane": {"scaling": {"policy": "group", "schedule": [{"form_h": 3}]}}},
            'unknown key "form_h" in [simulate.plane.scaling.schedule]. Did you mean "from_h"?',
        ),
        (
            {"instances": {"boot": {"of": "lognormal", "p50": 3}}},
            'unknown key "p50" in [simulate.instances.boot]. Did you mean "p50_ms"?',
        ),
        ({"plane": {"concurrency": "x"}}, "[simulate] plane.concurrency: must be a number, and is text."),
        (
            {"plane": {"concurrency": 1.5}},
            "[simulate] plane.concurrency: must be a whole number, without a point.",
        ),
        (
            {"plane": {"scaling": {"policy": "group", "schedule": [3]}}},
            "[simulate] plane.scaling.schedule[0]: must be a table, and is a number.",
        ),
        ({"plane": {"max_instances": 0}}, "[simulate] plane: max_instances must be 1 or more, not 0."),
    ],
)
def test_a_misspelt_key_is_named_with_its_table_and_what_is_nearest(written: object, says: str):
    assert said(SimulatedPlane, written, "simulate") == says


@pytest.mark.parametrize(
    ("kind", "written", "says"),
    [
        (
            Target,
            {"url": "http://x", "cost": {"prise": "p"}},
            'unknown key "prise" in [cost]. Did you mean "price"?',
        ),
        (
            PriceTable,
            {**HEAD, "machines": {"a": {"hours": 1.0}}},
            'unknown key "hours" in [machines]. Did you mean "hour"?',
        ),
        (
            PriceTable,
            {**HEAD, "request": {"free": {"vcpu": 1}}},
            'unknown key "vcpu" in [request.free]. Did you mean "vcpu_s"?',
        ),
        (PriceTable, {**HEAD, "xyz": 1}, 'unknown key "xyz". Known are: provider, region, '),
        (PriceTable, {"provider": "P"}, 'the key "region" is missing.'),
    ],
)
def test_it_is_so_for_every_file(kind: type, written: object, says: str):
    assert said(kind, written).startswith(says)


NAMES = st.sampled_from(
    [*SimulatedPlane.__struct_fields__, "scaling", "boot", "of", "policy", "schedule", "x y", "a.b"]
)
TABLES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, TABLES, max_size=3))
def test_whatever_is_written_gets_one_sentence(written: dict[str, object]):
    try:
        msgspec.convert(written, SimulatedPlane)
    except msgspec.ValidationError as cause:
        sentence = explained(cause, SimulatedPlane, written, "simulate")
        assert sentence.endswith((".", "?"))
        assert "Object" not in sentence
        assert "`" not in sentence
