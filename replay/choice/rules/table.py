"""The rules by which a plane is chosen: each looks at measured figures, says whom it favours, and what would flip it.

Pure. A rule never guesses: without its figures it favours neither, and its text says what is missing. Which of them
decides is for replay/choice/decision.py. Those that rule a target out ask replay/choice/standing.py; those
after them look only at the targets that stand for their kind. The constants are ours; docs/pilot.md argues for each.
"""

from collections.abc import Callable

from replay.choice.case import Case
from replay.choice.rules.bills import cost, staff_time, utilisation
from replay.choice.rules.enough import enough_evidence
from replay.choice.rules.habits import variability
from replay.choice.rules.mixed import mixed_steps
from replay.choice.rules.ruling_out import availability, capacity, latency_budget, local_needs, request_length
from replay.choice.rules.surprises import trouble
from replay.choice.rules.tail import cold_tail
from replay.choice.types import Rule

RULES: tuple[Callable[[Case], Rule], ...] = (
    enough_evidence,
    availability,
    latency_budget,
    capacity,
    request_length,
    local_needs,
    mixed_steps,
    cost,
    staff_time,
    utilisation,
    variability,
    cold_tail,
    trouble,
)
