"""The instances of a plane of our own, read back from a run."""

import json
from pathlib import Path

from replay.choice.boots import Life
from replay.trials.pilot.lives import instances_over_time, lives_of, memory_peak_bytes


def polled(folder: Path, *lines: object) -> Path:
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (folder / "plane.jsonl").write_text(text)
    return folder


def alive(name: str, age_s: float, boot_s: float | None, memory: int | None = None) -> dict[str, object]:
    return {"instance": name, "pid": 1, "age_s": age_s, "boot_s": boot_s, "memory_bytes": memory}


def test_simulated_instances_are_exact(tmp_path: Path):
    (tmp_path / "instances.jsonl").write_text(
        '{"instance":"i-1","requested_ns":0,"ready_ns":0}\n'
        '{"instance":"i-2","requested_ns":5000000000,"ready_ns":6400000000,"gone_ns":9000000000}\n'
    )

    assert lives_of(tmp_path) == [Life(0.0, 0.0), Life(5.0, 6.4, 9.0)]
    assert memory_peak_bytes(tmp_path) is None


def test_polled_instances_are_known_by_their_age_and_gone_when_last_seen(tmp_path: Path):
    polled(
        tmp_path,
        {
            "at_s": 1.0,
            "instances": {"booting": 1},
            "alive": [alive("a", 31.0, 2.0, 50), alive("b", 0.25, None, 10)],
        },
        "torn {",
        {
            "at_s": 2.0,
            "instances": {"idle": 2},
            "alive": [alive("a", 32.0, 2.0, 80), alive("b", 1.25, 0.75, 90)],
        },
        {"at_s": 3.0, "instances": {"idle": 1}, "alive": [alive("a", 33.0, 2.0, 70)]},
    )

    assert lives_of(tmp_path) == [Life(-30.0, -28.0), Life(0.75, 1.5, 2.0)]
    assert memory_peak_bytes(tmp_path) == 90
    assert instances_over_time(tmp_path) == [(1.0, 1.0), (2.0, 2.0), (3.0, 1.0)]


def test_a_plane_that_does_not_tell_has_none(tmp_path: Path):
    assert lives_of(tmp_path) == []
    assert memory_peak_bytes(tmp_path) is None
    assert lives_of(polled(tmp_path, {"samples": {"up": 1}}, {"at_s": 1.0, "instances": {}})) == []


def test_an_instance_that_was_there_before_the_run_is_read(tmp_path):
    (tmp_path / "instances.jsonl").write_text(
        '{"instance":"i-1","requested_ns":-50000000,"ready_ns":-50000000}\n'
        '{"instance":"i-2","requested_ns":-90000000,"ready_ns":-60000000,"gone_ns":-1}\n'
    )

    assert lives_of(tmp_path) == [Life(-0.05, -0.05), Life(-0.09, -0.06, -1e-9)]
