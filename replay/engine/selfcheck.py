"""Did this machine keep up? The generator's verdict on itself, from what it measured. Pure.

The lag that counts here is the generator's own: from a step's intended time until its request was written, less what
it waited for the target. Waiting for the target to accept a connection, to let one come free, or to make room in a
socket is the target's doing and is not in it (it is in dispatch lag and in the response time, as the agent would have
felt it); waiting for what this machine had run short of is.
"""

import msgspec

from replay.results.manifest_types import Generator, GeneratorVerdict
from replay.words.numbers import milliseconds, number
from replay.words.phrases import counted

# A generator that is late by this much at the median is not keeping its schedule at all.
SATURATED_P50_US = 10_000.0
# Late by this at the 99th percentile, with the processor full.
SATURATED_P99_US = 100_000.0
FULL_CPU_PERCENT = 90.0
# Doubtful: lateness that would show in a tail of milliseconds.
SUSPECT_P99_US = 10_000.0
SUSPECT_P50_US = 1_000.0
SUSPECT_STALL_MS = 250.0


class Vitals(msgspec.Struct, frozen=True):
    """What the self-check judges. lag is the generator's own, in µs; cpu_percent that of its one core.

    machine_waits: steps that waited, or failed, because this machine had run out of what shortage says.
    lag_max_us: None where stamps may be late by more than the event loop ever stood still.
    was_stopped: the process was stopped and went on, as by Ctrl-Z and fg. slept_ms: how long the machine was suspended
    meanwhile, in which the clock of the run stood still.
    """

    sent: int
    lag_p50_us: float | None
    lag_p99_us: float | None
    cpu_percent: float
    max_loop_stall_ms: float
    in_flight_waits: int = 0
    connection_waits: int = 0
    machine_waits: int = 0
    shortage: str | None = None
    lag_max_us: float | None = None
    was_stopped: bool = False
    slept_ms: float = 0.0


def judge_generator(vitals: Vitals) -> Generator:
    """ok, suspect or saturated, with the reasons in words."""
    verdict: GeneratorVerdict = "ok"
    reasons: list[str] = []
    p50, p99 = vitals.lag_p50_us or 0.0, vitals.lag_p99_us or 0.0
    if p50 > SATURATED_P50_US:
        verdict = "saturated"
        reasons.append(f"half of the steps were sent more than {milliseconds(p50 / 1000)} late")
    elif p99 > SATURATED_P99_US and vitals.cpu_percent > FULL_CPU_PERCENT:
        verdict = "saturated"
        reasons.append(f"1% of the steps were sent more than {milliseconds(p99 / 1000)} late, processor full")
    else:
        if p99 > SUSPECT_P99_US:
            reasons.append(f"1% of the steps were sent more than {milliseconds(p99 / 1000)} late")
        elif p50 > SUSPECT_P50_US:
            reasons.append(f"half of the steps were sent more than {milliseconds(p50 / 1000)} late")
        if vitals.max_loop_stall_ms > SUSPECT_STALL_MS:
            why = ": this process was stopped and continued" if vitals.was_stopped else ""
            reasons.append(f"the event loop stalled for {milliseconds(vitals.max_loop_stall_ms)}{why}")
        if reasons:
            verdict = "suspect"
    was_held_up = vitals.shortage is not None or vitals.in_flight_waits or vitals.connection_waits
    late_ms = None
    if verdict == "suspect" and not was_held_up and vitals.lag_max_us is not None:
        # Sent late by the one; and stamped late by the other, while the event loop stood still.
        late_ms = round(vitals.lag_max_us / 1000 + vitals.max_loop_stall_ms, 3)
    if vitals.slept_ms > SUSPECT_STALL_MS:
        # The target went on meanwhile, so that times are too short, by nobody knows how much.
        reasons.insert(0, f"this machine was suspended for {milliseconds(vitals.slept_ms)}")
        verdict, late_ms = "suspect" if verdict == "ok" else verdict, None
    if vitals.shortage is not None:
        verdict = "saturated"
        reasons.insert(0, f"{vitals.shortage}; {counted(vitals.machine_waits, 'step')} had to wait for that")
    if vitals.in_flight_waits:
        reasons.append(f"{counted(vitals.in_flight_waits, 'step')} waited because of --max-in-flight")
        verdict = "suspect" if verdict == "ok" else verdict
    if vitals.connection_waits:
        reasons.append(f"{counted(vitals.connection_waits, 'step')} waited because connections.max was reached")
        verdict = "suspect" if verdict == "ok" else verdict
    if verdict == "saturated" and vitals.cpu_percent > FULL_CPU_PERCENT:
        reasons.append(f"this process used {number(vitals.cpu_percent)}% of a core")
    return Generator(
        verdict=verdict,
        reasons=reasons,
        cpu_percent=round(vitals.cpu_percent, 1),
        max_loop_stall_ms=round(vitals.max_loop_stall_ms, 3),
        late_ms=late_ms,
    )
