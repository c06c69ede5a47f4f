"""The work of an instance: how its jobs share its processors, on a virtual clock."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.planes.modelled.work import SharedWork

MS = 1_000_000


def ends(work: SharedWork, arrivals: list[tuple[int, int]]) -> dict[int, int]:
    """Run jobs that arrive as (instant, work), in ns; each job's end."""
    end_ns = {}
    waiting = sorted((at_ns, job, work_ns) for job, (at_ns, work_ns) in enumerate(arrivals))
    while True:
        next_ns = work.next_end_ns()
        if waiting and (next_ns is None or waiting[0][0] <= next_ns):
            at_ns, job, work_ns = waiting.pop(0)
            for ended in work.finished(at_ns):
                end_ns[ended] = at_ns
            work.add(job, work_ns, at_ns)
        elif next_ns is not None:
            for ended in work.finished(next_ns):
                end_ns[ended] = next_ns
        else:
            return end_ns


ARRIVALS = st.lists(st.tuples(st.integers(0, 50 * MS), st.integers(1, 20 * MS)), min_size=1, max_size=20)


def test_a_job_alone_takes_its_own_time():
    assert ends(SharedWork(1.0), [(0, 10 * MS)]) == {0: 10 * MS}


def test_a_job_alone_runs_on_one_processor_however_many_there_are():
    assert ends(SharedWork(4.0), [(0, 10 * MS)]) == {0: 10 * MS}


def test_half_a_processor_takes_twice_as_long():
    assert ends(SharedWork(0.5), [(0, 10 * MS)]) == {0: 20 * MS}


def test_a_later_job_slows_the_earlier_one_only_while_both_are_there():
    # Alone until 5 ms, then both at half speed: the first, with 5 ms of work left, ends at 15. The second has
    # had 5 of its 20 by then, and ends 15 later, alone again.
    assert ends(SharedWork(1.0), [(0, 10 * MS), (5 * MS, 20 * MS)]) == {0: 15 * MS, 1: 30 * MS}


def test_a_job_that_leaves_gives_its_share_to_the_others():
    work = SharedWork(1.0)
    work.add("stays", 10 * MS, 0)
    work.add("leaves", 10 * MS, 0)
    work.leave("leaves", 10 * MS)

    assert work.next_end_ns() == 15 * MS
    assert work.finished(15 * MS) == ["stays"]


def test_jobs_that_end_before_anyone_asks_have_freed_their_share_at_their_ends():
    work = SharedWork(1.0)
    work.add("short", 5 * MS, 0)
    work.add("long", 10 * MS, 0)

    assert work.finished(15 * MS) == ["short", "long"]


def test_a_job_that_has_ended_and_not_been_taken_is_told_at_its_end():
    work = SharedWork(1.0)
    work.add("first", 5 * MS, 0)
    work.add("second", 5 * MS, 8 * MS)

    assert work.next_end_ns() == 5 * MS
    assert work.finished(8 * MS) == ["first"]


def test_a_job_that_is_under_way_cannot_be_added_again():
    work = SharedWork(1.0)
    work.add("a", 5 * MS, 0)

    with pytest.raises(ValueError, match="job 'a' is under way already"):
        work.add("a", 5 * MS, 0)


def test_a_busy_period_at_an_instant_of_a_long_uptime_is_as_exact_as_at_zero():
    year_ns = 365 * 86_400 * 1_000_000_000
    late = ends(SharedWork(1.0), [(year_ns, 10 * MS + 1), (year_ns + 3, 7 * MS)])

    assert late == {0: year_ns + 17 * MS + 1, 1: year_ns + 3 + 14 * MS}


@given(st.integers(1, 40), st.integers(1, 50 * MS))
def test_n_equal_jobs_on_one_processor_take_n_times_as_long(n, work_ns):
    end_ns = ends(SharedWork(1.0), [(0, work_ns)] * n)

    assert set(end_ns) == set(range(n))
    assert all(end == pytest.approx(n * work_ns, abs=2) for end in end_ns.values())


@given(ARRIVALS, st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0]))
def test_work_is_conserved_no_job_ends_before_it_could_and_all_end(arrivals, vcpu):
    end_ns = ends(SharedWork(vcpu), arrivals)

    assert set(end_ns) == set(range(len(arrivals)))
    for job, (at_ns, work_ns) in enumerate(arrivals):
        assert end_ns[job] >= at_ns + work_ns / min(1.0, vcpu) - 1
    begin, end = min(at for at, _ in arrivals), max(end_ns.values())
    assert sum(work_ns for _, work_ns in arrivals) <= vcpu * (end - begin) + 2


@given(ARRIVALS)
def test_one_processor_is_never_idle_while_there_is_work(arrivals):
    busy_until_ns = 0
    for at_ns, work_ns in sorted(arrivals):
        busy_until_ns = max(busy_until_ns, at_ns) + work_ns

    assert max(ends(SharedWork(1.0), arrivals).values()) == pytest.approx(busy_until_ns, abs=25)


@given(ARRIVALS)
def test_with_enough_processors_sharing_is_the_same_as_slots(arrivals):
    enough = float(len(arrivals))

    assert ends(SharedWork(enough, "processor"), arrivals) == ends(SharedWork(1.0, "slots"), arrivals)


@given(ARRIVALS)
def test_in_slots_every_job_takes_its_own_time(arrivals):
    end_ns = ends(SharedWork(1.0, "slots"), arrivals)

    assert all(abs(end_ns[job] - at_ns - work_ns) <= 1 for job, (at_ns, work_ns) in enumerate(arrivals))


@given(ARRIVALS, st.data())
def test_jobs_that_leave_at_any_time_harm_no_other(arrivals, data):
    work = SharedWork(1.0)
    for job, (at_ns, work_ns) in enumerate(sorted(arrivals)):
        work.add(job, work_ns, at_ns)
    gone = data.draw(st.sets(st.integers(0, len(arrivals) - 1)))
    for job in gone:
        work.leave(job, 50 * MS)
    left = work.finished(10_000 * MS)

    assert sorted(left) == sorted(set(range(len(arrivals))) - gone)
    assert work.next_end_ns() is None


def shared_step_by_step(vcpu: Fraction, arrivals: list[tuple[int, int]]) -> dict[int, Fraction]:
    """The ends of jobs that share processors, by the definition: every job's work left, from event to event."""
    coming = sorted((at_ns, job, work_ns) for job, (at_ns, work_ns) in enumerate(arrivals))
    left: dict[int, Fraction] = {}
    ends: dict[int, Fraction] = {}
    at = Fraction(0)
    while coming or left:
        rate = min(Fraction(1), vcpu / max(1, len(left)))
        until = min(
            [at + work / rate for work in left.values()] + [Fraction(at_ns) for at_ns, _, _ in coming[:1]]
        )
        left = {job: work - (until - at) * rate for job, work in left.items()}
        at = until
        for job in [job for job, work in left.items() if not work]:
            ends[job] = at
            del left[job]
        while coming and coming[0][0] == at:
            _, job, work_ns = coming.pop(0)
            left[job] = Fraction(work_ns)
    return ends


@given(ARRIVALS, st.sampled_from([Fraction(1, 2), Fraction(1), Fraction(3, 2), Fraction(3)]))
def test_every_job_ends_when_the_definition_of_sharing_says(arrivals, vcpu):
    expected = shared_step_by_step(vcpu, arrivals)
    found = ends(SharedWork(float(vcpu)), arrivals)

    assert all(abs(found[job] - end) <= 25 for job, end in expected.items())
