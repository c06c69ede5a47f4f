"""The recipes that keep baselines in a CI's cache do so: the main branch writes what others only read."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from replay.cli.main import cli
from replay.judge.gate import judging, keeping

TEXT = (Path(__file__).parents[3] / "docs" / "ci.md").read_text(encoding="utf-8")
SECTION = TEXT.split("## Baselines in the CI's cache\n")[1].split("\n## ")[0]
RECIPES = dict(
    zip(("github", "gitlab", "cloud-build"), re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL), strict=True)
)
TRACE, URL = "traces/support-agent.jsonl", "https://staging.example.com"


def gates(recipe):
    """The words of the gates in a recipe: what keeps first."""
    lines = re.findall(r"replay (gate .*)$", RECIPES[recipe], re.MULTILINE)
    return sorted(map(shlex.split, lines), key=lambda words: "--keep" not in words)


@pytest.fixture
def job(write_trace, truth, tmp_path, monkeypatch):
    """Runs a gate's words in a checkout whose trace is short; gives its exit code and its verdict."""
    # Whether this machine keeps up is not what is asked.
    for module in (judging, keeping):
        monkeypatch.setattr(module, "run_doubts", lambda *_, **__: [])
        monkeypatch.setattr(module, "unlike_recording", lambda *_, **__: [])
    (tmp_path / "traces").mkdir()
    get = write_trace.get
    write_trace(*[(n * 2.0, [get("a", "/a?ms=2")]) for n in range(200)], file=TRACE)
    monkeypatch.chdir(tmp_path)

    def run(words):
        assert words[1] == TRACE
        # A median is known of so few steps.
        asked = [truth.url if word == URL else word.replace("p99", "p50") for word in words]
        asked = [word for word in asked if word not in ("--scale", "10")]
        result = CliRunner().invoke(cli, [*asked, "--json"])
        return result.exit_code, json.loads(result.stdout)

    return run


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_main_branch_keeps_and_what_is_proposed_is_held_to_it(recipe, job, tmp_path):
    keeps, *holds = gates(recipe)

    code, first = job(keeps)
    kept = [path.name for path in (tmp_path / "baselines").iterdir()]
    _, second = job(keeps)
    there = sorted(path.name for path in (tmp_path / "baselines").iterdir())
    others = [job(words)[1] for words in holds]

    assert (code, first["verdict"]) == (3, "inconclusive")
    assert kept == [first["kept"]]
    assert second["baselines"] == kept
    assert [sorted(one["baselines"]) for one in others] == [there] * len(others)
    assert not any("kept" in one for one in others)
    assert sorted(path.name for path in (tmp_path / "baselines").iterdir()) == there


def test_on_github_only_a_push_saves_and_always_under_a_new_key():
    steps = yaml.safe_load(RECIPES["github"])["jobs"]["gate"]["steps"]
    restores, saves = (
        [step for step in steps if step.get("uses", "").startswith(f"actions/cache/{what}@")]
        for what in ("restore", "save")
    )

    assert [step["with"]["path"] for step in (*restores, *saves)] == ["baselines", "baselines"]
    assert saves[0]["if"] == "always() && github.event_name == 'push'"
    assert "github.run_id" in saves[0]["with"]["key"]
    assert saves[0]["with"]["key"].startswith(restores[0]["with"]["restore-keys"])
    [keeping_step] = [step for step in steps if "--keep" in step.get("run", "")]
    assert keeping_step["if"] == "github.event_name == 'push'"


def test_on_gitlab_merge_requests_only_pull():
    jobs = yaml.safe_load(RECIPES["gitlab"])

    assert jobs["gate"]["cache"].items() >= {"policy": "pull", "paths": ["baselines"]}.items()
    # What ends with exit code 3 has failed, and would keep its cache to itself.
    assert jobs["baseline"]["cache"].items() >= {"when": "always", "paths": ["baselines"]}.items()
    assert jobs["gate"]["cache"]["key"] == jobs["baseline"]["cache"]["key"]
    assert ["--keep" in jobs[name]["script"][0] for name in ("gate", "baseline")] == [False, True]


def test_on_cloud_build_the_bucket_is_read_before_and_written_after():
    read, gate, write = yaml.safe_load(RECIPES["cloud-build"])["steps"]

    # To read from a folder in a bucket fails until something is there.
    assert read["args"][1].endswith("gs://YOUR-BUCKET baselines")
    assert "--keep" in gate["args"][1]
    assert gate["allowExitCodes"] == [3]
    assert write["args"][1].endswith("baselines gs://YOUR-BUCKET")
