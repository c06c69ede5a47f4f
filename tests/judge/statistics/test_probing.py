import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from replay.judge.statistics.probing import IdleSearch


def searched(keep_alive_s, **options):
    search = IdleSearch(**{"first_s": 1.0, "most_s": 3600.0, **options})
    while (idle_s := search.next_s()) is not None:
        search.tell("cold" if idle_s > keep_alive_s else "warm")
    return search


@given(st.floats(0.3, 3000))
def test_the_keep_alive_time_is_found_within_ten_percent(keep_alive_s):
    search = searched(keep_alive_s)

    assert search.warm_s <= keep_alive_s < search.cold_s
    assert search.cold_s - search.warm_s <= 0.1 * search.cold_s
    assert search.is_sharp


@given(st.floats(0.3, 5000))
def test_it_never_waits_longer_than_it_said(keep_alive_s):
    said_s = IdleSearch(1.0, 3600.0).most_wait_s()

    assert sum(idle_s for idle_s, _ in searched(keep_alive_s).answers) <= said_s


@example(keep_alive_s=128.0, late_s=[8.0])  # each wait narrows the bracket, by half as much as the one before
@given(keep_alive_s=st.floats(0.3, 3000), late_s=st.lists(st.floats(0, 500), min_size=1, max_size=20))
def test_waits_that_were_longer_than_asked_for_bracket_the_time_all_the_same(keep_alive_s, late_s):
    search, n = IdleSearch(1.0, 3600.0), 0
    while (idle_s := search.next_s()) is not None:
        was_s = idle_s + late_s[n % len(late_s)]
        search.tell("cold" if was_s > keep_alive_s else "warm", was_s)
        n += 1

    assert n <= 30
    assert search.is_sharp
    assert search.warm_s <= keep_alive_s
    assert search.cold_s is None or search.cold_s > keep_alive_s


def test_it_takes_few_waits():
    assert len(searched(240.0).answers) <= 15


def test_a_target_that_never_goes_cold_is_asked_up_to_the_longest_idle_time():
    search = searched(1e9, most_s=100.0)

    assert search.cold_s is None
    assert search.warm_s == 100.0
    assert [idle_s for idle_s, _ in search.answers] == [1, 2, 4, 8, 16, 32, 64, 100]


def test_a_limit_that_is_not_sharp_is_said_to_be_none():
    search = IdleSearch(1.0, 100.0, precision=0.5)
    for answer in ("warm", "warm", "cold"):
        search.tell(answer)
    assert (search.warm_s, search.cold_s, search.next_s()) == (2.0, 4.0, 4.0)

    search.tell("warm")
    search.tell("warm")

    assert not search.is_sharp
    assert search.next_s() is None
    assert (search.warm_s, search.cold_s) == (4.0, 4.0)


def test_nothing_is_asked_once_it_is_over():
    with pytest.raises(AssertionError):
        searched(10.0).tell("warm")
