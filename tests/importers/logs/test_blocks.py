"""Lines that are told many at once say the same as each of them read by itself."""

import gzip
import hashlib
import json
import re
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replay.assembly.requests.columns import Columns, Known, odd_lines
from replay.assembly.types import ImportOptions
from replay.importers.logs import logged_requests
from replay.importers.logs.access_log import AccessLog
from replay.importers.logs.blocks.access_blocks import AccessBlocks
from replay.importers.logs.blocks.access_layout import layout_of
from replay.importers.logs.blocks.json_blocks import JsonBlocks
from replay.importers.logs.blocks.json_plan import plan_for
from replay.importers.logs.json_log import JsonLog
from replay.reading.blocks import Block, has_longer, parts_of, read_blocks, with_lines
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter
from tests.support.long_logs import LAYOUTS, access_lines, json_lines

# Of the trace and the figures in its notes, as they were when every line was read by itself, and every request an
# object.
DIGESTS = {
    "common": "c1ca80323c3a18a8",
    "combined": "fb8f381d06fcd698",
    "timed": "acc4b4f931598caf",
    "ids": "2d5b102702b0b214",
    "keyed": "b8a4886736826710",
    "forwarded": "d20b81d1bea6d5ec",
    "ingress": "ce7e5ac7fe5c87dd",
    "apache": "914dd68444cacc4c",
    "vhost": "a30e56e978c2184f",
    "unsure": "492c0591b1444eb9",
}


def imported(folder, importer, data, **options):
    """The bytes of the trace and its notes, or what the import says."""
    path = folder / "long.log"
    path.write_bytes(data)
    try:
        result = importer.read([path], ImportOptions(**options))
    except TraceError as error:
        return str(error)
    with TraceWriter(folder / "t.jsonl", result.header) as writer:
        for lines in result.lines(writer.pack):
            writer.write_lines(lines.text, lines.starts_ms, lines.steps)
    return (folder / "t.jsonl").read_bytes(), [note.replace(str(folder), "") for note in result.notes]


def digest(found):
    """Of what was found and how much was said of it: in which words is for other tests to say."""
    trace, notes = found
    return hashlib.sha256(trace + repr(re.findall(r"\d+", "\n".join(notes))).encode()).hexdigest()[:16]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_long_log_becomes_the_trace_that_it_became_before(tmp_path, layout):
    found = imported(tmp_path, AccessLog(), "\n".join(access_lines(layout, 3_000)).encode())

    assert digest(found) == DIGESTS[layout]


def test_a_long_log_in_json_becomes_the_trace_that_it_became_before(tmp_path):
    found = imported(tmp_path, JsonLog(), "\n".join(json_lines(3_000)).encode())

    assert digest(found) == "0c882d4e966ea9ea"


class LineByLine:
    """Tells no line."""

    def __init__(self, session_by=None):
        pass

    @staticmethod
    def knows(session_by):
        return True

    def pieces(self, block):
        return odd_lines(block)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    layout=st.sampled_from(LAYOUTS),
    seed=st.integers(0, 1 << 20),
    odd=st.sampled_from([0.0, 0.1, 0.4]),
    block_bytes=st.sampled_from([300, 5_000, 1 << 20]),
    strict=st.booleans(),
    session_by=st.sampled_from(
        [None, None, "client", "user_agent", "request_id", "user", "rt", "query:page", "query:token"]
    ),
    end=st.sampled_from([b"", b"\n", b"\r\n\r\n"]),
)
def test_a_block_says_what_its_lines_say(tmp_path, layout, seed, odd, block_bytes, strict, session_by, end):
    data = "\n".join(access_lines(layout, 120, seed, odd)).encode() + end
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logged_requests, "read_blocks", partial(read_blocks, block_bytes=block_bytes))
        at_once = imported(tmp_path, AccessLog(), data, strict=strict, session_by=session_by)
        patch.setattr("replay.importers.logs.access_log.AccessBlocks", LineByLine)
        one_by_one = imported(tmp_path, AccessLog(), data, strict=strict, session_by=session_by)

    assert at_once == one_by_one


LINE = '192.0.2.7 - - [10/Oct/2000:13:55:36 +0000] "GET {path} HTTP/1.1" {rest}'
HOSTS = st.sampled_from(
    ["", "", "www.example.com:443 ", "www.example.com ", "1.2.3.4:80 ", "a:b:80 ", "::1:80 ", "é:1 ", "- "]
)
PIECES = st.sampled_from([
    '"-"', '"curl/8"', '"é"', "rt=0.5", 'rt="0.5"', "rt=-", "0.123", "17", "-", "[x]", "1.2.3.4:80", "0/123456", "17ms",
    '"203.0.113.9"', '"0.123"', "rid=" + "a" * 32, "8f" * 16, "D=5", "urt=", "host=a.b", "x", 'a=b"c"', '"\\"', "\x1c", "\xa0",
])  # fmt: skip


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    tail=st.lists(PIECES, max_size=7),
    other=st.lists(PIECES, max_size=3),
    status=st.sampled_from(["200 612", "099 0612", "200 -", "404 99999999999999999"]),
    hosts=st.tuples(HOSTS, HOSTS),
)
def test_whatever_stands_before_and_behind_a_block_says_what_its_lines_say(
    tmp_path, tail, other, status, hosts
):
    lines = [hosts[0] + LINE.format(path=f"/{n}", rest=" ".join([status, *tail])) for n in range(6)]
    lines += [hosts[1] + LINE.format(path="/other", rest=" ".join([status, *tail, *other]))]
    data = "\n".join(lines).encode()
    at_once = imported(tmp_path, AccessLog(), data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("replay.importers.logs.access_log.AccessBlocks", LineByLine)
        one_by_one = imported(tmp_path, AccessLog(), data)

    assert at_once == one_by_one


INSTANTS = [
    "2025-10-09T08:53:{s:02}.25+02:00",
    "2025-10-09 08:53:{s:02}Z",
    "10/Oct/2025:13:55:{s:02} +0000",
    "1760000{s:03}.5",
]
VALUES = {
    "time": st.sampled_from([*INSTANTS, "-", "no"]),
    "msec": st.floats(1.7e9, 1.8e9) | st.sampled_from(["1760000000.123", "-"]),
    "start_time": st.sampled_from([*INSTANTS, "-"]),
    "end_time": st.sampled_from(INSTANTS),
    "Request-Method": st.sampled_from(["GET", "POST", "ge(t", "", None]),
    "method": st.sampled_from(["GET", "PUT"]),
    "request_uri": st.sampled_from(["/a/{s}", "/a?token=abc{s}", "http://a.example/x", "/a b", "-", {"x": 1}]),
    "path": st.sampled_from(["/p/{s}", 5]),
    "query": st.sampled_from(["q={s}", "?q=1", ""]),
    "request": st.sampled_from(["GET /r/{s} HTTP/1.1", "GET", "", {"method": "GET", "uri": "/inner"}]),
    "status": st.sampled_from([200, "404", 99, 1000, 200.0, True, None, -1]),
    "bytes_sent": st.sampled_from([0, 5, "-", "0012", 3.0, 1 << 60, [1]]),
    "request_length": st.sampled_from([5, "7", "-", None]),
    "content_length": st.sampled_from([0, 9, "-"]),
    "request_time": st.sampled_from([0.0, -0.0, 0.25, 1, "0.5", "-", "x", True, None]),
    "duration": st.sampled_from([5, "12ms"]),
    "duration_ms": st.sampled_from([5, 7.5]),
    "remote_addr": st.sampled_from(["192.0.2.1", "192.0.2.2:80", 5, None]),
    "x_forwarded_for": st.sampled_from(["203.0.113.{s}, 10.0.0.1", "-", ""]),
    "host": st.sampled_from(["a.example", "-", "b.example:443"]),
    "user_agent": st.sampled_from(["curl", "-", "x" * 300, "sk-" + "a" * 30]),
    "referer": st.sampled_from(["https://a.example/", "-", None]),
    "request_id": st.sampled_from(["ab{s}", "sk-" + "a" * 30, "", 7, "x" * 300]),
    "upstream_response_time": st.sampled_from(["0.1", "-", 0.5]),
    "started": st.sampled_from(["2025-10-09T08:53:20Z", 5]),
    "Status": st.just(500),
}


@st.composite
def entries(draw):
    """Lines with the same keys, and some with others."""
    keys = draw(st.lists(st.sampled_from(list(VALUES)), min_size=3, max_size=12, unique=True))
    keys = [
        *draw(st.sampled_from([["time", "request_uri", "method", "status"], ["msec", "request"], []])),
        *keys,
    ]
    others = draw(st.lists(st.sampled_from(list(VALUES)), max_size=6, unique=True))
    found = []
    for n in range(draw(st.integers(1, 9))):
        entry = {key: draw(VALUES[key]) for key in (others if n % 4 == 3 else dict.fromkeys(keys))}
        found.append(
            json.dumps(entry).replace("{s:02}", f"{n:02}").replace("{s:03}", f"{n:03}").replace("{s}", f"{n}")
        )
    return found


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    lines=entries(),
    damage=st.sampled_from([[], ["{"], [""], ["", "# x"], ["[1]", "5"], ['{"a":"\\ud800"}']]),
    glue=st.sampled_from(["\n", "\n", " ", "", ",\n", "\r\n", " \n"]),
    session_by=st.sampled_from(
        [None, None, "client", "Request-ID", "host", "status", "request.uri", "query:q"]
    ),
)
def test_whatever_the_keys_of_lines_a_block_says_what_they_say(tmp_path, lines, damage, glue, session_by):
    data = "\n".join([*lines[:1], glue.join(lines[1:3]), *damage, *lines[3:]]).encode()
    at_once = imported(tmp_path, JsonLog(), data, session_by=session_by)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("replay.importers.logs.json_log.JsonBlocks", LineByLine)
        one_by_one = imported(tmp_path, JsonLog(), data, session_by=session_by)

    assert at_once == one_by_one


def test_lines_of_the_same_keys_are_told_at_once():
    data = "".join(f"{line}\n" for line in json_lines(400, odd=0.0)).encode()
    told = [piece for piece in JsonBlocks().pieces(Block(data, 1)) if isinstance(piece, Columns)]

    assert sum(len(piece.texts) for piece in told) > 200


@pytest.mark.parametrize(
    "keys",
    [
        ("time", "path", "status"),  # no method
        ("method", "path", "status"),  # no time
        ("time", "method", "path", "duration"),  # whose unit depends on the rest of the line
        ("time", "method", "path", "request_time", "duration_ms"),
        ("start_time", "end_time", "method", "path"),
        ("started_at", "method", "path"),
        ("time", "method", "path", "Path"),
        ("@timestamp", "http", "url", "event"),
    ],
)
def test_keys_that_do_not_say_for_sure_what_tells_what_have_no_plan(keys):
    assert plan_for(keys) is None


@pytest.mark.parametrize("layout", [each for each in LAYOUTS if each not in ("apache", "unsure")])
def test_lines_that_are_laid_out_as_most_are_told_at_once(layout):
    data = "".join(f"{line}\n" for line in access_lines(layout, 400, odd=0.0)).encode()
    told = [piece for piece in AccessBlocks().pieces(Block(data, 1)) if isinstance(piece, Columns)]

    # The others have a method or a target that cannot be replayed as it stands.
    assert sum(len(piece.texts) for piece in told) > 200


@pytest.mark.parametrize(
    "rest",
    [
        " rt=0.5 request_time=0.5",  # two durations
        " rt=0.5 0.123",
        " D=5 17",  # a number of unknown meaning is told of where there is no duration
        " msec=1700000000.123",
        " 1700000000.123",
        " 17ms",
        " 0/123456",
        ' "x" "y"',
        "  rt=0.5",
        " " + " ".join("a=1" for _ in range(40)),
    ],
)
def test_what_depends_on_other_values_has_no_layout(rest):
    assert layout_of(rest, True) is None


@pytest.mark.parametrize("tail", ["512 0.5 [up]", "512 rid={id} 0.5 [up]", "rid={id} 512 0.5 host=a.b [up]"])
def test_the_size_of_a_request_is_told_whatever_stands_between_it_and_the_upstream(tmp_path, tail):
    line = LINE.replace("GET", "POST").format(path="/a", rest=f'200 1 "-" "-" {tail.format(id="8f" * 16)}')
    data = "\n".join([line] * 5).encode()
    trace, notes = imported(tmp_path, AccessLog(), data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("replay.importers.logs.access_log.AccessBlocks", LineByLine)
        one_by_one = imported(tmp_path, AccessLog(), data)

    assert (trace, notes) == one_by_one
    assert trace.count(b'"request_bytes":512,"request_counts_head":true') == 5


def test_a_line_that_is_too_long_costs_itself_only(tmp_path):
    lines = [LINE.format(path=f"/{n}", rest='200 1 "-" "-"') for n in range(5)]
    lines.insert(2, LINE.format(path="/" + "x" * (1 << 17), rest='200 1 "-" "-"'))

    trace, notes = imported(tmp_path, AccessLog(), "\n".join(lines).encode())

    assert trace.count(b'"kind"') == 5
    assert any("line 3: longer than 64 KiB" in note for note in notes)


@given(st.lists(st.integers(0, 12), max_size=12), st.integers(1, 14))
def test_whether_a_line_is_too_long_is_told_of_all_of_them(lengths, most):
    data = b"".join(b"x" * length + b"\n" for length in lengths)

    assert has_longer(data, most) == any(length + 1 > most for length in lengths)


def test_a_table_of_what_texts_mean_forgets_before_it_grows_large():
    asked = []
    known = Known(lambda text: asked.append(text) or len(text), most=2)

    assert known.of(["a", "bb", "a", "ccc", "a", "x" * 5_000]) == [1, 2, 1, 3, 1, 5_000]
    assert asked == ["a", "bb", "ccc", "a", "x" * 5_000]
    assert len(known) == 2


@given(st.lists(st.integers(0, 12), min_size=1, max_size=12), st.integers(1, 14))
def test_the_parts_of_a_block_have_its_lines(lengths, most):
    data = b"".join(b"x" * length + b"\n" for length in lengths)
    parts = list(parts_of(Block(data, 7, 3), most))

    assert b"".join(part.data for part in parts) == data
    assert [part.first for part in parts] == [
        7 + data[: sum(len(before.data) for before in parts[:n])].count(b"\n") for n in range(len(parts))
    ]
    assert {part.before for part in parts} == {3}
    assert all(len(part.data) <= most or part.data.count(b"\n") == 1 for part in parts)


@given(
    st.lists(st.sampled_from([0, 1, 5, 12, 60]), max_size=12),
    st.booleans(),
    st.sampled_from([1, 7, 30]),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_blocks_read_where_they_lie_are_those_that_are_streamed(tmp_path, lengths, is_ended, block_bytes, mark):
    data = b"".join(b"x" * length + b"\n" for length in lengths)
    data = data if is_ended else data[:-1]
    (tmp_path / "a.log").write_bytes(mark + data)
    (tmp_path / "b.log").write_bytes(gzip.compress(data))
    lying, streamed = (
        [with_lines(block) for block in read_blocks(tmp_path / name, 20, 1_000, block_bytes)]
        for name in ("a.log", "b.log")
    )

    assert [block.data for block in lying] == [block.data for block in streamed]
    befores = [block.before for block in lying]
    assert befores[:1] == [1_000 + len(mark)] * len(befores[:1])
    assert all(
        later - earlier >= block.data.count(b"\n")
        for earlier, later, block in zip(befores, befores[1:], lying, strict=False)
    )


@pytest.mark.parametrize("change", ["shorter", "another"])
def test_a_log_that_changes_while_it_is_read_is_refused(tmp_path, change):
    log = tmp_path / "a.log"
    log.write_bytes(b"a line\n" * 9)
    (block,) = read_blocks(log, 20)
    if change == "another":
        log.rename(tmp_path / "a.log.1")
    log.write_bytes(b"a line\n" * (9 if change == "another" else 8))

    with pytest.raises(TraceError, match=r"a\.log: was changed while it was read\. Import a copy of it\."):
        with_lines(block)
