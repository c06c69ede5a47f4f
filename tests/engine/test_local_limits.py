"""Whole runs on a machine that has run out of something: they end, and they say whose fault it was."""

import json
import subprocess
import sys

import pytest

pytest.importorskip("resource")

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))
import runpy
sys.argv = ["replay", *sys.argv[1:]]
runpy.run_module("replay", run_name="__main__")
"""


def replayed(limit, *arguments):
    """What `replay` prints as JSON, in a process that may have so many descriptors."""
    command = [sys.executable, "-c", LIMITED.format(limit=limit), *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout, (done.returncode, done.stderr)
    return done.returncode, json.loads(done.stdout)


def crowd_of(write_trace, ms):
    """More steps at once than there are descriptors, each of which takes a while."""
    return write_trace(*((0.0, [write_trace.get("a", f"/?ms={ms}", name="call")]) for _ in range(120)))


@pytest.fixture
def crowd(write_trace):
    return crowd_of(write_trace, 100)


@pytest.mark.parametrize("transport", ["fast", "httpx"])
@pytest.mark.parametrize("reuse", ["pool", "none"])
def test_a_run_without_enough_descriptors_ends_and_says_so(truth, crowd, tmp_path, transport, reuse):
    target = tmp_path / "target.toml"
    target.write_text(f'url = "{truth.url}"\ntransport = "{transport}"\n[connections]\nreuse = "{reuse}"\n')

    code, summary = replayed(64, "run", crowd, "-t", target, "--out", tmp_path / "run")

    assert code == 0
    assert (summary["counts"]["ok"], summary["counts"]["failed"]) == (120, 0)
    assert summary["generator"]["verdict"] == "saturated"
    assert summary["generator"]["reasons"][0].startswith(
        "out of file descriptors (limit 64): raise it with ulimit -n; "
    )


def test_no_target_fails_for_what_this_machine_lacked(truth, write_trace, tmp_path):
    # Long enough for a first connection on a busy machine, and less than a step holds its own.
    crowd = crowd_of(write_trace, 2_000)
    target = tmp_path / "target.toml"
    target.write_text(f'url = "{truth.url}"\n[timeouts]\nconnect_s = 0.8\n')

    code, verdict = replayed(
        64, "gate", crowd, "-t", target, "--out", tmp_path / "run", "--slo", "errors < 1%", "--slo", "p50 < 1ms"
    )

    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["counts"]["errors"]["local"] > 1
    assert (code, verdict["verdict"]) == (3, "inconclusive")
    assert [check["verdict"] for check in verdict["checks"]] == ["inconclusive"] * 2


COMMANDS = {
    "run": ("run", "trace.jsonl", "-t", "http://127.0.0.1:9", "--out", "run"),
    "gate": ("gate", "trace.jsonl", "-t", "http://127.0.0.1:9", "--slo", "p99 < 1s", "--out", "gate"),
    "record": ("trace", "record", "--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:9", "-o", "rec.jsonl"),
    "serve": ("plane", "serve", "--modelled", "--port", "0"),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("limit", [6, 10])
def test_too_few_descriptors_for_an_event_loop_are_told_in_a_sentence(write_trace, tmp_path, name, limit):
    """With ten a run turned its loop for ever, deaf to Ctrl-C; with six uvloop aborted the process."""
    write_trace((0.0, [write_trace.get("a")]))

    done = subprocess.run(
        [sys.executable, "-c", LIMITED.format(limit=limit), *COMMANDS[name]],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        check=False,
    )

    assert done.returncode == 4
    assert done.stderr == f"replay: out of file descriptors (limit {limit}): raise it with ulimit -n.\n"
