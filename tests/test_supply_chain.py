"""What is installed: within stated bounds, pinned for CI, and with its licences told."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
DEV = [Requirement(line) for line in PROJECT["dependency-groups"]["dev"]]


def locked(name="requirements-ci.lock"):
    """The versions in a lock, by name: several where they differ by Python; and how many hashes each has."""
    found: dict[str, dict[str, int]] = {}
    for entry in re.split(r"\n(?=\w)", (ROOT / name).read_text()):
        pinned = re.match(r"([\w.-]+)==(\S+)", entry)
        if pinned:
            found.setdefault(canonicalize_name(pinned[1]), {})[pinned[2]] = entry.count("--hash=sha256:")
    return found


@pytest.mark.parametrize("requirement", RUNTIME, ids=lambda requirement: requirement.name)
def test_each_dependency_has_a_lowest_version_which_ci_tries_and_no_upper_bound(requirement):
    assert [specifier.operator for specifier in requirement.specifier] == [">="]


@pytest.mark.parametrize("requirement", [*RUNTIME, *DEV], ids=lambda requirement: requirement.name)
def test_the_lock_has_what_the_project_needs(requirement):
    versions = locked().get(canonicalize_name(requirement.name))

    assert versions, "not in requirements-ci.lock: run ./scripts/lock"
    assert all(requirement.specifier.contains(version) for version in versions), "run ./scripts/lock"


def test_the_lock_for_users_is_a_part_of_that_for_ci():
    whole, part = locked(), locked("requirements.lock")

    assert {canonicalize_name(requirement.name) for requirement in RUNTIME} <= part.keys(), "run ./scripts/lock"
    assert all(whole[name] == versions for name, versions in part.items()), "run ./scripts/lock"
    assert "openai" not in part


def test_all_that_ci_installs_is_pinned_by_hash():
    assert all(hashes for versions in locked().values() for hashes in versions.values())
    ci = (ROOT / ".ci" / "run").read_text()
    assert "export LOCKED=1\n" in ci
    assert "./scripts/lowest >" in ci


def test_the_page_of_licences_names_all_that_an_installation_brings():
    spec = importlib.util.spec_from_file_location("licences", ROOT / "scripts" / "licences.py")
    licences = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(licences)
    told = dict(re.findall(r"^\| (\S+) \| (.+) \|$", (ROOT / "docs" / "licences.md").read_text(), re.MULTILINE))

    assert licences.needed().keys() <= told.keys(), "run ./scripts/lock"
    assert {"MIT", "BSD-3-Clause"} <= set(told.values())
