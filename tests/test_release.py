"""`scripts/release` makes nothing of a checkout that is not ready, and says what is missing."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "replay").mkdir()
    shutil.copy(ROOT / "scripts" / "release", tmp_path / "scripts")
    (tmp_path / "replay" / "__init__.py").write_text('__version__ = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## Unreleased\n\n## 1.2.0\n\n- New.\n\n## 1.1.0\n\n- Old.\n"
    )
    # Stands for what would be installed and built.
    (tmp_path / "scripts" / "setup").write_text("#!/bin/sh\necho ready\nexit 9\n")
    (tmp_path / "scripts" / "setup").chmod(0o755)
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    return tmp_path


def git(folder, *words):
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *words], cwd=folder, check=True)


def commit(folder):
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "x")


def release(folder):
    return subprocess.run(["scripts/release"], cwd=folder, capture_output=True, text=True)


def test_a_checkout_that_is_ready_is_built(checkout):
    ran = release(checkout)

    assert (ran.returncode, ran.stdout, ran.stderr) == (9, "ready\n", "")


@pytest.mark.parametrize(
    ("changelog", "said"),
    [
        ("## Unreleased\n\n- Something.\n\n## 1.2.0\n\n- New.\n", 'has lines under "## Unreleased" still'),
        ("## Unreleased\n\n- New.\n\n## 1.1.0\n\n- Old.\n", "has nothing on 1.2.0"),
        ("## Unreleased\n\n## 1.2.0\n\n## 1.1.0\n\n- Old.\n", "has nothing on 1.2.0"),
        ("## 1.2.01\n\n- Other.\n", "has nothing on 1.2.0"),
    ],
)
def test_a_changelog_that_does_not_tell_of_it_is_refused(checkout, changelog, said):
    (checkout / "CHANGELOG.md").write_text(changelog)
    commit(checkout)
    ran = release(checkout)

    assert ran.returncode == 2
    assert said in ran.stderr


def test_changes_that_are_not_committed_are_refused(checkout):
    (checkout / "new").touch()

    assert "the checkout has changes" in release(checkout).stderr


def test_a_version_that_is_out_is_refused(checkout):
    git(checkout, "tag", "v1.2.0")

    assert "there is a tag v1.2.0 already" in release(checkout).stderr


def test_the_bill_of_materials_is_of_the_versions_in_the_lock():
    """What the script takes from the lock as constraints is every pin of it, with its condition and without its hashes."""
    (taking,) = re.findall(
        r"^(grep .*) requirements\.lock > ", (ROOT / "scripts" / "release").read_text(), re.MULTILINE
    )
    lock = (ROOT / "requirements.lock").read_text()
    taken = subprocess.run(
        ["bash", "-c", taking], input=lock, capture_output=True, text=True, check=True
    ).stdout.splitlines()

    pins = re.findall(r"^([\w.-]+==.+?) \\$", lock, re.MULTILINE)
    assert taken == pins
    assert len(pins) > 20
