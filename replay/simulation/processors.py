"""The work of simulated instances that share their processors: looked at whenever the next piece of it ends."""

from collections.abc import Callable

from replay.planes.core.types import InstanceId
from replay.planes.modelled.cpu import CpuRules, InstanceCpu
from replay.planes.modelled.types import ModelSpec
from replay.simulation.answers import Job
from replay.simulation.virtual import VirtualTime


class Processors:
    """Of one plane's instances.

    worked(job): called when a request's work, or a part of it, is done. used(instance, milli_vcpu): told how much CPU
    an instance uses now. are_shared: whether requests slow one another; else each takes its own time, and nobody need
    look.
    """

    def __init__(
        self,
        model: ModelSpec,
        rules: CpuRules,
        time: VirtualTime,
        worked: Callable[[Job], None],
        used: Callable[[InstanceId, int], None],
    ) -> None:
        leaves_work = model.background is not None
        self.are_shared = model.sharing == "processor" or leaves_work
        # Then what needs none of the CPU takes its own time, whatever else there is.
        self._needs_cpu_alone = not leaves_work
        self._sharing = model.sharing
        self._rules, self._time = rules, time
        self._worked, self._used = worked, used
        self._work: dict[InstanceId, InstanceCpu[Job]] = {}
        self._looks: dict[InstanceId, int] = {}

    def __repr__(self) -> str:
        return f"<Processors of {len(self._work)} instances>"

    def ready(self, instance: InstanceId) -> None:
        """An instance has booted."""
        if self.are_shared:
            self._work[instance] = InstanceCpu(self._rules, self._sharing, self._time.now_ns)

    def forget(self, instance: InstanceId) -> int:
        """An instance has gone; returns how many pieces of background work are lost with it."""
        work = self._work.pop(instance, None)
        self._looks.pop(instance, None)
        return 0 if work is None else work.left

    def add(self, instance: InstanceId, job: Job, time_ns: int) -> None:
        """Begin a request's work, or the rest of it, of this length where it has the processor for itself."""
        now, share = self._time.now_ns, job.plan.cpu_share
        if not self.are_shared or (not share and self._needs_cpu_alone):
            self._time.at(now + time_ns, self._worked, job)
            return
        self._work[instance].add(job, time_ns, now, share)
        self._await_next_end(instance)
        self._note_use(instance)

    def leave_behind(self, instance: InstanceId, time_ns: float) -> None:
        """A request that has ended leaves so much work behind."""
        self._work[instance].leave_behind(time_ns, self._time.now_ns)
        self._note_use(instance)

    def _note_use(self, instance: InstanceId) -> None:
        work = self._work.get(instance)
        if work is not None:
            self._used(instance, work.used_milli_vcpu)

    def _await_next_end(self, instance: InstanceId) -> None:
        """Look at an instance when its next work ends. One that is to be looked at before then is asked again then."""
        work = self._work.get(instance)
        end_ns = work.next_end_ns() if work is not None else None
        if end_ns is None:
            return
        look_ns = self._looks.get(instance)
        if look_ns is None or end_ns < look_ns:
            self._looks[instance] = end_ns
            self._time.at(end_ns, self._settle, (instance, end_ns))

    def _settle(self, look: tuple[InstanceId, int]) -> None:
        instance, look_ns = look
        work = self._work.get(instance)
        if work is None or self._looks.get(instance) != look_ns:
            # It is gone, or an earlier look has taken this one's place.
            return
        del self._looks[instance]
        for job in work.finished(self._time.now_ns):
            self._worked(job)
        self._await_next_end(instance)
        self._note_use(instance)
