"""The image, as far as it can be looked at without a container engine."""

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINES = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text()).splitlines()
STEPS = [line.split(maxsplit=1) for line in LINES if line and not line.startswith("#")]
LAST = STEPS[max(n for n, (word, _) in enumerate(STEPS) if word == "FROM") :]


@pytest.mark.parametrize("path", ["Dockerfile", "targets/app/Dockerfile"])
def test_a_linter_has_nothing_to_say_of_it(path):
    hadolint = Path(sys.executable).parent / "hadolint"
    read = subprocess.run([hadolint, "--no-color", path], cwd=ROOT, capture_output=True, text=True)

    assert (read.returncode, read.stdout + read.stderr) == (0, "")


def test_what_builds_is_in_another_stage_than_what_runs():
    assert [rest for word, rest in STEPS if word == "FROM"] == [
        "python:${PYTHON}-slim AS build",
        "python:${PYTHON}-slim",
    ]
    assert [rest for word, rest in LAST if word == "COPY"] == ["--from=build /opt/replay /opt/replay"]


def test_no_platform_is_named_so_that_it_builds_for_each():
    assert not re.search(r"--platform|amd64|arm64|x86", "\n".join(" ".join(step) for step in STEPS))


def test_it_runs_without_root_and_without_a_shell():
    assert ["USER", "10001:10001"] in LAST
    assert ["ENTRYPOINT", '["replay"]'] in LAST
    assert LAST.index(["USER", "10001:10001"]) < LAST.index(["ENTRYPOINT", '["replay"]'])


def test_dependencies_are_installed_by_hash():
    (install,) = [rest for word, rest in STEPS if word == "RUN" and "requirements.lock" in rest]

    assert "--require-hashes" in install


@pytest.mark.parametrize(
    "source",
    [name for word, rest in STEPS if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]],
)
def test_what_it_copies_is_there_and_is_let_into_the_context(source):
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]

    assert (ROOT / source).exists()
    assert any(fnmatch(source, pattern) for pattern in let_in)
    assert "*" in (ROOT / ".dockerignore").read_text().splitlines()
