"""What the environment says of how this instance runs."""

import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

STATES = ("memory", "file", "store")
WHEN_LOST = ("tell", "fail")


class SettingsError(Exception):
    """A variable cannot be used as it is set; str() is the whole message."""


@dataclass(frozen=True)
class Pace:
    """How fast the model that is played answers: a first token after ttft_ms + prefill, then one each itl_ms.

    prefill_ms: for each thousand tokens of the prompt. All are at least 0.
    """

    ttft_ms: float = 200.0
    itl_ms: float = 10.0
    prefill_ms: float = 20.0


@dataclass(frozen=True)
class Settings:
    """host, port: where to listen. state: where sessions are kept. file_dir: None is a folder of this instance's own.

    when_lost: a turn whose session was forgotten is told so (tell) or answered with 409 (fail).
    boot_s: what booting takes beside what it really does. grace_s: how long open requests may take after SIGTERM.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    state: str = "memory"
    file_dir: Path | None = None
    database_url: str = ""
    when_lost: str = "tell"
    boot_s: float = 0.0
    grace_s: float = 8.0
    pace: Pace = Pace()


def settings_from(environment: Mapping[str, str] = os.environ) -> Settings:
    """Raises SettingsError, naming the variable, what it holds and what it may hold."""
    port = _number(environment, "PORT", 8080)
    if port != int(port) or port > 65535:
        raise SettingsError(f"PORT={environment['PORT']} is no port; give a whole number from 0 to 65535.")
    folder = environment.get("FILE_DIR", "")
    return Settings(
        host=environment.get("HOST") or "127.0.0.1",
        port=int(port),
        state=_one_of(environment, "STATE", STATES),
        file_dir=Path(folder) if folder else None,
        database_url=environment.get("DATABASE_URL") or default_database_url(),
        when_lost=_one_of(environment, "WHEN_LOST", WHEN_LOST),
        boot_s=_number(environment, "BOOT_S", 0.0),
        grace_s=_number(environment, "GRACE_S", 8.0),
        pace=Pace(
            ttft_ms=_number(environment, "MODEL_TTFT_MS", Pace.ttft_ms),
            itl_ms=_number(environment, "MODEL_ITL_MS", Pace.itl_ms),
            prefill_ms=_number(environment, "MODEL_PREFILL_MS", Pace.prefill_ms),
        ),
    )


def default_database_url() -> str:
    """SQLite in a folder of this user's, so that all the instances on one machine share it without being told."""
    return f"sqlite:///{tempfile.gettempdir()}/agent-app-{os.getuid()}/app.db"


def _number(environment: Mapping[str, str], name: str, default: float) -> float:
    written = environment.get(name)
    if not written:
        return default
    try:
        number = float(written)
    except ValueError:
        number = math.nan
    if not (number >= 0 and math.isfinite(number)):
        raise SettingsError(f"{name}={written} is not a number of 0 or more.")
    return number


def _one_of(environment: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    written = environment.get(name) or known[0]
    if written not in known:
        raise SettingsError(f"{name}={written} is not one of {', '.join(known)}.")
    return written
