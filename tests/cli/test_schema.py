"""`replay schema`: what it lists, prints, writes and refuses."""

import json

import pytest
from click.testing import CliRunner

from replay.cli.main import cli
from replay.schemas.files import FILES
from replay.schemas.making import schema_of


def schema(*words):
    return CliRunner().invoke(cli, ["schema", *map(str, words)])


def test_without_a_name_it_lists_the_names_with_a_line_each():
    listed = schema().stdout.splitlines()

    assert [line.split()[0] for line in listed] == list(FILES)
    assert all(len(line) <= 100 and len(line.split()) > 2 for line in listed)


@pytest.mark.parametrize("name", FILES)
def test_it_prints_the_schema_alone(name):
    done = schema(name)

    assert done.exit_code == 0
    assert json.loads(done.stdout) == json.loads(json.dumps(schema_of(name)))
    assert done.stderr == ""


def test_it_writes_the_same_to_a_file(tmp_path):
    done = schema("steps", "-o", tmp_path / "steps.json")

    assert (done.exit_code, done.stdout) == (0, "")
    assert (tmp_path / "steps.json").read_text() == schema("steps").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stebs"], 'no schema is called "stebs". Did you mean "steps"?'),
        (["?"], f'no schema is called "?". Known are: {", ".join(FILES)}.'),
        (["-o", "x.json"], "-o needs the NAME of a file."),
    ],
)
def test_what_it_cannot_print_is_bad_input(words, said):
    done = schema(*words)

    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == f"Error: {said}"
    assert done.stdout == ""
