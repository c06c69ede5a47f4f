"""The examples run as they stand, each in a folder of its own, and say what they are there to say."""

import ast
import contextlib
import json
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
SAYS = {
    "run_a_trace": "203 of 203 steps were answered as expected",
    "compare_two_versions": "p50(makespan): b_faster",
    "find_the_ceiling": "2.0x ",
    "which_plane": "Run it serverless: ",
    "make_a_trace": "lookups.jsonl: 601 sessions",
    "read_the_results": "tool:search   n =  31",
}
# Of every cell of code the value of its last line; None: any.
OF_CELLS = [
    "(40, 320, 'steady state')",
    "(1600, 310.271, 2385.919)",
    None,
    "[('p90 < 4s', 'pass'), ('p50(llm) < 500ms', 'fail'), ('errors < 1%', 'pass')]",
    "[('one_step_name', 73), ('cold_start', 10)]",
    "['cloud-run-us-central1: 132.69 USD a month']",
]


@pytest.fixture
def beside_the_traces(tmp_path, monkeypatch):
    """A working directory from which `../traces` are the samples."""
    (tmp_path / "traces").symlink_to(EXAMPLES.parent / "traces")
    (tmp_path / "examples").mkdir()
    monkeypatch.chdir(tmp_path / "examples")
    monkeypatch.syspath_prepend(EXAMPLES)


@pytest.mark.parametrize("name", SAYS)
def test_a_script_says_what_it_is_there_to_say(name, beside_the_traces, capsys):
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")

    assert SAYS[name] in capsys.readouterr().out


def test_a_test_with_a_gate_does_not_fail(replay_gate, tmp_path):
    example = runpy.run_path(str(EXAMPLES / "test_the_agent.py"))

    # On a machine that is too busy to tell, a gate skips its test.
    with contextlib.suppress(pytest.skip.Exception):
        example["test_the_agent_stays_fast"](replay_gate, tmp_path)

    assert (tmp_path / "replay-gate-1" / "steps.jsonl").stat().st_size > 0


def test_the_cells_of_the_notebook_give_what_they_gave(beside_the_traces):
    cells = json.loads((EXAMPLES / "tour.ipynb").read_text())["cells"]
    names, given = {}, []

    for cell in cells:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "clear the outputs before the notebook is committed"
            given.append(last_value("".join(cell["source"]), names))

    assert [value if wanted else None for value, wanted in zip(given, OF_CELLS, strict=True)] == OF_CELLS


def last_value(source, names):
    """Run a cell; what a notebook would show below it."""
    body = ast.parse(source)
    last = body.body.pop()
    exec(compile(body, "cell", "exec"), names)
    return repr(eval(compile(ast.Expression(last.value), "cell", "eval"), names))


def test_every_example_is_in_the_table_and_is_run():
    there = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")}
    rows = (EXAMPLES / "README.md").read_text()

    assert {name for name in there if f"]({name})" not in rows} == set()
    assert there == {f"{name}.py" for name in SAYS} | {"serving.py", "test_the_agent.py", "tour.ipynb"}
