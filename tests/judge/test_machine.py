"""What is concluded of a machine, and what there is to do about each finding."""

import msgspec
import pytest

from replay.judge.machine import Machine, Sent, examined

GOOD = Machine(
    python="CPython 3.12.1",
    uvloop="0.22.0",
    cores=8,
    governors=["performance"],
    load_per_core=0.1,
    descriptors=65536,
    local_ports=28232,
    memory_bytes=8 << 30,
    clock_source="tsc",
    sleep_late_p50_us=60.0,
    sleep_late_p99_us=120.0,
)
SENT = Sent(most_rps=12000.0, paced_rps=500.0, lag_p50_us=20.0, lag_p99_us=90.0)


def levels(report):
    return {finding.topic: finding.level for finding in report.findings}


def test_a_good_machine_has_nothing_to_do():
    report = examined(GOOD, SENT)

    assert set(levels(report).values()) == {"ok"}
    assert (report.verdict, report.to_do) == ("ok", [])


def test_a_machine_that_tells_nothing_is_not_blamed_for_it():
    report = examined(Machine(python="CPython 3.12.1", uvloop="0.22.0", cores=2), SENT)

    assert set(levels(report).values()) == {"ok"}


@pytest.mark.parametrize(
    ("change", "topic", "level"),
    [
        ({"uvloop": None}, "event loop", "warn"),
        ({"cores": 1}, "cores", "warn"),
        ({"core_quota": 1.5}, "cores", "warn"),
        ({"core_quota": 8.0}, "cores", "ok"),
        ({"governors": ["performance", "powersave"]}, "frequency", "warn"),
        ({"load_per_core": 2.0}, "load", "warn"),
        ({"niceness": 19}, "priority", "warn"),
        ({"sleep_late_p99_us": 4000.0}, "timers", "warn"),
        ({"clock_source": "hpet"}, "clock", "warn"),
        ({"clock_source": "kvm-clock"}, "clock", "ok"),
        ({"wall_step_ms": -3600000.0}, "clock", "warn"),
        ({"wall_step_ms": 4.0}, "clock", "ok"),
        ({"descriptors": 1024}, "descriptors", "warn"),
        ({"descriptors": 64}, "descriptors", "problem"),
        ({"descriptors": None}, "descriptors", "ok"),
        ({"local_ports": 1000}, "ports", "warn"),
        ({"memory_bytes": 100 << 20}, "memory", "warn"),
        ({"memory_bytes": 10 << 20}, "memory", "problem"),
    ],
)
def test_each_finding_stands_for_itself_and_says_what_to_do(change, topic, level):
    report = examined(msgspec.structs.replace(GOOD, **change), SENT)

    assert levels(report) == levels(examined(GOOD, SENT)) | {topic: level}
    assert len(report.to_do) == (level != "ok")
    assert report.verdict == ("problem" if level == "problem" else "ok")


@pytest.mark.parametrize("niceness", [None, 0, -10])
def test_a_process_that_stands_back_for_nobody_is_not_asked_about_it(niceness):
    assert "priority" not in levels(examined(msgspec.structs.replace(GOOD, niceness=niceness), SENT))


def test_a_machine_that_is_late_is_warned_of_with_its_reasons():
    sent = msgspec.structs.replace(
        SENT, lag_p99_us=22_800.0, reasons=["1% of the steps were sent more than 22.8 ms late"]
    )

    (finding,) = [found for found in examined(GOOD, sent).findings if found.topic == "precision"]
    assert finding.level == "warn"
    assert "99 of 100 within 22.8 ms (1% of the steps" in finding.what


@pytest.mark.parametrize("sent", [None, msgspec.structs.replace(SENT, most_rps=0.0, failed=30)])
def test_a_machine_that_can_send_nothing_cannot_replay_and_that_comes_first(sent):
    report = examined(msgspec.structs.replace(GOOD, governors=["powersave"]), sent, "connection refused.")

    assert report.verdict == "problem"
    assert report.findings[0].what == "nothing could be sent to a server on this machine: connection refused."
    assert report.to_do[0].startswith("Let programs on this machine connect to 127.0.0.1")
