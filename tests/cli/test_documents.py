"""What `--json` prints: the same to a program, and nothing that a terminal or a CI system would act on."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.cli.documents import print_json


def printed(capsys, document):
    print_json(document)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("\x9b31m", "\\u009b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x7f\u2028\u200b", "\\u007f\\u2028\\u200b"),
        ("\U000e0041", "\\udb40\\udc41"),
        ("##[error]x ##vso[y]", "\\u0023#[error]x \\u0023#vso[y]"),
        ("naïve 名 # [x]", "naïve 名 # [x]"),
    ],
)
def test_what_would_be_acted_on_is_escaped_and_all_else_is_as_it_was(capsys, name, told):
    said = printed(capsys, {"name": name})

    assert said == f'{{\n  "name": "{told}"\n}}\n'
    assert json.loads(said) == {"name": name}


@given(text=st.text() | st.text("#[:\x9b\u202e\u0301"))
def test_a_program_reads_the_same_text(text):
    said = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("click.echo", said.append)
        print_json([text])

    assert json.loads(said[0]) == [text]
    assert all(character.isprintable() or character == "\n" for character in said[0])
    assert "##" not in said[0]
