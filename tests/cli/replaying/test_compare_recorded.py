"""`compare --recorded` and `--least-fidelity` as a user calls them."""

import json

import pytest

from tests.support import commands


def call(*arguments):
    return commands.replay(*arguments, timeout=60)


PLANE = """
url = "http://127.0.0.1:9"
plane = "vm"
[simulate.plane]
concurrency = 8
min_instances = 2
max_instances = 2
[simulate.instances.service]
of = "constant"
ms = 5
"""


@pytest.fixture
def made(write_trace, tmp_path):
    """A run of 400 quick steps that were recorded at 500 ms each, in virtual time: no machine is too busy for it."""
    trace = write_trace(
        *(
            (n * 2.0, [write_trace.get("a", f"/{n}", took_ms=500.0, recorded={"status": 200})])
            for n in range(400)
        )
    )
    plane, out = tmp_path / "plane.toml", tmp_path / "run"
    plane.write_text(PLANE)
    simulated = call("plane", "simulate", trace, "-t", plane, "--out", out)
    assert simulated.returncode == 0, simulated.stderr
    return out


def test_a_run_is_held_to_its_recording_from_its_directory_alone(made):
    found = call("compare", "--run", made, "--recorded", "--metric", "p50", "--json")

    verdict = json.loads(found.stdout)
    assert (found.returncode, verdict["verdict"]) == (0, "b_faster")
    assert verdict["targets"][0]["name"] == "recorded"
    assert verdict["differences"][0]["a_ms"] == 500.0


def test_a_gate_on_a_run_takes_bounds_by_the_recording(made):
    found = call(
        "gate", "--run", made, "--slo", "p99 < recorded * 1.2", "--slo", "errors < recorded + 1%", "--json"
    )

    assert (found.returncode, json.loads(found.stdout)["verdict"]) == (0, "pass")


def test_a_target_is_held_to_the_recording_by_replaying(truth, write_trace, tmp_path):
    trace = write_trace(*((n * 10.0, [write_trace.get("a", f"/{n}", took_ms=300.0)]) for n in range(200)))

    call("compare", trace, "-t", truth.url, "--recorded", "--metric", "mean", "--out", tmp_path / "o", "--json")

    verdict = json.loads((tmp_path / "o" / "verdict.json").read_text())
    assert (verdict["command"], verdict["differences"][0]["verdict"]) == ("compare", "b_faster")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["t.jsonl", "-t", "http://x", "-t", "http://y", "--recorded"],
            "--recorded compares one target with the recording",
        ),
        (
            ["--run", "a", "--run", "b", "--recorded"],
            "--recorded compares one run with its recording: name exactly one.",
        ),
        (["t.jsonl", "-t", "http://x", "--aa", "--recorded"], "choose one of them"),
        (["--run", "a"], "name at least two runs, each with --run; or one with --recorded."),
        (["--run", "a", "--run", "a"], "a run is named twice with --run, and does not differ from itself."),
        (["--run", "a", "--recorded", "--least-fidelity", "2"], "'2' is not a valid share."),
        (
            ["--run", "a", "--run", "b", "--margin", "1e99%"],
            "'1e99%' is more than there is; at most 100% can be taken.",
        ),
        (["--run", "a", "--recorded", "--least-fidelity", "much"], "'much' is not a valid share."),
    ],
)
def test_what_cannot_be_held_to_a_recording_is_said_in_a_sentence(arguments, message):
    found = call("compare", *arguments)

    assert found.returncode == 2
    assert message in found.stderr


def test_the_level_of_fidelity_decides_whether_a_gate_does(truth, write_trace, tmp_path):
    steps = [write_trace.get("a", "/", took_ms=1.0, recorded={"status": 204})]
    trace = write_trace(*((n * 2.0, steps) for n in range(400)))
    gate = ("gate", trace, "-t", truth.url, "--slo", "p99 < 10s", "--json")

    strict = call(*gate, "--out", tmp_path / "a")
    lenient = call(*gate, "--out", tmp_path / "b", "--least-fidelity", "0")

    assert strict.returncode == 3
    assert "only 0% of the answers have the recorded status" in strict.stdout
    assert "unlike the recording" not in lenient.stdout
