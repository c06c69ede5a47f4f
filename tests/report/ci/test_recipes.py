"""Every command in docs/ci.md is one that the command line takes, wherever in a recipe it stands."""

import ast
import re
import shlex
from pathlib import Path

import pytest

from replay.cli.compare import compare
from replay.cli.replaying.gate import gate, read_slos
from replay.cli.replaying.run import run
from replay.exit_codes import EXIT_CODES

PAGE = Path(__file__).parents[3] / "docs" / "ci.md"
TEXT = PAGE.read_text(encoding="utf-8")
ACTION = (PAGE.parents[1] / "action.yml").read_text(encoding="utf-8")
COMMANDS = {"gate": gate, "compare": compare, "run": run}
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def shown():
    """The words of each command: written as shell, or as a list of arguments in a container."""
    for _, block in BLOCKS:
        for line in block.splitlines():
            as_shell = re.match(r"^(?:\s*(?:- |(?:- )?run: |cmd: ))?\s*replay ((?:gate|compare|run) .*)$", line)
            as_list = re.match(r"^\s*args: \[(gate, .*)\]$", line)
            if as_shell:
                yield pytest.param(shlex.split(as_shell[1]), id=line.strip()[:60])
            elif as_list:
                words = [word.strip().strip('"') for word in as_list[1].split(", ")]
                yield pytest.param(words, id=line.strip()[:60])


def test_every_recipe_is_found():
    lists, compares = 1, 1

    assert len(list(shown())) == TEXT.count("replay gate ") + lists + compares


@pytest.mark.parametrize("words", list(shown()))
def test_the_command_line_takes_each_command(words):
    context = COMMANDS[words[0]].make_context(words[0], words[1:])

    if words[0] == "gate":
        assert read_slos(context.params["slos"], (), ())


def test_no_image_runs_as_root():
    # What is built on one of ours keeps its user.
    images = [
        block for _, block in BLOCKS if block.startswith("FROM ") and "FROM YOUR-REGISTRY/replay" not in block
    ]
    root = PAGE.parents[1]
    images += [path.read_text() for path in (root / "Dockerfile", root / "targets" / "app" / "Dockerfile")]

    assert all(re.findall(r"^USER (\d+)(?::\d+)?$", image, re.MULTILINE)[-1:] == ["10001"] for image in images)


def test_the_exit_codes_are_those_of_the_command():
    rows = dict(re.findall(r"^\| (\d+) \| (\w+(?: \w+)?)", TEXT, re.MULTILINE))

    words = {name: name for name in EXIT_CODES if name != "done"} | {"not_carried_out": "not carried"}
    assert {name: rows[str(EXIT_CODES[name])] for name in words} == words


def test_the_inputs_and_outputs_of_the_action_are_those_that_are_named():
    inputs, outputs = (
        re.findall(r"^  ([a-z-]+):$", part, re.MULTILINE)
        for part in ACTION.split("runs:\n")[0].split("inputs:\n")[1].split("outputs:\n")
    )
    said = re.search(r"^Inputs: (.*?)Outputs:(.*?)\. The step", TEXT, re.MULTILINE | re.DOTALL)

    assert re.findall(r"`([a-z-]+)`", said[1]) == inputs
    assert re.findall(r"`([a-z-]+)`", said[2]) == outputs
    used = re.search(r"uses: YOUR-ORG/agent-replay@main\n        with:\n((?:          .*\n)+)", TEXT)[1]
    assert set(re.findall(r"^          ([a-z-]+):", used, re.MULTILINE)) <= set(inputs)
    assert set(re.findall(r"steps\.gate\.outputs\.([a-z-]+)", TEXT)) <= set(outputs)


def test_the_python_sample_is_python():
    (sample,) = [block for language, block in BLOCKS if language == "python"]

    assert len(ast.parse(sample).body) == 1
