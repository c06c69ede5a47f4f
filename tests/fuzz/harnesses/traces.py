"""Traces, and what they ask for: values of earlier answers, expectations, requests made of them."""

import json
from collections import Counter
from pathlib import Path

import msgspec

from replay.engine.requests.render import Renderer
from replay.target.target import Target
from replay.trace.correlation.correlating import find_correlation, write_correlated
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceReader, TraceWriter, find_errors, read_sessions, scan
from replay.trace.profile.shape import profile
from replay.trace.transforms.anonymise import Anonymise
from replay.trace.types import Expect, Extract, Step
from replay.trace.values.expect import expect_problem, unmet
from replay.trace.values.extracting import MissingValue, extract_problem, filled, found_in_body, taken
from replay.trace.values.patterns import PatternProblem, Replacement, compiled, pattern_problem, replaced
from replay.wire.signin.credentials import Credentials
from tests.fuzz.contract import Harness
from tests.fuzz.seeds import BODIES, correlated_traces, sessions_of_traces

_TARGET = Target(url="http://127.0.0.1:1/below")
_HOSTILE_VALUE = 'a"b\r\nc: d\0é{{x}}%'


def _trace(data: bytes, folder: Path) -> bool:
    """A trace that is read can be written, and reads the same; what is not is told again, line by line."""
    path = folder / "trace.jsonl"
    path.write_bytes(data)
    try:
        scan(path)
    except TraceError:
        assert any(True for _ in find_errors(path))
        raise
    sessions = list(read_sessions(path))
    again = folder / "again.jsonl"
    with TraceReader(path) as reader, TraceWriter(again, reader.header) as writer:
        for session in reader:
            writer.write(session)
    assert [_plain(session) for session in read_sessions(again)] == [_plain(session) for session in sessions]
    profile(path)
    _rendered(sessions)
    return True


def _plain(session: object) -> object:
    return json.loads(msgspec.json.encode(session))


def _rendered(sessions: list) -> None:
    """A head has as many lines as it has headers, and frames its body, whatever is filled in."""
    renderer = Renderer(_TARGET, _TARGET.url, Credentials(_TARGET.auth), "run")
    for session in sessions[:20]:
        for step in session.steps[:20]:
            if step.request is not None:
                try:
                    step.request = filled(step.request, {}, lambda name: _HOSTILE_VALUE)
                except MissingValue:
                    continue
            elif step.llm is None:
                continue
            made = renderer.render(step, session.id)
            head = made.head
            assert head.endswith(b"\r\n\r\n")
            assert head.count(b"\r\n\r\n") == 1
            assert head.count(b"\n") == head.count(b"\r\n") == head.count(b"\r")
            lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
            assert lengths in ([], [b"content-length: %d" % len(made.body)])
            assert lengths or not made.body


def _derived(data: bytes, folder: Path) -> bool:
    """What is made of a trace that can be read is a trace again: correlated, and anonymised."""
    path, out = folder / "trace.jsonl", folder / "derived.jsonl"
    path.write_bytes(data)
    with TraceReader(path) as reader, TraceWriter(out, reader.header) as writer:
        for session in Anonymise("key", names=True).apply(reader, Counter()):
            writer.write(session)
    write_correlated(path, out, find_correlation(path), 0.5)
    scan(out)
    return True


class _Asked(msgspec.Struct):
    extract: Extract
    expect: Expect = Expect()
    headers: dict[str, str] = {}


def _values(data: bytes, folder: Path) -> bool:
    """The first line says what is wanted, the rest is the answer that it is looked for in."""
    line, _, body = data.partition(b"\n")
    try:
        asked = msgspec.json.decode(line, type=_Asked)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    if extract_problem("x", asked.extract) is not None or expect_problem(asked.expect) is not None:
        return False
    step = Step(id="s", kind="http", name="n", at_ms=0.0, extract={"x": asked.extract})
    headers = [
        (name.encode("utf-8", "replace"), value.encode("utf-8", "replace"))
        for name, value in asked.headers.items()
    ]
    found: dict[str, str] = {}
    lacks = taken(step, headers, body, found)
    assert (lacks is None) == ("x" in found)
    unmet(asked.expect, asked.headers, body, len(body))
    return True


def _pattern(data: bytes, folder: Path) -> bool:
    """Whatever pattern is taken is searched for, and replaced, in time that is linear in the text."""
    pattern, _, rest = data.partition(b"\n")
    replacement, _, body = rest.partition(b"\n")
    text = pattern.decode("utf-8", "replace")
    if pattern_problem(text) is not None:
        return False
    found_in_body(text, body * (1 + 20_000 // (len(body) + 1)))
    try:
        # A user's own words, of any length, once for each match: with a long one that is much, and asked for.
        made = Replacement(replacement.decode("utf-8", "replace")[:1_000], compiled(text))
    except PatternProblem:
        return True
    replaced(compiled(text), made, body.decode("utf-8", "replace")[:16_384])
    return True


def _pattern_seeds() -> list[bytes]:
    patterns = (
        "id=([0-9]+)",
        "(?P<a>[a-z]+)|b?",
        r"a?a?a?a?aaaa",
        r"(x+x+)+y",
        r"\w*\d",
        r"[^\"]{1,100}",
        "(?i)é|\\pL",
        "^$",
        "a{3,5}?",
    )
    texts = (
        b"id=17 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        b'"name": "abc", 7',
    )
    return [
        f"{pattern}\n{with_}\n".encode() + text
        for pattern in patterns
        for with_ in (r"[\1]", r"\g<a>")
        for text in texts
    ]


def _value_seeds() -> list[bytes]:
    asked = (
        {"extract": {"json": "/a/0/b"}, "expect": {"json": {"/a": {"exists": True, "type": "array"}}}},
        {"extract": {"json": "/choices/0/message/tool_calls/0/id"}, "headers": {"content-encoding": "gzip"}},
        {"extract": {"regex": "id=([0-9]+)"}, "expect": {"contains": "id", "matches": "^[a-z]+"}},
        {
            "extract": {"regex": 'name="csrf" value="([^"]*)"'},
            "expect": {"status": ["2xx", 404], "max_bytes": 10},
        },
        {
            "extract": {"header": "location"},
            "headers": {"location": "/a?b=c"},
            "expect": {"header": {"location": "/*"}},
        },
    )
    return [json.dumps(one).encode() + b"\n" + body for one in asked for body in BODIES]


HARNESSES = (
    Harness(
        "pattern",
        _pattern,
        (),
        _pattern_seeds,
        ("replay.trace.values.patterns",),
        (b"(", b")", b"*", b"+?", b"{1,1000}", b"{0,9}", b"[^a]", b"\\b", b"\\pL", b"(?s)", b"(?:", b"(?=", b"\\1", b"|", b".*", b"\\g<0>"),
    ),
    Harness(
        "trace",
        _trace,
        (TraceError,),
        sessions_of_traces,
        (
            "replay.trace.file.stream", "replay.trace.file.explain", "replay.trace.file.rules", "replay.trace.file.unknown",
            "replay.trace.file.stored", "replay.trace.values.reserved", "replay.trace.origins", "replay.engine.budget",
        ),
        (b'"after":[{"step":"a","anchor":"first_byte","delay_ms":3}]', b'{"step":"a"}', b'"body_bytes":1', b'"llm":{}',
         b'"extract":{"x":{"regex":"a?a?a?"}}', b'"json":{}', b"{{session}}", b"{{now:%s}}", b"{{row.a}}", b"{{uuid}}"),
    ),
    Harness(
        "derived-trace",
        _derived,
        (TraceError,),
        correlated_traces,
        (
            "replay.trace.correlation.slots",
            "replay.trace.correlation.flow",
            "replay.trace.correlation.proposing",
            "replay.trace.transforms.anonymise",
        ),
        (b'"response_json":{"id":"x-17"}', b"x-17", b'"response_headers":{"location":"/a/x-17"}', b"%78-17", b"x-17&x-17"),
    ),
    Harness(
        "values",
        _values,
        (),
        _value_seeds,
        ("replay.trace.values.extracting", "replay.trace.values.expect", "replay.trace.values.pointer", "replay.http.codings"),
        (b"/a", b"/0", b"~1", b"~0", b"~2", b"a?", b"(?:a|aa)", b".{1,1000}", b"a*", b"[^x]+", b"\\\\w*", b"(?=a)", b"(?P<a>b)",
         b"\\\\1", b"(?i)", b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    ),
)  # fmt: skip
