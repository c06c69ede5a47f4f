"""What a machine tells of itself: read from its files, None where it does not tell."""

import pytest

from replay.system.facts import clock_source, core_quota, governors, memory_left_bytes


@pytest.fixture
def root(tmp_path):
    def write(path, text):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    write.path = tmp_path
    return write


def test_a_machine_that_tells_nothing_leaves_nothing(tmp_path):
    assert governors(tmp_path) is None
    assert clock_source(tmp_path) is None
    assert core_quota(tmp_path) is None
    assert memory_left_bytes(tmp_path) is None


def test_each_governor_is_named_once(root):
    for n, name in enumerate(["powersave", "performance", "powersave"]):
        root(f"sys/devices/system/cpu/cpu{n}/cpufreq/scaling_governor", f"{name}\n")

    assert governors(root.path) == ["performance", "powersave"]


@pytest.mark.parametrize(
    ("told", "cores"),
    [("150000 100000\n", 1.5), ("max 100000\n", None), ("", None), ("1", None), ("x y", None)],
)
def test_the_quota_of_a_control_group(root, told, cores):
    root("sys/fs/cgroup/cpu.max", told)

    assert core_quota(root.path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("50000", 0.5), ("-1", None)])
def test_the_quota_of_a_control_group_of_version_1(root, quota, cores):
    root("sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota)
    root("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000")

    assert core_quota(root.path) == cores


def test_memory_is_what_the_system_has_left_or_a_control_group_if_that_is_less(root):
    root("proc/meminfo", "MemTotal: 8000 kB\nMemAvailable: 4000 kB\n")
    assert memory_left_bytes(root.path) == 4_096_000

    root("sys/fs/cgroup/memory.max", "1000000\n")
    root("sys/fs/cgroup/memory.current", "400000\n")
    assert memory_left_bytes(root.path) == 600_000

    root("sys/fs/cgroup/memory.max", "max\n")
    assert memory_left_bytes(root.path) == 4_096_000
