"""Reading and writing traces: what comes back, what is refused, and with which words."""

import gzip
import io
import tracemalloc
from pathlib import Path

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

import replay.trace.file.stream as file_module
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceReader, TraceWriter, find_errors, open_trace, read_sessions, scan
from replay.trace.types import (
    FORMAT,
    VERSION,
    Edge,
    GrpcCall,
    Header,
    LlmCall,
    LlmImage,
    LlmTools,
    McpCall,
    Recorded,
    Request,
    Session,
    Step,
)

STEP = {"id": "a", "kind": "tool", "name": "n"}


def header(**fields) -> Header:
    return Header(format=FORMAT, version=VERSION, name="t", **fields)


def session(steps, **fields):
    return {"id": "s", "start_ms": 0, "steps": steps, **fields}


def with_request(**fields):
    return session([{**STEP, "request": {"method": "GET", "path": "/", **fields}}])


def error_of(path) -> str:
    with pytest.raises(TraceError) as caught:
        scan(path)
    return str(caught.value).removeprefix(str(path))


# Values ---------------------------------------------------------------------------------------------------

names = st.text(min_size=1, max_size=20)
times = st.floats(0, 1e9, allow_nan=False)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
# Names that start with "x" are no field of any struct in a trace.
extras = st.none() | st.dictionaries(st.text(max_size=5).map("x".__add__), json_values, min_size=1, max_size=3)
attributes = st.dictionaries(names, st.text(max_size=20), max_size=3)


@st.composite
def requests(draw) -> Request:
    body = draw(st.sampled_from(["none", "body", "json", "base64", "bytes"]))
    request = Request(
        method=draw(st.sampled_from(["GET", "POST", "X-Odd"])),
        path="/" + draw(st.text("abc/?=&%20", max_size=10)),
        headers=draw(
            st.dictionaries(st.text("abc-", min_size=1, max_size=5), st.text("xyz é", max_size=5), max_size=2)
        ),
        extra=draw(extras),
    )
    if body == "body":
        request.body = draw(st.text(max_size=20))
    elif body == "json":
        request.json = msgspec.Raw(msgspec.json.encode(draw(json_values)))
    elif body == "base64":
        request.body_base64 = "aGVsbG8="
    elif body == "bytes":
        request.body_bytes = draw(st.integers(0, 1 << 30))
    return request


def raw(value) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


members = st.dictionaries(names, json_values, max_size=2).map(raw)
calls_of_mcp = st.one_of(
    st.builds(McpCall, method=st.just("tools/call"), tool=names, arguments=st.just(raw({})) | members),
    st.builds(McpCall, method=st.just("resources/read"), uri=names),
    st.builds(McpCall, method=st.sampled_from(["tools/list", "x/y"]), params=members),
)
versions = st.none() | st.just("2025-11-25")


@st.composite
def mcp_calls(draw) -> McpCall:
    call = draw(calls_of_mcp)
    call.version, call.extra = draw(versions), draw(extras)
    return call


@st.composite
def grpc_calls(draw) -> GrpcCall:
    call = GrpcCall(
        draw(st.sampled_from(["a.B/C", "B/c_1"])),
        metadata=draw(st.dictionaries(st.sampled_from(["x-a", "x-b-bin"]), st.sampled_from(["", "YQ=="]))),
        timeout_ms=draw(st.none() | st.floats(0.001, 1e6)),
        extra=draw(extras),
    )
    what = draw(st.sampled_from(["none", "json", "base64", "bytes"]))
    if what == "json":
        call.message = draw(st.sampled_from([raw({}), raw({"a": ["é"]}), raw("x")]))
    call.message_base64 = "AAEC" if what == "base64" else None
    call.message_bytes = draw(st.integers(4, 1 << 30)) if what == "bytes" else None
    return call


# What stays the same from one draw to the next is made once: to make a strategy costs more than to draw from it.
llm_calls = st.builds(
    LlmCall,
    input_tokens=st.integers(0, 10**6),
    model=st.none() | names,
    stream=st.booleans(),
    prefix=st.lists(st.integers(-(2**62), 2**62), max_size=3).map(tuple),
    images=st.lists(st.builds(LlmImage, bytes=st.integers(0, 10**6), extra=extras), max_size=2).map(tuple),
    tools=st.none() | st.builds(LlmTools, count=st.just(3), bytes=st.just(900), extra=extras),
    extra=extras,
)
anchors = st.sampled_from(["end", "first_byte", "start"])
durations = st.none() | times
recorded = st.none() | st.builds(Recorded, status=st.just(200), ttft_ms=times, extra=extras)
what_a_step_does = {"request": requests(), "llm": llm_calls, "mcp": mcp_calls(), "grpc": grpc_calls()}
deeds = st.sampled_from(["wait", *what_a_step_does])
kinds = st.sampled_from(["llm", "tool", "http", "mcp", "grpc"])


@st.composite
def steps_of(draw, ids: list[str]) -> list[Step]:
    steps = []
    for n, name in enumerate(ids):
        what = draw(deeds)
        after = ()
        kind, called = draw(kinds), draw(names)
        if n:
            edges = st.builds(Edge, step=st.sampled_from(ids[:n]), anchor=anchors, delay_ms=times, extra=extras)
            after = tuple(draw(st.lists(edges, max_size=3)))
        steps.append(
            Step(
                id=name,
                kind=kind,
                name=called,
                after=after,
                at_ms=draw(times),
                took_ms=draw(durations),
                **({what: draw(what_a_step_does[what])} if what in what_a_step_does else {}),
                recorded=draw(recorded),
                attributes=draw(attributes),
                extra=draw(extras),
            )
        )
    return steps


@st.composite
def sessions(draw) -> list[Session]:
    starts = sorted(draw(st.lists(times, max_size=4)))
    found = []
    for n, start_ms in enumerate(starts):
        ids = draw(st.lists(names, min_size=1, max_size=4, unique=True))
        found.append(Session(f"s{n}", start_ms, draw(steps_of(ids)), draw(attributes), draw(extras)))
    return found


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst"])
@given(written=sessions(), extra=extras)
def test_a_trace_comes_back_as_it_was_written_unknown_fields_included(tmp_path_factory, suffix, written, extra):
    path = tmp_path_factory.mktemp("t") / f"t{suffix}"
    with TraceWriter(path, header(resolution_ms=1.0, attributes={"k": [1]}, extra=extra)) as writer:
        for each in written:
            writer.write(each)

    with open_trace(path) as reader:
        assert reader.header == header(resolution_ms=1.0, attributes={"k": [1]}, extra=extra)
        read = list(reader)

    # A Raw is equal to nothing, so bodies are compared on their own.
    def bodies(found):
        steps = [each for one in found for each in one.steps]
        calls = [each.mcp for each in steps if each.mcp is not None]
        messages = [bytes(each.grpc.message) for each in steps if each.grpc is not None]
        return [
            *(bytes(each.request.json) for each in steps if each.request is not None),
            *((bytes(call.arguments), bytes(call.params)) for call in calls),
            *messages,
        ]

    assert bodies(read) == bodies(written)
    nothing = msgspec.Raw(b"")
    for one in (*read, *written):
        for each in one.steps:
            if each.request is not None:
                each.request.json = nothing
            if each.mcp is not None:
                each.mcp.arguments = each.mcp.params = nothing
            if each.grpc is not None:
                each.grpc.message = nothing
    assert read == written


def test_unknown_fields_stand_beside_the_known_ones_in_the_file(trace_of, tmp_path):
    line = session(
        [{**STEP, "mood": 1, "after": [], "request": {"method": "GET", "path": "/", "tls": True}}], cost=[2]
    )
    path = trace_of(line, header={"format": FORMAT, "version": 1, "name": "t", "team": "a"})
    (read,) = read_sessions(path)
    assert read.extra == {"cost": [2]}
    assert read.steps[0].extra == {"mood": 1}
    assert read.steps[0].request.extra == {"tls": True}

    with open_trace(path) as reader, TraceWriter(tmp_path / "copy.jsonl", reader.header) as writer:
        for each in reader:
            writer.write(each)

    first, second = (tmp_path / "copy.jsonl").read_text().splitlines()
    assert msgspec.json.decode(first)["team"] == "a"
    del line["steps"][0]["after"]  # the default
    assert msgspec.json.decode(second) == {**line, "start_ms": 0.0}


def test_a_field_named_extra_is_an_unknown_field_like_any_other(trace_of):
    (read,) = read_sessions(trace_of(session([STEP], extra={"a": 1})))
    assert read.extra == {"extra": {"a": 1}}


def test_a_field_that_looks_like_a_known_one_misspelt_is_told_and_others_are_not(trace_of):
    request = {"method": "GET", "path": "/", "bdy": "x", "tls": True}
    steps = [
        {**STEP, "mood": 1, "request": request},
        {**STEP, "id": "b", "aftr": [{"step": "a"}], "request": request},
    ]
    found = scan(trace_of(session(steps, start_mss=3), session([STEP], id="t")))

    assert sorted(found.misspelt.items()) == [
        (("aftr", "after"), 1),
        (("bdy", "body"), 2),
        (("start_mss", "start_ms"), 1),
    ]
    assert found.doubts[0] == '"bdy" (2 times) is not a field of a trace, and is passed over; was "body" meant?'


def test_not_every_misspelling_of_a_hostile_trace_is_kept(trace_of):
    steps = [{**STEP, "id": f"s{n}", f"kind{n}": 1, "x" * 1000: 1} for n in range(100)]

    assert len(scan(trace_of(session(steps))).misspelt) <= 20


def test_an_error_beside_an_unknown_field_is_still_found(trace_of):
    path = trace_of(session([{**STEP, "mood": 1}, {**STEP, "id": "b", "kind": "tol"}]))
    assert error_of(path) == (
        ', line 2: step "b" of session "s" has kind "tol", which must be one of llm, tool, http, mcp, ws, grpc. '
        'Did you mean "tool"?'
    )


def test_a_body_laid_out_over_several_lines_is_written_as_one(tmp_path):
    path = tmp_path / "t.jsonl"
    body = Request("POST", "/", json=msgspec.Raw(b'{\n  "a": "x\\n y"\n}'))
    with TraceWriter(path, header()) as writer:
        writer.write(Session("s", 0.0, [Step("a", "tool", "n", request=body)]))

    (read,) = read_sessions(path)
    assert bytes(read.steps[0].request.json) == b'{"a":"x\\n y"}'


def test_a_json_body_does_not_keep_the_line_it_came_from_in_memory(trace_of):
    (read,) = read_sessions(trace_of(with_request(json={"q": 1}, headers={"x": "y" * 10_000})))
    assert len(memoryview(read.steps[0].request.json).obj) == len(b'{"q":1}')


def test_the_last_line_need_not_end_and_blank_lines_and_a_byte_order_mark_do_no_harm(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"format":"replay-trace","version":1,"name":"t"}\r\n\r\n  \n'
        + msgspec.json.encode(session([STEP]))
    )
    assert scan(path).sessions == 1


def test_a_scan_counts_and_hashes_in_one_pass(trace_of):
    import hashlib

    first = session([{**STEP, "took_ms": 40}, {**STEP, "id": "b", "at_ms": 100, "llm": {}}])
    second = {
        **session([{**STEP, "at_ms": 5, "took_ms": 1, "request": {"method": "GET", "path": "/"}}]),
        "id": "s2",
    }
    path = trace_of(first, {**second, "start_ms": 1_000})

    found = scan(path)

    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found.sessions, found.steps, found.requests, found.waits) == (2, 3, 2, 1)
    assert (found.span_ms, found.mean_gap_ms, found.bytes) == (1_006.0, 1_000.0, path.stat().st_size)


# What is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "not valid JSON: the line ends too early."),
        (b"nope", "not valid JSON: invalid character (byte 4)."),
        (b"[]", "the line must be an object, not an array."),
        (b'{"id":"\xff"}', "not valid UTF-8 (byte 7 of the line)."),
        (b'{"id":"s","start_ms":0,"steps":[],"x":' + b"[" * 100_000, "nested too deeply to be read."),
        (b'{"id":"s"}', 'session "s" lacks the field start_ms.'),
        (b'{"start_ms":0,"steps":[]}', "the line lacks the field id."),
        (b'{"id":"s","start_ms":1e999,"steps":[]}', 'the line has a number in start_ms that is too large.'),
        (session([STEP], start_ms=-1), 'session "s" has start_ms -1, which is negative.'),
        (session([]), 'session "s" has no steps.'),
        (session([5]), 'step number 1 of session "s" must be an object, not a whole number.'),
        (session([{"id": "a"}]), 'step "a" of session "s" lacks the field kind.'),
        (session([{**STEP, "id": ""}]), 'step "" of session "s" has an empty id.'),
        (session([STEP], attributes={"ok": "x", "n": 1}), 'session "s" has a whole number in attributes["n"], where a string belongs.'),
        (session([{**STEP, "took_ms": "5"}]), 'step "a" of session "s" has a string in took_ms, where a number or null belongs.'),
        (session([{**STEP, "at_ms": 1e13}]), 'step "a" of session "s" has at_ms 10,000,000,000,000; at most 1,000,000,000,000 ms (31 years) is allowed.'),
        (session([{**STEP, "request": {"method": 1}}]), 'step "a" of session "s" has a whole number in request.method, where a string belongs.'),
        (session([{**STEP, "request": {"method": "GET"}}]), 'step "a" of session "s" lacks the field request.path.'),
        (session([{**STEP, "request": {"method": "GET", "path": "/"}, "llm": {}}]), 'step "a" of session "s" has both request and llm; a step has at most one of them.'),
        (session([{**STEP, "mcp": {"method": "tools/list"}, "grpc": {"method": "a.B/C"}}]), 'step "a" of session "s" has both mcp and grpc; a step has at most one of them.'),
        (session([{**STEP, "grpc": {"method": "a.B/C"}, "expect": {"status": 200}}]), 'step "a" of session "s" expects a status of HTTP, which is the same for every gRPC call that is answered; write grpc_status.'),
        (session([{**STEP, "expect": {"grpc_status": "OK"}}]), 'step "a" of session "s" expects a grpc_status, and makes no gRPC call.'),
        (with_request(method="GET /"), 'step "a" of session "s" has the method "GET /", which is not an HTTP token.'),
        (with_request(path="x"), 'step "a" of session "s" has the path "x", which does not begin with "/".'),
        (with_request(path="/ HTTP/1.1\r\nx: y"), 'step "a" of session "s" has the path "/ HTTP/1.1\\r\\nx: y", with characters that must be percent-encoded.'),
        (with_request(headers={"a b": "c"}), 'step "a" of session "s" has the header name "a b", which is not an HTTP token.'),
        (with_request(headers={"a": "b\r\nc: d"}), 'step "a" of session "s" has a line break or another control character in the value of header "a".'),
        (with_request(headers={"a": "b\x0bc"}), 'step "a" of session "s" has a line break or another control character in the value of header "a".'),
        (with_request(headers={"a": "b\x7f"}), 'step "a" of session "s" has a line break or another control character in the value of header "a".'),
        (with_request(headers={"a": 1}), 'step "a" of session "s" has a whole number in request.headers["a"], where a string belongs.'),
        (with_request(body="x", json=None), 'step "a" of session "s" has more than one of body, json, body_base64 and body_bytes.'),
        (with_request(body_bytes=-1), 'step "a" of session "s" has request.body_bytes -1; it must lie between 0 and 1,073,741,824.'),
        (with_request(body_base64="a"), 'step "a" of session "s" has a request.body_base64 that is not base64.'),
        (session([{**STEP, "llm": {"input_tokens": -1}}]), 'step "a" of session "s" has llm.input_tokens -1; it must lie between 0 and 100,000,000.'),
        (session([{**STEP, "after": [{"step": "a", "anchor": "ends"}]}]), 'step "a" of session "s" has after[0].anchor "ends", which must be one of end, first_byte, start. Did you mean "end"?'),
        (session([{**STEP, "id": "a\x1b[2J\u202e"}, {**STEP, "id": "a\x1b[2J\u202e"}]), 'step "a\\x1b[2J\\u202e" of session "s" has the same id as an earlier step.'),
        (session([{**STEP, "name": "n" * 1_001}]), 'step "a" of session "s" has name of 1,001 characters; at most 1,000 are allowed.'),
    ],
)  # fmt: skip
def test_a_bad_line_is_refused_with_its_place_and_reason(trace_of, line, message):
    assert error_of(trace_of(line)) == f", line 2: {message}"


@pytest.mark.parametrize(
    ("first_line", "message"),
    [
        (b"nope", ", line 1: not valid JSON: invalid character (byte 4). If it is a log or a recording, make a trace of it "
                  "first: replay trace import."),
        (b'10.0.0.1 - - [28/Nov/2026:11:04:22 +0000] "GET / HTTP/1.1" 200 10', ", line 1: not valid JSON: trailing characters "
         "(byte 5). If it is a log or a recording, make a trace of it first: replay trace import."),
        (b'{"format":', ", line 1: not valid JSON: the line ends too early."),
        ({}, ', line 1: not the header of a trace, which would read {"format":"replay-trace","version":1,"name":"..."}. '
             "Another tool's file must be imported first."),
        ({"format": FORMAT, "version": 2, "name": "t"}, ", line 1: version 2 of the trace format, but this release reads version 1."),
        ({"format": FORMAT, "version": 1}, ", line 1: the header lacks the field name."),
        ({"format": FORMAT, "version": 1, "name": 7}, ", line 1: the header has a whole number in name, where a string belongs."),
        ({"format": FORMAT, "version": 1, "name": ""}, ", line 1: the header's name must have 1 to 1,000 characters."),
    ],
)  # fmt: skip
def test_a_bad_header_is_refused(trace_of, first_line, message):
    assert error_of(trace_of(header=first_line)) == message


def test_sessions_out_of_order_are_refused(trace_of):
    path = trace_of(session([STEP], start_ms=2), {**session([STEP], start_ms=1), "id": "s2"})
    assert error_of(path) == (
        ', line 3: session "s2" starts at 1 ms, before the session above it (2 ms). Sort the sessions by start_ms.'
    )


def test_an_id_that_two_sessions_have_is_refused(trace_of):
    path = trace_of(session([STEP]), {**session([STEP]), "id": "other"}, session([STEP]))
    assert error_of(path) == (
        ', line 4: session "s" has the same id as the session on line 2. Every session needs an id of its own.'
    )


def test_all_errors_are_found_line_by_line(trace_of):
    path = trace_of(b"{", session([STEP]), session([]), session([STEP]))
    assert [str(error).removeprefix(str(path)) for error in find_errors(path)] == [
        ", line 2: not valid JSON: the line ends too early.",
        ', line 4: session "s" has no steps.',
        ', line 5: session "s" has the same id as the session on line 3. Every session needs an id of its own.',
    ]
    assert len(list(find_errors(path, most=1))) == 1


def test_a_line_beyond_the_limit_is_refused_without_reading_it_all(trace_of, monkeypatch):
    monkeypatch.setattr(file_module, "LONGEST_LINE_BYTES", 1 << 20)
    path = trace_of(session([{**STEP, "attributes": {"x": "y" * (1 << 20)}}]), session([STEP]))
    assert error_of(path) == ", line 2: longer than 1 MiB, the most that one line may take."
    assert len(list(find_errors(path))) == 1


def test_a_file_that_is_cut_off_says_so(trace_of):
    path = trace_of(session([STEP]))
    path.write_bytes(path.read_bytes()[:-10])
    assert error_of(path) == (
        ", line 2: not valid JSON: the line ends too early. "
        "The file was probably cut off while it was written or copied."
    )


def test_files_that_are_no_traces_are_refused(tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    damaged = tmp_path / "damaged.jsonl.gz"
    damaged.write_bytes(b"\x1f\x8b123")
    misnamed = [tmp_path / "t.jsonl.zst", tmp_path / "t.jsonl.gz"]
    for path in misnamed:
        path.write_bytes(b"{}")
    assert error_of(empty) == ": empty. A trace begins with a header line."
    assert error_of(tmp_path) == ": a directory, not a trace file. Name a .jsonl or .jsonl.zst file."
    assert error_of(tmp_path / "none") == ": no such file."
    assert error_of(damaged) == (
        ": not a readable gzip stream (Error -3 while decompressing data: unknown compression method)."
    )
    assert error_of(misnamed[0]) == ": named .zst, but not compressed with zstandard."
    assert error_of(misnamed[1]) == ": named .gz, but not compressed with gzip."


@pytest.mark.parametrize("suffix", ["zst", "gz"])
def test_a_compressed_file_cut_at_any_byte_is_never_taken_for_whole(tmp_path, suffix):
    path = tmp_path / f"t.jsonl.{suffix}"
    with TraceWriter(path, header()) as writer:
        for n in range(20):
            writer.write(Session(f"s{n}", float(n), [Step("a", "tool", "n")]))
    whole = path.read_bytes()
    assert scan(path).sessions == 20

    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(TraceError):
            scan(path)


@pytest.mark.parametrize(("suffix", "name"), [("zst", "zstandard"), ("gz", "gzip")])
def test_a_corrupt_compressed_file_is_refused(tmp_path, suffix, name):
    path = tmp_path / f"t.jsonl.{suffix}"
    with TraceWriter(path, header()) as writer:
        writer.write(Session("s", 0.0, [Step("a", "tool", "n")]))
    whole = bytearray(path.read_bytes())
    whole[12:20] = b"\xff" * 8
    path.write_bytes(whole)
    assert f"not a readable {name} stream" in error_of(path)


def test_zstandard_frames_one_after_another_are_one_trace(trace_of):
    plain = trace_of(*({**session([STEP]), "id": f"s{n}"} for n in range(50)))
    data = plain.read_bytes()
    compress = zstandard.ZstdCompressor().compress
    joined = plain.with_suffix(".zst")
    joined.write_bytes(compress(data[:100]) + compress(data[100:101]) + compress(data[101:]))
    assert list(map(repr, read_sessions(joined))) == list(map(repr, read_sessions(plain)))


def test_gzip_members_one_after_another_with_zeros_behind_them_are_one_trace(trace_of):
    plain = trace_of(*({**session([STEP]), "id": f"s{n}"} for n in range(50)))
    data = plain.read_bytes()
    joined = plain.with_suffix(".gz")
    members = [gzip.compress(part) for part in (data[:100], b"", data[100:101], data[101:])]
    joined.write_bytes(b"\0".join(members) + bytes(5_000))
    assert list(map(repr, read_sessions(joined))) == list(map(repr, read_sessions(plain)))


def test_what_follows_a_gzip_member_must_be_another(trace_of):
    plain = trace_of(session([STEP]))
    path = plain.with_suffix(".gz")
    path.write_bytes(gzip.compress(plain.read_bytes()) + b"and more")
    assert "not a readable gzip stream" in error_of(path)


def test_a_gzip_file_that_unpacks_to_very_much_is_read_in_small_pieces(tmp_path):
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(bytes(200 << 20), compresslevel=9))
    tracemalloc.start()
    try:
        assert error_of(path) == ", line 1: longer than 1 MiB, the most that one line may take."
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_the_same_trace_is_compressed_to_the_same_bytes(tmp_path):
    paths = [tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl.gz"]
    for path in paths:
        with TraceWriter(path, header()) as writer:
            writer.write(Session("s", 0.0, [Step("a", "tool", "n")]))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_trace_with_a_huge_window_is_refused_rather_than_given_the_memory(tmp_path):
    parameters = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)
    sink = io.BytesIO()
    with zstandard.ZstdCompressor(compression_params=parameters).stream_writer(sink, closefd=False) as writer:
        writer.write(b'{"format":"replay-trace","version":1,"name":"t"}\n')
    path = tmp_path / "t.zst"
    path.write_bytes(sink.getvalue())
    assert "not a readable zstandard stream" in error_of(path)


# Writing --------------------------------------------------------------------------------------------------


def test_a_trace_that_fails_on_the_way_leaves_nothing_and_keeps_the_older_file(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text("older")
    with pytest.raises(TraceError) as caught, TraceWriter(path, header()) as writer:
        writer.write(Session("s", 0.0, [Step("a", "tool", "n", after=(Edge("b"),))]))
    assert str(caught.value).endswith('step "a" of session "s" waits for step "b", which does not exist.')
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_refuses_sessions_out_of_order(tmp_path):
    with TraceWriter(tmp_path / "t.jsonl", header()) as writer:
        writer.write(Session("s", 2.0, [Step("a", "tool", "n")]))
        with pytest.raises(TraceError, match=r'session "s2" starts before the one written last'):
            writer.write(Session("s2", 1.0, [Step("a", "tool", "n")]))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_a_writer_refuses_times_that_json_cannot_hold(tmp_path, value):
    with TraceWriter(tmp_path / "t.jsonl", header()) as writer, pytest.raises(TraceError):
        writer.write(Session("s", 0.0, [Step("a", "tool", "n", took_ms=value)]))


def test_writing_to_a_folder_or_a_device_is_refused(tmp_path):
    for path in (tmp_path, Path("/dev/null"), tmp_path / "none" / "t.jsonl"):
        with pytest.raises(TraceError), TraceWriter(path, header()):
            pass


def test_nothing_is_on_the_disk_before_a_writer_is_entered(tmp_path):
    """An interrupt between the two would leave it there."""
    writer = TraceWriter(tmp_path / "t.jsonl", header())
    assert list(tmp_path.iterdir()) == []
    with writer:
        assert len(list(tmp_path.iterdir())) == 1


def test_a_writer_that_cannot_begin_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(value):
        raise KeyboardInterrupt

    monkeypatch.setattr("replay.trace.file.stream.encoded_with_extra", interrupted)
    with pytest.raises(KeyboardInterrupt), TraceWriter(tmp_path / "t.jsonl", header()):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_reader_says_where_it_is(trace_of):
    with TraceReader(trace_of(session([STEP]))) as reader:
        next(reader)
        assert repr(reader).endswith("at line 2>")


def test_a_trace_is_for_its_owner_alone(tmp_path):
    path = tmp_path / "t.jsonl"
    path.touch(0o644)

    with TraceWriter(path, header()):
        pass

    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_text_is_to_be_imported_first(tmp_path):
    binary = tmp_path / "binary.jsonl"
    binary.write_bytes(b"\xff\xfe\x00\x01\n")

    assert error_of(binary) == (
        ", line 1: not valid UTF-8 (byte 0 of the line). If it is a log or a recording, make a trace of it first: replay "
        "trace import."
    )
