"""`replay trace transform` applies its options in the order given, and writes a whole trace or none."""

import os
import signal
import subprocess
import sys
import time

import msgspec
import pytest
from click.testing import CliRunner, Result

from replay.cli.traces.trace import trace
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter, open_trace, read_sessions
from replay.trace.types import Edge, Header, Session, Step


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
    assert "is an input" in str(transformed(path, "-o", path, "--speed", "2").exception)
    assert path.read_bytes() == before


def test_a_broken_input_leaves_no_half_trace(path, tmp_path):
    path.write_bytes(path.read_bytes() + b"{\n")
    result = transformed(path, "-o", tmp_path / "o.jsonl", "--speed", "2")
    assert isinstance(result.exception, TraceError)
    assert list(tmp_path.iterdir()) == [path]


def test_a_trace_without_a_session_is_not_written(path, tmp_path):
    result = transformed(path, "-o", tmp_path / "o.jsonl", "--drop", "kind=tool")
    assert str(result.exception) == f"{tmp_path / 'o.jsonl'}: no session is left, so it was not written."
    assert result.stderr.startswith("--drop kind=tool: ")
    assert list(tmp_path.iterdir()) == [path]


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


def agents(tmp_path):
    """Sessions a second apart, of two agents and of one tenant, with a think time of ten seconds."""
    found = tmp_path / "agents.jsonl"
    with TraceWriter(found, Header("replay-trace", 1, "t")) as writer:
        for n in range(6):
            steps = [Step("a", "tool", "x"), Step("b", "tool", "x", (Edge("a", delay_ms=10_000.0),), 10_000.0)]
            writer.write(Session(f"s{n}", n * 1_000.0, steps, {"agent": f"a{n % 2}", "tenant": "t"}))
    return found


@pytest.mark.parametrize(
    ("words", "merged_starts_ms"),
    [
        (("--debounce", "1500ms"), [1_500.0, 2_500.0, 3_500.0, 4_500.0, 5_500.0, 6_500.0]),
        (("--debounce", "1500ms", "--by", "attr.tenant"), [6_500.0]),
        (("--by", "attr.tenant", "--batch", "3/1m"), [2_000.0, 5_000.0]),
        (("--batch", "3/2500ms"), [2_500.0, 3_500.0, 6_500.0, 7_500.0]),
    ],
)
def test_triggers_are_merged_by_agent_or_the_attribute_asked_for(tmp_path, words, merged_starts_ms):
    out = tmp_path / "o.jsonl"
    assert transformed(agents(tmp_path), "-o", out, *words).exit_code == 0
    assert starts_ms(out) == merged_starts_ms
    with open_trace(out) as reader:
        assert ("--by attr.tenant" in reader.header.attributes["transforms"][0]) == ("--by" in words)


def test_think_times_are_capped(tmp_path):
    out = tmp_path / "o.jsonl"
    result = transformed(agents(tmp_path), "-o", out, "--idle-cap", "2s")
    assert result.stderr == "--idle-cap 2.0s: 6 delays shortened, 6 sessions with shorter delays.\n"
    assert next(read_sessions(out)).steps[1].at_ms == 2_000.0


@pytest.mark.parametrize(
    "words",
    [
        ("--batch", "10"),
        ("--batch", "0/5s"),
        ("--batch", "x/5s"),
        ("--batch", "10/5"),
        ("--batch", "10/"),
        ("--debounce", "2"),
        ("--debounce", "2s", "--by", "agent"),
        ("--debounce", "2s", "--by", "attr."),
        ("--speed", "2", "--by", "attr.agent"),
        ("--idle-cap", "-1s"),
        ("--rewrite-path", "(?=a)b=>x"),
    ],
)
def test_options_that_cannot_be_meant_are_bad_usage_and_write_nothing(path, tmp_path, words):
    result = transformed(path, "-o", tmp_path / "o.jsonl", *words)
    assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_leaves_no_half_trace(path, tmp_path):
    folder, pipe = tmp_path / "out", tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe)
    words = ["trace", "transform", pipe, "-o", folder / "o.jsonl", "--speed", "2"]
    with subprocess.Popen(
        [sys.executable, "-m", "replay", *map(str, words)], stderr=subprocess.PIPE
    ) as process:
        with pipe.open("wb", buffering=0) as source:  # opens once the command reads it
            source.write(path.read_bytes())
            give_up_s = time.monotonic() + 30.0
            while not list(folder.iterdir()):
                assert process.poll() is None
                assert time.monotonic() < give_up_s
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 130
        process.communicate(timeout=30)
    assert list(folder.iterdir()) == []


def test_more_than_all_cannot_be_sampled(path, tmp_path):
    result = transformed(path, "-o", tmp_path / "o.jsonl", "--sample", "200%")
    assert result.exit_code == 2
    assert "'200%' is more than there is; at most 100% can be taken." in result.stderr
