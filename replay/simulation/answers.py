"""What becomes of a simulated request, and how long that takes: by the model of the plane's instances, or as it was
recorded. Nothing waits here, and no clock is asked.
"""

from random import Random
from typing import NamedTuple

import msgspec

from replay.planes.core.types import InstanceId
from replay.planes.modelled.asking import NOTHING_ASKED, kind_and_name, scan_for
from replay.planes.modelled.messages import asks_model
from replay.planes.modelled.script import Plan, Recorded, Script
from replay.planes.modelled.types import Asked, Faults
from replay.planes.types import SimulatedPlane
from replay.trace.types import Kind, Step

_MS = 1_000_000
_ANSWERS = Plan("answers", 0.0, Random(0))


class Job(NamedTuple):
    """What is left of one request under way: the rest of its answer, after the first byte; then its fate."""

    number: int
    plan: Plan
    body_ns: int


class Answers:
    """One plane's. model: of its instances. unknown: how many steps have no recorded duration, where that counts."""

    def __init__(self, spec: SimulatedPlane, shape_path: str) -> None:
        self.model = spec.instances
        if spec.as_recorded:
            self.model = msgspec.structs.replace(spec.instances, as_recorded=True)
        self._script = Script(self.model, spec.plane.kind)
        self._is_recorded = spec.as_recorded
        self._recorded_plans: dict[tuple[Kind, str], Plan] = {}
        self._chat_path = shape_path.encode()
        faults, leaves_work = self.model.faults, self.model.background is not None
        # Where nothing is drawn for a step that was recorded, nothing is drawn.
        self._draws = leaves_work or faults != Faults(deploys_s=faults.deploys_s, kills_s=faults.kills_s)
        self._shares_cpu = self.model.sharing == "processor" or leaves_work
        self.unknown = 0

    def __repr__(self) -> str:
        return f"<Answers {'as recorded' if self._is_recorded else 'by the model'}>"

    def boot_ms(self, instance: InstanceId, vcpu: float) -> float:
        return self._script.boot_ms(instance, vcpu)

    def job(self, number: int, step: Step, key: bytes, elapsed_s: float) -> tuple[Job, int]:
        """What becomes of a request, and how many ns until its first byte.

        key: what is drawn depends on this, and on nothing else. elapsed_s: since the run began.
        """
        return (self._recorded if self._is_recorded else self._modelled)(number, step, key, elapsed_s)

    def _recorded(self, number: int, step: Step, key: bytes, elapsed_s: float) -> tuple[Job, int]:
        if step.took_ms is None:
            self.unknown += 1
        took_ms = step.took_ms or 0.0
        ttft_ms = step.recorded.ttft_ms if step.recorded is not None else None
        first_ms = took_ms if ttft_ms is None else min(ttft_ms, took_ms)
        if not self._draws:
            plan = self._recorded_plan(step) if self._shares_cpu else _ANSWERS
            return Job(number, plan, int((took_ms - first_ms) * _MS)), int(first_ms * _MS)
        recorded = Recorded(took_ms, None, step.kind, step.name)
        plan = self._script.plan(b"GET", b"", NOTHING_ASKED, key, elapsed_s, recorded)
        if plan.fate != "answers":
            return Job(number, plan, 0), int(plan.work_ms * _MS)
        body_ms = took_ms - first_ms if plan.body_ms is None else plan.body_ms
        return Job(number, plan, int(body_ms * _MS)), int(first_ms * _MS)

    def _modelled(self, number: int, step: Step, key: bytes, elapsed_s: float) -> tuple[Job, int]:
        method, path, asked, usual = b"POST", self._chat_path, NOTHING_ASKED, step.kind
        if step.request is not None:
            method = step.request.method.encode()
            path = step.request.path.partition("?")[0].encode("utf-8", "surrogatepass")
            usual = kind_and_name(path)[0]
            if step.request.json and (scan := scan_for(path)) is not None:
                scan.feed(bytes(step.request.json))
                asked = scan.asked()
        elif step.llm is not None:
            asked, usual = Asked(step.llm.output_tokens or 1, step.llm.stream), "llm"
        elif step.ws is not None:
            method, path = b"WS", step.ws.path.partition("?")[0].encode("utf-8", "surrogatepass")
            message = bytes(step.ws.json)
            if message and asks_model(path, message) is not None and (scan := scan_for(path)) is not None:
                scan.feed(message)
                method, usual, asked = b"POST", "llm", msgspec.structs.replace(scan.asked(), stream=True)
        elif step.mcp is not None:
            server = step.mcp.server or ""
            path = server.encode("utf-8", "surrogatepass") if server.startswith("/") else b"/mcp"
        elif step.grpc is not None:
            path = b"/" + step.grpc.method.encode("utf-8", "surrogatepass")
        plan = self._script.plan(method, path, asked, key, elapsed_s, usual=usual)
        body_ms = plan.body_ms or 0.0
        if plan.stream and plan.body_ms is None:
            body_ms = sum(self._script.gap_ms(plan.random) for _ in range(plan.tokens - 1))
        return Job(number, plan, int(body_ms * _MS)), int(plan.work_ms * _MS)

    def _recorded_plan(self, step: Step) -> Plan:
        """What becomes of a step that takes as long as it was recorded: the same for all of its kind and name."""
        key = step.kind, step.name
        plan = self._recorded_plans.get(key)
        if plan is None:
            share = self._script.cpu_share(step.kind, step.name, is_recorded=True)
            if self.model.sharing == "slots":
                share = 1.0
            plan = self._recorded_plans[key] = _ANSWERS._replace(cpu_share=share)
        return plan
