"""What is installed: within stated bounds, pinned for CI, and with its licences told."""

import ast
import importlib.util
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
DEV = [Requirement(line) for line in PROJECT["dependency-groups"]["dev"]]
DOCS = [Requirement(line) for line in PROJECT["dependency-groups"]["docs"]]
EXTRAS = [Requirement(line) for lines in PROJECT["project"]["optional-dependencies"].values() for line in lines]
FUZZ = [Requirement(line) for line in PROJECT["dependency-groups"]["fuzz"]]
# Ours, and what type checkers alone know.
NOT_INSTALLED = {"replay", "tests", "targets", "benchmarks", "_typeshed"}
# Only pytest itself imports our plugin for it.
HOST = Requirement("pytest")


def imported_packages(folder):
    """The packages that are imported anywhere below a folder, but for Python's own and ours, with one file each."""
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            for name in names:
                found.setdefault(name.split(".")[0], str(path.relative_to(ROOT)))
    return {
        name: path
        for name, path in found.items()
        if name not in sys.stdlib_module_names and name not in NOT_INSTALLED
    }


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


@pytest.mark.parametrize(
    ("folder", "declared"),
    [
        ("replay", [*RUNTIME, *EXTRAS, HOST]),
        ("scripts", [*RUNTIME, *EXTRAS, *DEV, *DOCS, *FUZZ]),
        ("tests", [*RUNTIME, *EXTRAS, *DEV, *DOCS, *FUZZ]),
    ],
)
def test_what_is_imported_is_declared(folder, declared):
    """What came with another package alone is gone with that package's next release."""
    names = {canonicalize_name(requirement.name) for requirement in declared}
    brought_by = packages_distributions()
    missing = {
        name: path
        for name, path in imported_packages(folder).items()
        if names.isdisjoint(map(canonicalize_name, brought_by.get(name, [name])))
    }

    assert not missing


@pytest.mark.parametrize("requirement", [*RUNTIME, *DEV, *DOCS], ids=lambda requirement: requirement.name)
def test_the_lock_has_what_the_project_needs(requirement):
    versions = locked().get(canonicalize_name(requirement.name))

    assert versions, "not in requirements-ci.lock: run ./scripts/lock"
    assert all(requirement.specifier.contains(version) for version in versions), "run ./scripts/lock"


def test_the_lock_for_users_is_a_part_of_that_for_ci():
    whole, part = locked(), locked("requirements.lock")

    assert {canonicalize_name(requirement.name) for requirement in RUNTIME} <= part.keys(), "run ./scripts/lock"
    assert all(whole[name] == versions for name, versions in part.items()), "run ./scripts/lock"
    # Who is in the image has no pip, and `report --html` is what a run there is for.
    assert "vl-convert-python" in part
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
