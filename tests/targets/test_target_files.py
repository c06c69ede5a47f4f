"""The target files that come along: planes that can be simulated, and routes that go where they say."""

from pathlib import Path

import msgspec
import pytest

from replay.engine.requests.router import WAIT, Router
from replay.planes.core.plane import Plane
from replay.planes.profiles import PROFILES
from replay.simulation.simulation import simulated_plane
from replay.target.file import load_target
from replay.trace.types import LlmCall, Request, Step

TARGETS = Path(__file__).parent.parent.parent / "targets"
FILES = {path.stem: load_target(str(path)) for path in sorted(TARGETS.glob("*.toml"))}
PLATFORMS = {
    "cloud-run": "serverless",
    "lambda": "serverless",
    "azure-container-apps": "serverless",
    "knative": "serverless",
    "vm": "vm",
    "vm-group": "vm",
    "hybrid": "hybrid",
    "hybrid-local": "hybrid",
}


@pytest.mark.parametrize(("name", "plane"), PLATFORMS.items())
def test_a_file_for_a_platform_says_what_plane_it_is(name, plane):
    assert FILES[name].plane == plane


@pytest.mark.parametrize("name", [name for name, target in FILES.items() if target.simulate is not None])
def test_a_plane_that_a_file_describes_can_be_made(name):
    assert Plane(simulated_plane(FILES[name]).plane).next_wake_ns is None


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("cloud-run", {}),
        ("lambda", {"pending_limit", "scaling"}),  # which write None in another way
        ("knative", {"concurrency", "max_instances"}),
        ("vm", {"concurrency", "max_instances"}),
        ("gce-mig", {"max_instances", "scaling"}),  # by a file called vm-group, with a schedule
    ],
)
def test_a_file_simulates_the_rules_of_its_platform(name, own):
    written = simulated_plane(FILES[{"gce-mig": "vm-group"}.get(name, name)]).plane
    rules = PROFILES[name]

    for field in msgspec.structs.fields(type(rules)):
        if field.name not in own:
            assert getattr(written, field.name) == getattr(rules, field.name), field.name


def test_an_identity_token_comes_from_a_command_and_no_file_holds_a_secret():
    assert FILES["cloud-run"].auth.command == "gcloud auth print-identity-token"
    assert not any("authorization" in target.headers for target in FILES.values())


def step(kind, name):
    if kind == "llm":
        return Step(id="a", kind=kind, name=name, llm=LlmCall())
    return Step(id="a", kind=kind, name=name, request=Request(method="GET", path="/"))


@pytest.mark.parametrize(
    ("file", "kind", "name", "where"),
    [
        ("hybrid", "tool", "run-tests", "https://workers.example.com"),
        ("hybrid", "tool", "build", "https://workers.example.com"),
        ("hybrid", "llm", "plan", "https://models.example.com"),
        ("hybrid", "tool", "crm", "https://agent-app-0123456789.us-central1.run.app"),
        ("hybrid", "tool", "local_grep", None),
        ("hybrid-local", "tool", "run-tests", "http://127.0.0.1:8081"),
        ("hybrid-local", "llm", "decide", "http://127.0.0.1:8081"),
        ("hybrid-local", "mcp", "knowledge", "http://127.0.0.1:8080"),
    ],
)
def test_a_hybrid_sends_each_step_to_its_plane(file, kind, name, where):
    router = Router(FILES[file])
    found = router.decide(step(kind, name))

    assert (None if found == WAIT else router.urls[found]) == where
