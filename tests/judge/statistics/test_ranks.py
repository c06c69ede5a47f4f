"""Ranks and their tests, held to scipy.stats."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.judge.statistics.ranks import chance_of_larger, ranks, ranks_in_rows, relation
from tests.support.later import later

stats = later("scipy.stats")

# Few different ones, so that many are equal; and many, so that hardly any are.
values = st.one_of(st.integers(0, 5).map(float), st.floats(-1e6, 1e6))


@given(st.lists(values, min_size=1, max_size=40))
def test_ranks(drawn):
    assert ranks(np.array(drawn)).tolist() == stats.rankdata(drawn).tolist()


@given(st.integers(1, 9).flatmap(lambda n: st.lists(st.lists(values, min_size=n, max_size=n), max_size=6)))
def test_ranks_within_rows(drawn):
    rows = np.array(drawn).reshape(len(drawn), -1 if drawn else 0)

    assert ranks_in_rows(rows).tolist() == [stats.rankdata(row).tolist() for row in drawn]


@given(st.lists(values, min_size=1, max_size=30), st.lists(values, min_size=1, max_size=30))
def test_the_chance_of_larger_values(drawn, others):
    found = chance_of_larger(np.array(drawn), np.array(others))

    if len({*drawn, *others}) == 1:
        assert found == 1.0
    else:
        known = stats.mannwhitneyu(drawn, others, alternative="greater").pvalue
        assert found == pytest.approx(known, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 5000), (3, 2000), (8, 8), (8, 600), (600, 8), (9, 600)])
def test_the_chance_is_exact_where_one_side_has_few(n, m):
    rng = np.random.default_rng(n + m)
    for shift in (-2.0, 0.0, 0.5, 1.0, 4.0):
        a, b = rng.normal(shift, 1, n), rng.normal(0, 1, m)

        assert chance_of_larger(a, b) == pytest.approx(
            stats.mannwhitneyu(a, b, alternative="greater").pvalue, rel=1e-9
        )


@given(st.lists(st.tuples(values, values), min_size=3, max_size=40))
def test_a_relation(pairs):
    one, other = np.array(pairs).T
    if min(len(set(one)), len(set(other))) == 1:
        assert relation(one, other) == (0, 1)
        return

    found, known = relation(one, other), stats.spearmanr(one, other)

    assert found.rho == pytest.approx(known.statistic, abs=1e-9)
    if abs(known.statistic) < 1 - 1e-9:
        assert found.p_value == pytest.approx(known.pvalue, rel=1e-6, abs=1e-12)
    else:
        assert found.p_value == pytest.approx(0.0, abs=1e-6)
