"""The rule of variability: what comes and goes beside what stays."""

from replay.choice.case import Case
from replay.choice.types import Favours, Rule
from replay.words.numbers import percent

MOST_IDLE_FOR_VM = 0.5
LEAST_IDLE_FOR_SERVERLESS = 0.05


def variability(case: Case) -> Rule:
    """The habit of the load: what comes and goes is for serverless, what stays for machines. Never decides alone."""
    workload = case.workload
    idle = workload.idle_share
    is_idle = idle is not None and idle >= MOST_IDLE_FOR_VM
    is_never_idle = idle is not None and idle < LEAST_IDLE_FOR_SERVERLESS
    favours: Favours = "neither"
    if workload.pattern == "steady state":
        favours = "neither" if is_idle else "vm"
    elif is_idle or (workload.pattern == "bursty background" and not is_never_idle):
        favours = "serverless"
    text = f"{workload.pattern}: {workload.pattern_rule}"
    if workload.pattern == "steady state" and is_idle:
        text += f"; but nothing is under way in {percent(idle)} of the seconds"
    return Rule(
        name="variability",
        favours=favours,
        evidence={
            "pattern": workload.pattern,
            "idle_share": idle,
            "peak_to_mean": workload.peak_to_mean,
            "dispersion": workload.dispersion,
        },
        text=text,
        flips_at={"idle_share": MOST_IDLE_FOR_VM},
        source="variable utilisation and state kept elsewhere: serverless; steady and a reason to stay warm: dedicated",
    )
