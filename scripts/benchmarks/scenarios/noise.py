"""How far the machine itself is to be trusted: what a bare spinning loop sees on each of the two cores."""

from benchmarks.machine import CLIENT_CORE, SERVER_CORE, noise_floor
from benchmarks.scenarios.types import Measured, Setting
from benchmarks.table import Row


def measure(setting: Setting) -> Measured:
    rows, figures = [], {}
    for who, core in (("client", CLIENT_CORE), ("server", SERVER_CORE)):
        noise = figures[who] = noise_floor(core, seconds=min(2.0, setting.seconds))
        rows.append(
            Row(
                f"noise floor, the {who}'s core",
                f"gaps p99.99 {noise['p99_99_us']:.0f} µs, max {noise['max_us']:,.0f} µs",
                goal=f"{noise['over_100_us_per_s']:.1f} gaps over 100 µs a second",
            )
        )
    if CLIENT_CORE == SERVER_CORE:
        rows.append(Row("cores", "one: client and server share it, so no figure here means much"))
    return Measured(rows, figures)
