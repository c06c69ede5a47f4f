"""The wheel that users install: what is in it, what it says of itself, and that its version is said in one place."""

import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import replay

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built without a network, by what the lock has installed."""
    pytest.importorskip("hatchling", reason="hatchling is installed by the lock alone")
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        yield archive


def test_the_version_is_said_in_the_package_alone():
    assert "version" not in PROJECT["project"]
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "replay/__init__.py"
    assert re.fullmatch(r"\d+\.\d+\.\d+", replay.__version__)


def test_a_wheel_has_the_package_and_nothing_else(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}

    assert tops == {"replay", f"agent_replay-{replay.__version__}.dist-info"}
    assert not [name for name in wheel.namelist() if name.endswith((".pyc", ".orig"))]


def test_a_wheel_has_every_file_of_the_package(wheel):
    """Types for those who import it, price tables and recipes for those who run it."""
    tracked = subprocess.run(
        ["git", "ls-files", "replay"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()

    assert "replay/py.typed" in tracked
    assert {path for path in tracked if (ROOT / path).exists()} <= set(wheel.namelist())


def test_its_metadata_is_that_of_the_project(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    told = Parser().parsestr(wheel.read(name).decode())
    project = PROJECT["project"]

    assert (told["Name"], told["Version"]) == ("agent-replay", replay.__version__)
    assert told["Requires-Python"] == project["requires-python"]
    assert told["License-Expression"] == project["license"]
    assert told.get_all("License-File") == ["LICENSE"]
    assert set(told.get_all("Provides-Extra")) == set(project["optional-dependencies"])
    needed = [line for line in told.get_all("Requires-Dist") if "extra ==" not in line]
    assert len(needed) == len(project["dependencies"])
    assert told["Description-Content-Type"] == "text/markdown"
    assert told.get_payload().startswith("# agent-replay")


def test_its_command_is_the_one_that_we_have(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt")]

    assert "replay = replay.cli.entry:main" in wheel.read(name).decode()
