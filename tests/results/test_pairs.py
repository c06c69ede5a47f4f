"""Kinds and names as one column: numbered by a table of what there may be, or by sorting what there is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.results.tables import table
from replay.results.tables.table import paired


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), max_size=60))
def test_both_ways_number_pairs_alike(pairs):
    first = np.array([kind for kind, _ in pairs], np.int32)
    second = np.array([name for _, name in pairs], np.int32)
    kinds, names = list("abcd"), [f"n{n}" for n in range(41)]

    with pytest.MonkeyPatch.context() as patched:
        by_table = paired(first, second, kinds, names)
        patched.setattr(table, "_FEW_PAIRS", -1)
        by_sorting = paired(first, second, kinds, names)

    assert by_table[0].tolist() == by_sorting[0].tolist()
    assert by_table[0].dtype == by_sorting[0].dtype
    assert by_table[1] == by_sorting[1] == [(kinds[kind], names[name]) for kind, name in sorted(set(pairs))]
