"""`replay trace transform` applies its options in the order given, and writes a whole trace or none."""

import msgspec
import pytest
from click.testing import CliRunner, Result

from replay.cli.trace import trace
from replay.trace.errors import TraceError
from replay.trace.file import open_trace, read_sessions
from replay.trace.types import Header, Session, Step


@pytest.fixture
def path(tmp_path):
    sessions = [Session(f"s-{n}", n * 1_000.0, [Step("a", "tool", "x")], extra=None) for n in range(10)]
    lines = [msgspec.json.encode(line) for line in (Header("replay-trace", 1, "t"), *sessions)]
    lines[1] = lines[1][:-1] + b',"ours":{"kept":1}}'
    found = tmp_path / "t.jsonl"
    found.write_bytes(b"\n".join(lines) + b"\n")
    return found


def transformed(*words: object) -> Result:
    return CliRunner().invoke(trace, ["transform", *map(str, words)])


def starts_ms(path) -> list[float]:
    return [session.start_ms for session in read_sessions(path)]


def test_options_are_applied_in_the_order_given(path, tmp_path):
    out = tmp_path / "o.jsonl"
    transformed(path, "-o", out, "--speed", "2", "--to", "2s", "--speed", "0.5")
    assert starts_ms(out) == [0.0, 1_000.0, 2_000.0, 3_000.0]
    transformed(path, "--to", "2s", "--speed", "2", "-o", out, "--speed", "0.5")
    assert starts_ms(out) == [0.0, 1_000.0]


def test_the_header_says_what_was_done_and_unknown_fields_stay(path, tmp_path):
    one, two = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    transformed(path, "-o", one, "--shift", "1s")
    result = transformed(one, "-o", two, "--keep", "kind=tool", "--from", "3s")
    assert result.exit_code == 0
    assert result.stderr == "--keep kind=tool: nothing changed.\n--from 3.0s: 2 sessions removed.\n"
    with open_trace(two) as reader:
        assert reader.header.attributes["transforms"] == ["--shift 1.0s", "--keep kind=tool", "--from 3.0s"]
    assert next(read_sessions(one)).extra == {"ours": {"kept": 1}}


def test_the_input_is_never_written_over(path):
    before = path.read_bytes()
    assert "is the input" in str(transformed(path, "-o", path, "--speed", "2").exception)
    assert path.read_bytes() == before


def test_a_broken_input_leaves_no_half_trace(path, tmp_path):
    path.write_bytes(path.read_bytes() + b"{\n")
    result = transformed(path, "-o", tmp_path / "o.jsonl", "--speed", "2")
    assert isinstance(result.exception, TraceError)
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_result_is_written_and_said(path, tmp_path):
    result = transformed(path, "-o", tmp_path / "o.jsonl", "--drop", "kind=tool")
    assert result.exit_code == 0
    assert "no session is left." in result.stderr


@pytest.mark.parametrize("words", [("--keep", "\x1b[2J=x"), ("--rewrite-path", "(=>\x1b"), ()])
def test_a_change_that_means_nothing_is_bad_usage_without_control_characters(path, tmp_path, words):
    result = transformed(path, "-o", tmp_path / "o.jsonl", *words)
    assert result.exit_code == 2
    assert "\x1b" not in result.output


def test_json_prints_one_document(path, tmp_path):
    result = transformed(path, "-o", tmp_path / "o.jsonl", "--to", "3s", "--json")
    assert msgspec.json.decode(result.stdout) == {
        "sessions": 3,
        "steps": 3,
        "transforms": [{"option": "--to 3.0s", "changed": {"sessions removed": 7}}],
    }


def test_anonymising_with_a_seed_gives_the_same_pseudonyms_and_tells_neither_seed_nor_options(path, tmp_path):
    one, two, other = tmp_path / "1.jsonl", tmp_path / "2.jsonl", tmp_path / "3.jsonl"
    words = ("--anonymise", "--anonymise-names", "--seed", "826351")
    transformed(path, "-o", one, *words)
    transformed(path, "-o", two, "--drop", "name=acme*", *words)
    transformed(path, "-o", other, "--anonymise")
    lines = one.read_bytes().split(b"\n")
    assert lines[1:] == two.read_bytes().split(b"\n")[1:]
    assert lines[1:] != other.read_bytes().split(b"\n")[1:]
    assert b"826351" not in two.read_bytes()
    assert b"acme" not in two.read_bytes()
    with open_trace(two) as reader:
        assert reader.header.attributes["transforms"] == ["--drop", "--anonymise"]


def test_names_are_anonymised_only_with_the_rest(path, tmp_path):
    assert transformed(path, "-o", tmp_path / "o.jsonl", "--anonymise-names").exit_code == 2


def test_several_traces_become_one_and_copies_are_spread_over_the_mean_gap(path, tmp_path):
    out = tmp_path / "o.jsonl"
    result = transformed(path, path, "-o", out)
    assert result.stderr == "2 traces merged: 10 sessions given another id, which was taken.\n"
    assert starts_ms(out) == sorted([n * 1_000.0 for n in range(10)] * 2)
    transformed(path, "-o", out, "--scale", "2", "--keep", "kind=tool")
    copies = {session.id: session.start_ms for session in read_sessions(out)}
    assert len(copies) == 20
    assert 3_000.0 < copies["s-3~2"] < 4_000.0
