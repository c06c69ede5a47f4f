"""What `replay plane serve` was asked for: its options, held against each other, and the plane that they describe."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from replay.errors import InputError
from replay.keys import explained
from replay.planes.core.scaling_types import scaling_for
from replay.planes.core.types import PlaneSpec
from replay.planes.modelled.time_types import Distribution
from replay.planes.modelled.types import ModelSpec, ServiceModel
from replay.planes.profiles import MODELS, PROFILES, ProfileName
from replay.planes.serving.types import ProcessSpec
from replay.system.files import read_small
from replay.toml import read_toml

# The options that are rules of the plane, with what they are called there.
_RULES = {
    "kind": "kind",
    "concurrency": "concurrency",
    "min_instances": "min_instances",
    "max_instances": "max_instances",
    "idle_lifetime": "idle_lifetime_s",
    "pending_limit": "pending_limit",
    "request_timeout": "request_timeout_s",
    "drain": "drain_s",
    "startup_boost": "startup_boost",
    "cpu_when_idle": "cpu_when_idle",
    "router": "router",
}
# One machine that takes everything at once: what a recording answers takes as long as it was recorded.
_WITHOUT_LIMITS: dict[str, Any] = {"kind": "vm", "concurrency": 0, "max_instances": 1}
# Those that make a modelled target a gateway with instances.
_MAKE_INSTANCES = {"kind", "profile", "boot", "service", "model_file"}
# Those that mean nothing without instances, as they are typed.
_OF_INSTANCES = {
    "concurrency": "--concurrency",
    "min_instances": "--min-instances",
    "max_instances": "--max-instances",
    "idle_lifetime": "--idle-lifetime",
    "pending_limit": "--pending-limit",
    "request_timeout": "--request-timeout",
    "router": "--router",
    "health_path": "--health-path",
    "boot_timeout": "--boot-timeout",
    "grace": "--grace",
    "drain": "--drain",
    "tells": "--headers",
    "control_port": "--control-port",
    "series": "--series",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """The options of the command line by name, times in seconds; given: the names of those that were typed."""

    given: frozenset[str]
    modelled: bool
    command: str | None
    trace: Path | None
    kind: str
    profile: ProfileName | None
    host: str
    port: int
    concurrency: int
    min_instances: int
    max_instances: int
    idle_lifetime: float
    pending_limit: str | None
    request_timeout: float | None
    router: str
    health_path: str | None
    boot_timeout: float
    grace: float
    drain: float | None
    tells: bool
    control_port: int | None
    series: Path | None
    boot: Distribution | None
    service: Distribution | None
    model_file: Path | None
    startup_boost: bool
    cpu_when_idle: str
    seed: int
    speed: float
    error_rate: float

    def refuse_contradictions(self) -> None:
        """Raises InputError for options that exclude each other or mean nothing together."""
        if self.trace is not None and self.command is not None:
            raise InputError(
                "--trace and --command exclude each other: either the recording answers, or a process does."
            )
        if self.trace is None and self.modelled == (self.command is not None):
            raise InputError(
                "say what to serve: --modelled, --trace with a recording that answers, or --command with how an "
                "instance is started."
            )
        self.address()
        if self.health_path is not None and not self.health_path.startswith("/"):
            raise InputError("--health-path must begin with /.")
        if self.command is not None and self.given & {"boot", "service", "model_file"}:
            raise InputError("--boot, --service and --model are for --modelled: a process takes its own time.")
        if self.command is not None and self.given & {"startup_boost", "cpu_when_idle"}:
            raise InputError(
                "--startup-boost and --cpu-when-idle are for --modelled: a process has this machine's CPU."
            )
        idle = [typed for name, typed in _OF_INSTANCES.items() if name in self.given]
        if not self._has_instances() and idle:
            raise InputError(
                f"{idle[0]} is for planes with instances: add --command, or --plane, --profile, --boot, --service or "
                "--model."
            )

    def address(self) -> str:
        """The loopback address to listen on. Raises InputError for a host that is none."""
        if self.host == "localhost":
            return "127.0.0.1"
        try:
            if ipaddress.ip_address(self.host).is_loopback:
                return self.host
        except ValueError:
            pass
        raise InputError(
            f"--host {self.host} is not a loopback address; a plane is for this machine only. Use 127.0.0.1."
        )

    def instances(self) -> ProcessSpec | ModelSpec | None:
        """What the gateway's instances are; None for one modelled server without a gateway.

        Raises InputError if the model's file cannot be read.
        """
        if self.command is not None:
            return ProcessSpec(
                command=self.command,
                health_path=self.health_path,
                boot_timeout_s=self.boot_timeout,
                grace_s=self.grace,
            )
        if not self._has_instances():
            return None
        model = _model(self.model_file, self.profile)
        typed: dict[str, Any] = {
            "boot": self.boot,
            "service": self.service,
            "speed": self.speed,
            "seed": self.seed,
        }
        changes = {name: value for name, value in typed.items() if name in self.given}
        if "error_rate" in self.given:
            changes["faults"] = msgspec.structs.replace(model.faults, error_ratio=self.error_rate)
        return msgspec.structs.replace(model, **changes)

    def _has_instances(self) -> bool:
        return self.command is not None or self.trace is not None or bool(self.given & _MAKE_INSTANCES)

    def service_model(self) -> ServiceModel:
        """How the one modelled server answers that has no instances."""
        return ServiceModel(speed=self.speed, error_ratio=self.error_rate, seed=self.seed)

    def plane(self) -> PlaneSpec:
        """The rules that the options name; of a profile's, those that an option changes. Raises ValueError."""
        rules: dict[str, Any] = {field: getattr(self, name) for name, field in _RULES.items()}
        if self.trace is not None and not self.given & {"kind", "profile", "boot"}:
            rules |= {name: value for name, value in _WITHOUT_LIMITS.items() if name not in self.given}
        if self.profile is not None:
            typed = {field: rules[field] for name, field in _RULES.items() if name in self.given}
            return msgspec.structs.replace(PROFILES[self.profile], **typed)
        if rules["kind"] == "serverless":
            rules["scaling"] = scaling_for(rules["idle_lifetime_s"])
        return PlaneSpec(**rules)


def _model(file: Path | None, profile: ProfileName | None) -> ModelSpec:
    """Read a model's file, over what is known of the profile's instances; the defaults where there is neither."""
    written: dict[str, Any] = {} if profile is None else dict(MODELS.get(profile, {}))
    try:
        written |= {} if file is None else read_toml(read_small(file))
        return msgspec.convert(written, ModelSpec)
    except OSError as fault:
        raise InputError(f"cannot read {file}: {fault.strerror}.") from None
    except msgspec.ValidationError as fault:
        raise InputError(f"{file}: {explained(fault, ModelSpec, written)}") from None
    except (msgspec.DecodeError, ValueError) as fault:
        raise InputError(f"{file}: {fault}.") from None
