"""`replay pilot` as its users meet it: what it says, leaves and exits with."""

import json
import shutil

import pytest

from tests.support.commands import replay
from tests.support.pilot_commands import bursts


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """One pilot, made once: its folder, and how the command ended."""
    folder = tmp_path_factory.mktemp("pilot")
    trace = bursts(folder / "bursts.jsonl")
    return folder / "out", replay("pilot", trace, "--simulate", "--out", folder / "out", cwd=folder), trace


def test_it_answers_first_and_ends_with_the_path_of_the_report(simulated):
    out, ran, _ = simulated

    assert ran.returncode == 0
    assert ran.stdout.lstrip().startswith("Run it serverless")
    assert ran.stdout.rstrip().endswith(f"report: {out / 'report.html'}")
    assert "[1/7] representative traffic" in ran.stderr


def test_it_leaves_a_verdict_a_page_markdown_and_each_chart(simulated):
    out, _, _ = simulated

    assert json.loads((out / "verdict.json").read_text())["verdict"] == "serverless"
    assert (out / "report.md").read_text().startswith("# Run it serverless")
    assert (out / "report.html").read_text().startswith("<!doctype html>")
    assert any(path.suffix == ".svg" for path in (out / "charts").iterdir())


def test_the_terminal_keeps_to_eighty_columns(simulated):
    _, ran, _ = simulated

    assert max(len(line.rstrip()) for line in ran.stdout.splitlines()[:-2]) <= 80


def test_the_same_command_with_the_same_folder_makes_nothing_again(simulated):
    out, _, trace = simulated

    again = replay("pilot", trace, "--simulate", "--out", out, "--json", cwd=out.parent)

    assert again.returncode == 0
    assert json.loads(again.stdout)["command"] == "pilot"
    assert "representative traffic" not in again.stderr


def test_another_month_is_judged_again_and_nothing_is_replayed(simulated, tmp_path):
    made, _, trace = simulated
    out = shutil.copytree(made, tmp_path / "out")

    again = replay(
        "pilot", trace, "--simulate", "--out", out, "--month", "office-hours", "--json", cwd=out.parent
    )

    assert again.returncode == 0
    assert json.loads(again.stdout)["calendar"] == "office-hours"
    assert "representative traffic" not in again.stderr
    shown = replay("report", out, cwd=out.parent).stdout
    assert "a month, office-hours" in shown


def test_answers_rule_a_plane_out_and_are_shown_in_each_report(simulated, tmp_path):
    made, _, trace = simulated
    out = shutil.copytree(made, tmp_path / "out")
    answers = tmp_path / "answers.toml"
    answers.write_text(
        'memory = "sessions"\nstate_external = "no"\nlost_sessions = "no"\nstaff_hours = 2\nstaff_rate = 80\n'
    )

    again = replay("pilot", trace, "--simulate", "--out", out, "--answers", answers, "--json", cwd=out.parent)

    verdict = json.loads(again.stdout)
    assert again.returncode == 0
    assert verdict["verdict"] == "vm"
    assert [rule["name"] for rule in verdict["rules"] if rule["decides"]] == ["state"]
    assert {plane["target"]: plane["staff_month"] for plane in verdict["planes"]} == {
        "serverless": None,
        "vm": 160.0,
    }
    assert verdict["answers"][0]["answer"] == "sessions"
    assert "What no trace can tell" in (out / "report.md").read_text()
    assert "What no trace can tell" in (out / "report.html").read_text()
    assert "answers to what no trace can tell" in replay("report", out, cwd=out.parent).stdout


def test_report_shows_it_again(simulated):
    out, _, _ = simulated

    shown = replay("report", out, cwd=out.parent).stdout

    assert "Run it serverless" in shown
    assert "assumptions" in shown


def test_what_was_assumed_is_printed_on_request_and_always_in_the_report(simulated):
    out, ran, trace = simulated

    asked = replay("pilot", trace, "--simulate", "--out", out, "--assumptions", cwd=out.parent)

    assert "assumptions" not in ran.stdout
    said = " ".join(asked.stdout.split())
    assert "plane.concurrency serverless 80 profile: cloud-run" in said
    assert "plane.idle_lifetime_s serverless 900" in said
    assert "span of the trace" in said
    assert "## Assumed" in (out / "report.md").read_text()
    assert "Assumptions" in (out / "report.html").read_text()


def test_json_is_the_only_thing_on_stdout_and_too_little_evidence_exits_with_3(tmp_path):
    trace = bursts(tmp_path / "few.jsonl", sessions=3)

    ran = replay("pilot", trace, "--simulate", "--json", "--out", tmp_path / "out", cwd=tmp_path)

    assert ran.returncode == 3
    assert json.loads(ran.stdout)["verdict"] == "inconclusive"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nosuch.jsonl"], 2, "no such file"),
        (["few.jsonl", "--quick", "--simulate"], 2, "exclude each other"),
        (["few.jsonl", "--simulate", "--workers", "2"], 2, "nothing for --workers to share"),
        (["few.jsonl", "-t", "http://127.0.0.1:9"], 2, "does not say what plane"),
        (["few.jsonl", "-t", "vm=http://127.0.0.1:9", "-t", "vm=http://127.0.0.1:10"], 2, "same name"),
        (["few.jsonl", "-t", "vm=http://127.0.0.1:9", "--simulate"], 2, "no [simulate] table"),
        (["few.jsonl", "--quick", "--fail", "x=y"], 2, "not TARGET=COMMAND"),
        (
            ["few.jsonl", "--quick", "-t", "vm=http://127.0.0.1:9", "-t", "serverless=http://127.0.0.1:9"],
            4,
            "connect",
        ),
        (["empty.jsonl", "--simulate"], 2, "no sessions"),
        (["few.jsonl", "--simulate", "--out", "few.jsonl"], 2, "not a directory"),
        (["few.jsonl", "--simulate", "--month", "busy"], 2, "busy: no such calendar"),
        (
            ["few.jsonl", "--simulate", "--month", "few.jsonl"],
            2,
            'few.jsonl, line 1: is not an object with "time"',
        ),
        (["few.jsonl", "--simulate", "--requests-per-day", "0"], 2, "0"),
    ],
)
def test_what_cannot_be_piloted_is_refused_in_a_sentence(tmp_path, arguments, code, says):
    bursts(tmp_path / "few.jsonl", sessions=3)
    bursts(tmp_path / "empty.jsonl", sessions=0)

    ran = replay("pilot", *arguments, cwd=tmp_path)

    assert ran.returncode == code
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_hybrid_is_not_simulated_as_if_it_were_one_plane(tmp_path):
    bursts(tmp_path / "few.jsonl", sessions=3)
    (tmp_path / "h.toml").write_text(
        'url = "http://127.0.0.1:9"\nplane = "hybrid"\n[simulate]\nas_recorded = true\n'
        '[[routes]]\nkind = "tool"\nsend_to = "http://127.0.0.1:10"\n'
    )

    ran = replay("pilot", "few.jsonl", "--simulate", "-t", "h.toml", cwd=tmp_path)

    assert ran.returncode == 2
    assert "Add [simulate.elsewhere]" in ran.stderr
    assert not (tmp_path / "runs").exists()


def test_a_price_table_that_is_not_there_is_named(tmp_path):
    bursts(tmp_path / "few.jsonl", sessions=3)
    for plane in ("serverless", "vm"):
        (tmp_path / f"{plane}.toml").write_text(
            f'url = "http://127.0.0.1:9"\nplane = "{plane}"\n[simulate]\nas_recorded = true\n[cost]\nprice = "no-such"\n'
        )

    ran = replay(
        "pilot",
        "few.jsonl",
        "--simulate",
        "-t",
        "serverless.toml",
        "-t",
        "vm.toml",
        "--out",
        "out",
        cwd=tmp_path,
    )

    assert ran.returncode == 2
    assert "no such price table" in ran.stderr
