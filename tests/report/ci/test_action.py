"""The shell inside action.yml, run as GitHub runs it, with a `replay` that only notes how it was called."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import click
import pytest

from replay.cli.replaying.gate import gate
from replay.judge.measures.slo import parse_slo_file

ACTION = (Path(__file__).parents[3] / "action.yml").read_text(encoding="utf-8")
SECRET_SHELL = "$(touch pwned) `touch pwned` \"; touch pwned; '"
STUB = """#!/usr/bin/env bash
printf '%s\\0' "$@" > "$STUB_CALLS"
for word in "$@"; do
  case $word in --out=*) out=${word#--out=} ;; esac
done
if [ -n "${STUB_VERDICT-}" ]; then
  mkdir "$out"
  printf '{"schema":"replay.verdict/1","verdict":"%s","checks":[{"verdict":"fail"}]}' "$STUB_VERDICT" > "$out/verdict.json"
fi
exit "$STUB_CODE"
"""


def steps():
    """The run steps of the action by name, each with the environment that it declares."""
    found = {}
    for step in re.split(r"^    - ", ACTION, flags=re.MULTILINE)[1:]:
        script = re.search(r"^      run: \|\n((?:^(?:        .*)?\n)+)", step, re.MULTILINE)
        if script:
            name = re.search(r"^name: (.+)$", step, re.MULTILINE)[1]
            environment = re.findall(r"^        ([A-Z_]+): \$\{\{ (.+?) \}\}$", step, re.MULTILINE)
            found[name] = textwrap.dedent(script[1]), dict(environment)
    return found


class Ran:
    def __init__(self, folder, done):
        self.code = done.returncode
        self.text = done.stdout + done.stderr
        calls = folder / "calls"
        self.words = calls.read_text().split("\0")[:-1] if calls.exists() else None
        output = folder / "output"
        slos = [file.read_text() for file in folder.glob("replay-gate.*/slos")]
        self.slos = slos[0] if slos else None
        lines = output.read_text().splitlines() if output.exists() else []
        self.outputs = dict(line.split("=", 1) for line in lines)

    @property
    def options(self):
        """The words but for those about files, which lie in a folder that is new each time."""
        elsewhere = ("--out=", "--markdown=", "--junit=", "--slo-file=")
        return [word for word in self.words if not word.startswith(elsewhere)]


@pytest.fixture
def act(tmp_path):
    def act(code=0, verdict="pass", **inputs):
        script, environment = steps()["Replay and judge"]
        given = {
            "trace": "t.jsonl",
            "target": "http://h",
            "slo": "",
            "baseline": "",
            "early": "false",
            "args": "",
        }
        given |= inputs
        bin_ = tmp_path / "bin"
        bin_.mkdir()
        (bin_ / "replay").write_text(STUB)
        (bin_ / "replay").chmod(0o755)
        file = tmp_path / "script.sh"
        file.write_text(script)
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(file)],
            cwd=tmp_path,
            env={
                "PATH": os.pathsep.join([str(bin_), str(Path(sys.executable).parent), os.environ["PATH"]]),
                "RUNNER_TEMP": str(tmp_path),
                "GITHUB_OUTPUT": str(tmp_path / "output"),
                "STUB_CALLS": str(tmp_path / "calls"),
                "STUB_CODE": str(code),
                "STUB_VERDICT": verdict,
            }
            | {name: given[value.removeprefix("inputs.")] for name, value in environment.items()},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert not (tmp_path / "pwned").exists()
        return Ran(tmp_path, done)

    return act


def test_the_inputs_become_options_of_replay_gate(act):
    ran = act(
        slo="# why\np99 < 800ms\n  errors < 1%\r\n\n",
        baseline="runs/main",
        early="true",
        args="--speed 4 --idle-cap '30s'",
    )

    assert ran.options == [
        "gate",
        "--target=http://h",
        "--baseline=runs/main",
        "--early",
        "--speed",
        "4",
        "--idle-cap",
        "30s",
        "--",
        "t.jsonl",
    ]
    assert [slo.text for slo in parse_slo_file(ran.slos, "slos")] == ["p99 < 800ms", "errors < 1%"]


def test_the_least_is_a_trace_and_a_target(act):
    assert act().options == ["gate", "--target=http://h", "--", "t.jsonl"]


def test_replay_gate_takes_what_the_action_gives_it(act):
    ran = act(slo="p99 < 800ms", baseline="runs/main", early="true", args="--strict")

    context = gate.make_context("gate", ran.words[1:])

    assert [file.read_text() for file in context.params["slo_files"]] == ["p99 < 800ms\n"]
    assert context.params["trace"] == Path("t.jsonl")
    assert context.params["strict"]
    assert isinstance(context, click.Context)


@pytest.mark.parametrize(
    ("code", "verdict"), [(0, "pass"), (1, "fail"), (1, "inconclusive"), (3, "inconclusive"), (2, ""), (4, "")]
)
def test_the_exit_code_and_the_verdict_are_those_of_replay_gate(act, code, verdict):
    ran = act(code, verdict)

    assert ran.code == code
    assert ran.outputs["verdict"] == verdict
    assert ran.outputs["exit-code"] == str(code)


def test_the_outputs_name_the_files_that_were_asked_for(act):
    ran = act()

    assert f"--out={ran.outputs['run']}" in ran.words
    assert f"--markdown={ran.outputs['markdown']}" in ran.words
    assert f"--junit={ran.outputs['junit']}" in ran.words


def test_no_input_runs_as_shell(act):
    ran = act(
        trace=SECRET_SHELL,
        target=SECRET_SHELL,
        slo=SECRET_SHELL,
        baseline=SECRET_SHELL,
        args="'$(touch pwned)' *",
    )

    assert ran.options == [
        "gate",
        f"--target={SECRET_SHELL}",
        f"--baseline={SECRET_SHELL}",
        "$(touch pwned)",
        "*",
        "--",
        SECRET_SHELL,
    ]
    assert ran.slos == f"{SECRET_SHELL}\n"


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"args": "--speed '4"}, "args cannot be read; is a quote left open"),
        ({"args": "--speed '4\n'"}, "args cannot be read; is a quote left open"),
        ({"trace": ""}, "the input trace is empty; name the trace to replay."),
        ({"target": " \n"}, "the input target is empty; name a URL or a target file."),
    ],
    ids=["quote", "line end in quotes", "trace", "target"],
)
def test_what_cannot_be_meant_is_bad_usage_with_all_outputs(act, inputs, says):
    ran = act(**inputs)

    assert ran.code == 2
    assert f"::error title=replay gate::{says}" in ran.text
    assert ran.words is None
    assert (ran.outputs["exit-code"], ran.outputs["verdict"]) == ("2", "")


def test_what_others_made_is_named_by_digest():
    used = re.findall(r"uses: (\S+)", ACTION)
    assert used
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", name) for name in used)


def test_no_expression_is_written_into_a_script():
    for script, _ in steps().values():
        assert "${{" not in script


def test_every_input_is_used_and_every_output_is_set(act):
    declared = re.findall(r"^  ([a-z-]+):$", ACTION.split("inputs:\n")[1].split("outputs:\n")[0], re.MULTILINE)
    outputs = re.findall(r"steps\.gate\.outputs\.([a-z-]+)", ACTION)

    assert all(f"${{{{ inputs.{name} }}}}" in ACTION for name in declared)
    assert set(act().outputs) == set(outputs)


def test_the_package_is_installed_from_where_the_action_is():
    script, environment = steps()["Install replay"]

    assert environment == {"ACTION_PATH": "github.action_path"}
    assert script.rstrip().endswith('"$ACTION_PATH"')
    assert '--require-hashes --requirement "$ACTION_PATH/requirements.lock"' in script
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
