"""What this machine is good for as a generator: findings in words, each with what to do. Pure."""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from replay.words.numbers import count, milliseconds, number, percent, size
from replay.words.phrases import counted

DOCTOR_SCHEMA = "replay.doctor/1"

# Where the tails of runs of a few thousand connections still fit.
_ENOUGH_DESCRIPTORS = 4096
_TOO_FEW_DESCRIPTORS = 128
_ENOUGH_PORTS = 16_000
_ENOUGH_MEMORY_BYTES = 512 * 1024 * 1024
_TOO_LITTLE_MEMORY_BYTES = 64 * 1024 * 1024
# Lateness that shows in a percentile of milliseconds.
_LATE_US = 1000.0
# Above this, somebody waits for a core all the time.
_BUSY_LOAD = 0.7
# A slewed clock gains or loses half a millisecond a second at most (adjtimex); more than that is a step.
_STEP_MS = 20.0
# These are read by a device or a tick: slowly, or in steps of milliseconds.
_SLOW_CLOCKS = ("acpi_pm", "hpet", "jiffies", "pit", "refined-jiffies")

Level = Literal["ok", "warn", "problem"]
Topic = Literal[
    "sending",
    "precision",
    "python",
    "event loop",
    "timers",
    "clock",
    "cores",
    "frequency",
    "load",
    "priority",
    "descriptors",
    "ports",
    "memory",
]


class Machine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What was read of the machine, and measured on it; None: it does not tell."""

    python: Annotated[str, Meta(description="The version of Python.")]
    uvloop: Annotated[str | None, Meta(description="The version of uvloop.")] = None
    cores: Annotated[int, Meta(description="Cores that a process may use.")] = 1
    core_quota: Annotated[float | None, Meta(description="Cores' time that a limit leaves it.")] = None
    governors: Annotated[list[str] | None, Meta(description="How the cores' frequency is chosen.")] = None
    load_per_core: Annotated[
        float | None, Meta(description="Programs at work a core, in the mean of the last minute.")
    ] = None
    niceness: Annotated[
        int | None, Meta(description="By how much it lets other programs go first, -20 to 19; 0 is usual.")
    ] = None
    descriptors: Annotated[
        int | None, Meta(description="File descriptors that a run may have open; absent: any number.")
    ] = None
    local_ports: Annotated[int | None, Meta(description="Local ports for connections to one address.")] = None
    memory_bytes: Annotated[int | None, Meta(description="Memory that is left, in bytes.")] = None
    clock_source: Annotated[str | None, Meta(description="What the kernel reads the time from.")] = None
    wall_step_ms: Annotated[
        float, Meta(description="How far the wall clock moved against the steady one meanwhile, in ms.")
    ] = 0.0
    sleep_late_p50_us: Annotated[float, Meta(description="How late a sleep of 1 ms ends: half, in µs.")] = 0.0
    sleep_late_p99_us: Annotated[float, Meta(description="The same: 99 of 100, in µs.")] = 0.0


class Sent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What was sent to a server of its own on this machine."""

    most_rps: Annotated[
        float, Meta(description="Requests a second that were sent and answered, as many as went.")
    ]
    paced_rps: Annotated[float, Meta(description="Requests a second of the paced run.")]
    lag_p50_us: Annotated[float, Meta(description="How late half of its requests were sent at most, in µs.")]
    lag_p99_us: Annotated[float, Meta(description="The same: 99 of 100, in µs.")]
    failed: Annotated[int, Meta(description="Requests that failed.")] = 0
    reasons: Annotated[list[str], Meta(description="Why the paced run's self-check is not ok.")] = []


class MachineFinding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that was looked at."""

    topic: Annotated[Topic, Meta(description="What it is about.")]
    level: Annotated[Level, Meta(description="Whether it is all right, a warning or a problem.")]
    what: Annotated[str, Meta(description="What was seen, in a sentence.")]
    to_do: Annotated[str, Meta(description="What to do about it; empty where it is all right.")] = ""


class DoctorReport(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What `replay doctor` found."""

    schema: Annotated[str, Meta(description="replay.doctor/1.")] = DOCTOR_SCHEMA
    verdict: Annotated[Literal["ok", "problem"], Meta(description="problem if any finding is one, else ok.")]
    findings: Annotated[list[MachineFinding], Meta(description="What was looked at.")]
    to_do: Annotated[list[str], Meta(description="What to do, most urgent first.")]
    machine: Annotated[Machine, Meta(description="What it was concluded from.")]
    sent: Annotated[Sent | None, Meta(description="What was sent; absent where nothing could be.")] = None


def examined(machine: Machine, sent: Sent | None, why_not: str = "") -> DoctorReport:
    """The report on a machine. sent: None where nothing could be; why_not then says why."""
    findings = [*_sending(machine, sent, why_not), *_program(machine), *_time(machine), *_room(machine)]
    urgent = sorted(findings, key=lambda finding: finding.level != "problem")
    return DoctorReport(
        verdict="problem" if urgent[0].level == "problem" else "ok",
        findings=findings,
        to_do=list(dict.fromkeys(finding.to_do for finding in urgent if finding.to_do)),
        machine=machine,
        sent=sent,
    )


def _sending(machine: Machine, sent: Sent | None, why_not: str) -> Iterator[MachineFinding]:
    if sent is None or not sent.most_rps:
        yield MachineFinding(
            "sending",
            "problem",
            f"nothing could be sent to a server on this machine: {why_not or 'no request was answered'}",
            "Let programs on this machine connect to 127.0.0.1; a firewall or a sandbox may forbid it.",
        )
        return
    what = (
        f"{number(sent.most_rps)} requests/s from one process, to a server of its own on this machine that had to be "
        f"as fast"
    )
    if sent.failed:
        yield MachineFinding(
            "sending",
            "warn",
            f"{what}; {counted(sent.failed, 'request')} failed",
            "See what the other findings say this machine is short of.",
        )
    else:
        yield MachineFinding("sending", "ok", what)
    late = (
        f"at {number(sent.paced_rps)} requests/s half were sent within {milliseconds(sent.lag_p50_us / 1000)} of their "
        f"time, 99 of 100 within {milliseconds(sent.lag_p99_us / 1000)}"
    )
    if sent.reasons or sent.lag_p99_us > _LATE_US:
        why = f" ({'; '.join(sent.reasons)})" if sent.reasons else ""
        yield MachineFinding(
            "precision",
            "warn",
            f"{late}{why}",
            "Replay from a machine with nothing else to do, or give replay cores of its own: taskset, chrt -r 10.",
        )
    else:
        yield MachineFinding("precision", "ok", late)


def _program(machine: Machine) -> Iterator[MachineFinding]:
    yield MachineFinding("python", "ok", machine.python)
    if machine.uvloop is None:
        yield MachineFinding(
            "event loop",
            "warn",
            "uvloop is not there; asyncio's own loop sends less, and less precisely",
            "Replay from Linux or macOS, where uvloop comes with the package.",
        )
    else:
        yield MachineFinding("event loop", "ok", f"uvloop {machine.uvloop}")
    cores = f"{counted(machine.cores, 'core')} may be used"
    if machine.core_quota is not None and machine.core_quota < machine.cores:
        yield MachineFinding(
            "cores",
            "warn",
            f"{cores}, for {number(machine.core_quota)} cores' time in all; when it is used up, replay stands still",
            "Raise the limit of the container (docker run --cpus, resources.limits.cpu), or leave it out.",
        )
    elif machine.cores < 2:
        yield MachineFinding(
            "cores",
            "warn",
            f"{cores}: whatever else runs makes steps late",
            "Replay from a machine with two cores or more.",
        )
    else:
        yield MachineFinding("cores", "ok", cores)
    if machine.governors is None:
        yield MachineFinding(
            "frequency", "ok", "this machine does not tell how it is chosen, as virtual ones do not"
        )
    elif machine.governors == ["performance"]:
        yield MachineFinding("frequency", "ok", "governor performance")
    else:
        yield MachineFinding(
            "frequency",
            "warn",
            f"governor {', '.join(machine.governors)}: an idle core slows down, and takes its time to get faster",
            "Set it for the time of a run: sudo cpupower frequency-set -g performance.",
        )
    if machine.load_per_core is not None and machine.load_per_core > _BUSY_LOAD:
        yield MachineFinding(
            "load",
            "warn",
            f"{number(machine.load_per_core)} programs wanted each core on average in the last minute",
            "Stop what else runs on this machine, or replay from another.",
        )
    elif machine.load_per_core is not None:
        yield MachineFinding("load", "ok", f"{percent(machine.load_per_core)} of the cores in the last minute")
    if machine.niceness is not None and machine.niceness > 0:
        yield MachineFinding(
            "priority",
            "warn",
            f"this process is at nice {machine.niceness}, so all else that runs goes before it",
            "Start it without nice.",
        )


def _time(machine: Machine) -> Iterator[MachineFinding]:
    late = (
        f"a sleep of 1 ms ends {milliseconds(machine.sleep_late_p50_us / 1000)} late at the median, "
        f"{milliseconds(machine.sleep_late_p99_us / 1000)} at the 99th percentile"
    )
    if machine.sleep_late_p99_us > _LATE_US:
        yield MachineFinding(
            "timers",
            "warn",
            late,
            "Stop what else runs here; on a virtual machine, its host may be busy: take one with cores of its own.",
        )
    else:
        yield MachineFinding("timers", "ok", late)
    source = machine.clock_source or "not told"
    if abs(machine.wall_step_ms) > _STEP_MS:
        yield MachineFinding(
            "clock",
            "warn",
            f"the time of day was set by {milliseconds(abs(machine.wall_step_ms))} meanwhile; times of a run are by "
            "another clock, but those that a target signs or checks are not",
            "Have it kept right by chrony or systemd-timesyncd, which do not jump.",
        )
    elif machine.clock_source in _SLOW_CLOCKS:
        yield MachineFinding(
            "clock",
            "warn",
            f"read from {source}, which takes long to read or moves in steps",
            "Boot with clocksource=tsc, or kvm-clock on a virtual machine, if the hardware allows it.",
        )
    else:
        yield MachineFinding("clock", "ok", f"source {source}; the time of day was not set meanwhile")


def _room(machine: Machine) -> Iterator[MachineFinding]:
    if machine.descriptors is None:
        yield MachineFinding("descriptors", "ok", "any number")
    else:
        few = machine.descriptors < _ENOUGH_DESCRIPTORS
        level: Level = "problem" if machine.descriptors < _TOO_FEW_DESCRIPTORS else "warn" if few else "ok"
        yield MachineFinding(
            "descriptors",
            level,
            f"{count(machine.descriptors)}: about so many connections at once",
            "Raise the limit before a large run: ulimit -n 65536." if few else "",
        )
    if machine.local_ports is not None:
        few = machine.local_ports < _ENOUGH_PORTS
        yield MachineFinding(
            "ports",
            "warn" if few else "ok",
            f"{count(machine.local_ports)} for connections to one address",
            "Widen them: sudo sysctl -w net.ipv4.ip_local_port_range='10240 65535'." if few else "",
        )
    if machine.memory_bytes is not None:
        little = machine.memory_bytes < _ENOUGH_MEMORY_BYTES
        level = "problem" if machine.memory_bytes < _TOO_LITTLE_MEMORY_BYTES else "warn" if little else "ok"
        yield MachineFinding(
            "memory",
            level,
            f"{size(machine.memory_bytes)} left",
            "Give it more, or replay less at once: --sessions." if little else "",
        )
