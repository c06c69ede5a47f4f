"""What surrounds the application says what the application does: its page, its container, its service and its unit."""

import re
import shlex
from configparser import ConfigParser
from pathlib import Path

import click
import pytest

from replay.cli.main import cli
from targets.app.settings import settings_from

APP = Path(__file__).parent.parent.parent / "targets" / "app"


def test_every_link_of_the_page_leads_to_a_file():
    for link in re.findall(r"\]\(([^)#]+)\)", (APP / "README.md").read_text()):
        assert (APP / link).exists(), link


def test_every_replay_command_of_the_page_exists_with_its_options():
    lines = re.findall(r"^(?:STATE=\w+ )?replay (plane serve|run) (.*)$", (APP / "README.md").read_text(), re.M)

    assert len(lines) == 3
    for names, rest in lines:
        command = cli
        for name in names.split():
            command = command.get_command(click.Context(command), name)
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in shlex.split(rest) if word.startswith("--")} <= known


def test_the_page_tells_every_variable_and_its_default():
    page = (APP / "README.md").read_text()
    variables = set(re.findall(r'"([A-Z_]{4,})"', (APP / "settings.py").read_text()))

    assert variables == {word for word in variables if f"`{word}`" in page}
    settings = settings_from({})
    pace = settings.pace
    assert f"| {settings.port}, {settings.host} |" in page
    assert f"| {pace.ttft_ms:g}, {pace.prefill_ms:g}, {pace.itl_ms:g} |" in page
    assert f"| `GRACE_S` | {settings.grace_s:g} |" in page


def test_the_container_listens_where_the_platform_can_reach_it_and_takes_signals_itself():
    lines = (APP / "Dockerfile").read_text().splitlines()
    environment = dict(
        pair.split("=") for line in lines if line.startswith("ENV ") for pair in line.split()[1:]
    )
    copied = next(line for line in lines if line.startswith("COPY ")).split()[1:]

    assert (settings_from(environment).host, settings_from(environment).port) == ("0.0.0.0", 8080)
    assert (APP.parent / copied[0] / "__main__.py").exists()
    assert 'ENTRYPOINT ["python", "-m", "targets.app"]' in lines


def test_the_unit_gives_open_requests_their_grace_and_keeps_the_store_where_it_may_write():
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment]
    text = (APP / "replay-app.service").read_text()
    unit.read_string(text)
    service = unit["Service"]
    given = dict(pair.split("=", 1) for pair in " ".join(re.findall(r"^Environment=(.*)$", text, re.M)).split())

    settings = settings_from(given)
    assert service["ExecStart"].endswith("-m targets.app")
    assert settings.grace_s < float(service["TimeoutStopSec"])
    assert settings.database_url == f"sqlite:////var/lib/{service['StateDirectory']}/app.db"
    assert settings.state == "store"


@pytest.mark.parametrize(
    "line",
    ["containerConcurrency: 80", "timeoutSeconds: 300", "path: /health", "containerPort: 8080", "value: store"],
)
def test_the_service_file_has_the_limits_that_the_target_file_assumes(line):
    assert line in [written.strip() for written in (APP / "service.yaml").read_text().splitlines()]
