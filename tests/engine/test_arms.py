from replay.engine.arms import Arm, armed, shift_ns
from replay.trace.types import Session

_MS = 1_000_000


def _sessions(n: int, gap_ms: int = 3):
    return [(i * gap_ms * _MS, Session(id=f"s-{i}", start_ms=i * gap_ms, steps=[])) for i in range(n)]


def test_every_paired_arm_gets_every_session_in_order_of_start():
    for place in range(3):
        scheduled = list(armed(_sessions(200), Arm("paired", place, 3, seed=4)))

        assert {session.id for _, session in scheduled} == {f"s-{i}" for i in range(200)}
        starts = [start for start, _ in scheduled]
        assert starts == sorted(starts)


def test_no_paired_arm_always_goes_first():
    arms = [Arm("paired", place, 2, seed=1) for place in range(2)]

    first = [0 if shift_ns(f"s-{i}", arms[0]) < shift_ns(f"s-{i}", arms[1]) else 1 for i in range(1000)]

    assert 430 < sum(first) < 570


def test_the_sessions_of_a_pair_stand_apart_by_one_to_two_phases():
    arms = [Arm("paired", place, 2, seed=1, phase_ms=5) for place in range(2)]

    apart = [abs(shift_ns(f"s-{i}", arms[0]) - shift_ns(f"s-{i}", arms[1])) for i in range(300)]

    assert min(apart) >= 5 * _MS
    assert max(apart) <= 10 * _MS


def test_interleaved_arms_share_the_sessions_out_and_take_the_same_part_of_each_block():
    dealt = [
        [s.id for _, s in armed(_sessions(90), Arm("interleaved", place, 3, seed=2))] for place in range(3)
    ]

    assert sorted(name for part in dealt for name in part) == sorted(f"s-{i}" for i in range(90))
    assert [len(part) for part in dealt] == [30, 30, 30]
    for part in dealt:
        assert [int(name[2:]) // 3 for name in part] == list(range(30))


def test_the_same_seed_deals_alike_and_another_does_not():
    def ids(seed: int) -> list[str]:
        return [s.id for _, s in armed(_sessions(60), Arm("interleaved", 0, 2, seed=seed))]

    assert ids(1) == ids(1)
    assert ids(1) != ids(2)
