"""What every importer keeps to: it knows its own format only, and refuses anything else in plain words."""

import itertools
import json
import sys
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter, read_sessions
from tests.support.recordings import FORMATS, in_place_of_mitmproxy
from tests.support.schemas import misfits_of_file
from tests.support.walks import walked_starts_ms

SAMPLES = {name: each.of(1) for name, each in FORMATS.items()}

every_importer = pytest.mark.parametrize("name", IMPORTERS)


@pytest.fixture(autouse=True)
def _library(monkeypatch):
    for name, module in in_place_of_mitmproxy().items():
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def imported(name, tmp_path):
    """Imports a recording of the format, given as text or bytes: the result, and the bytes of the trace."""

    def read(recording, **options):
        path = tmp_path / f"recording{FORMATS[name].suffix}"
        path.write_bytes(recording.encode() if isinstance(recording, str) else recording)
        result = IMPORTERS[name].read([path], ImportOptions(**options))
        out = tmp_path / "out.jsonl"
        with TraceWriter(out, result.header) as writer:
            for session in result.sessions():
                writer.write(session)
        return result, out

    return read


def steps_of(trace):
    return [step for session in read_sessions(trace) for step in session.steps]


def test_there_is_a_recording_in_every_format():
    assert FORMATS.keys() == IMPORTERS.keys()


def test_names_and_descriptions_tell_the_formats_apart():
    assert all(name == importer.name for name, importer in IMPORTERS.items())
    assert len({importer.describe for importer in IMPORTERS.values()}) == len(IMPORTERS)
    assert all(0 < len(importer.describe) < 120 for importer in IMPORTERS.values())


@every_importer
def test_a_file_is_told_to_be_of_its_own_format_and_of_no_other(name):
    for count in (1, 5):
        start = FORMATS[name].of(count).encode()
        assert [each for each, importer in IMPORTERS.items() if importer.sniff(start)] == [name]


@every_importer
def test_what_another_format_is_written_in_is_refused(name, tmp_path):
    for other in IMPORTERS.keys() - {name}:
        path = tmp_path / f"{other}{FORMATS[other].suffix}"
        path.write_text(FORMATS[other].of(3))
        with pytest.raises(TraceError):
            list(IMPORTERS[name].read([path], ImportOptions()).sessions())


@every_importer
def test_a_recording_is_imported_and_the_same_each_time_it_is_read(name, imported):
    recording = FORMATS[name].of(6)
    result, out = imported(recording, name="chosen")
    first = out.read_bytes()
    again, out = imported(recording, name="chosen")
    assert (out.read_bytes(), again.header, again.notes) == (first, result.header, result.notes)
    assert list(result.sessions()) == list(result.sessions())
    assert len(steps_of(out)) == 6
    assert misfits_of_file("trace", out) == []
    assert result.header.name == "chosen"
    assert result.header.attributes["import"]["format"] == name
    assert result.notes
    assert all(note.endswith(".") for note in result.notes)


@every_importer
def test_steps_that_take_as_long_as_was_recorded_start_when_they_did(name, imported):
    result, out = imported(FORMATS[name].of(12))
    resolution_ms = result.header.resolution_ms or 0.001
    sessions = list(read_sessions(out))
    for session in sessions:
        walked = walked_starts_ms(session)
        assert all(abs(walked[step.id] - step.at_ms) < resolution_ms for step in session.steps)
    starts_ms = sorted(session.start_ms + step.at_ms for session in sessions for step in session.steps)
    if name not in ("azure-functions", *WRITTEN):  # whose rows tell ends, and no times at all
        assert starts_ms == [1_000.0 * n for n in range(12)]
    assert all((step.took_ms is not None) == FORMATS[name].lasts for step in steps_of(out))


WRITTEN = ("vegeta", "curl", "http-file", "postman", "k6-script")
# What a format that has lines does with the rest of them; the first line of some also tells the format.
DAMAGE = {
    "cut off": lambda record: record[: len(record) // 2].rstrip("\n").rpartition("\n")[2] + "\n",
    "JSON, and no object": lambda record: "[5]\n",
    "zeros": lambda record: "\x00" * 50 + "\n",
    "no UTF-8": lambda record: "\udcff\udcfe\n",
    "nested": lambda record: "[" * 20_000 + "\n",
}
NOT_BY_LINES = {
    "claude-sessions": "a document a file",
    "opencode": "a document a file",
    "inspect": "a document, or an archive of documents",
    "har": "a document",
    "tshark": "packets in a document",
    "inference-perf": "a trace a document",
    "mitmproxy": "binary",
    **dict.fromkeys(WRITTEN, "a list that somebody wrote: what a line left out would change, it does not tell"),
}


# Whatever is no request there is the application's own.
AMONG_OTHERS = ("uvicorn-log", "framework-log", "uwsgi-log")
TOLD_AS = ("could not be read", "hold no HTTP", "of the application itself", "that tell of no request")


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("name", [name for name in IMPORTERS if name not in NOT_BY_LINES])
def test_a_line_that_is_damaged_costs_itself_only_and_is_told(name, kind, imported):
    format_ = FORMATS[name]
    records = [format_.record(n, "x") for n in range(6)]
    damaged = DAMAGE[kind](records[0])
    if name == "gor":
        damaged += "\n🐵🙈🙉\n"
    whole, out = imported(format_.recording(records), name="n")
    expected = [(step.name, step.at_ms, step.took_ms) for step in steps_of(out)]
    for place in (0, 3, 6) if kind == "cut off" else (3, 6):
        recording = format_.recording([*records[:place], damaged, *records[place:]])
        result, out = imported(recording.encode("utf-8", "surrogateescape"), name="n")
        assert [(step.name, step.at_ms, step.took_ms) for step in steps_of(out)] == expected
        assert len(result.notes) == len(whole.notes) + 1
        [note] = [note for note in result.notes if any(words in note for words in TOLD_AS)]
        assert "1 " in note
        if name not in (*AMONG_OTHERS, "gor"):
            assert result.header.attributes["import"]["unreadable"] == 1


@pytest.mark.parametrize(
    "name", [name for name in IMPORTERS if name not in (*NOT_BY_LINES, *AMONG_OTHERS, "gor")]
)
def test_a_recording_that_is_mostly_damaged_is_refused_with_the_first_place(name, imported):
    format_ = FORMATS[name]
    lines_each = format_.record(0, "x").count("\n")
    recording = format_.recording([format_.record(0, "x"), *["{\n"] * (lines_each + 1)])
    with pytest.raises(TraceError) as caught:
        imported(recording)
    first = 1 + lines_each + format_.before.count("\n")
    assert f"recording{format_.suffix}, line {first}: " in str(caught.value)
    assert str(caught.value).endswith(f" So {lines_each + 1} of {2 * lines_each + 1} lines could not be read.")


# Of what stands around a call, a trace keeps the headers and the model's or the caller's name alone.
KEEPS_TEXT = (
    "framework-log",
    "burstgpt",
    "azure-functions",
    "vegeta",
    "curl",
    "http-file",
    "k6-script",
    "access-log",
    "envoy-log",
    "elb-log",
    "s3-log",
    "iis-log",
    "squid-log",
    "haproxy-log",
    "fastify-log",
    "heroku-log",
    "w3c-log",
    "k6",
    "jtl",
    "vegeta-results",
    "json-log",
    "cloud-run",
    "har",
    "tshark",
    "gor",
)


@every_importer
def test_memory_grows_with_what_is_kept_and_not_with_what_was_said(name, tmp_path):
    """A prompt or an answer of a hundred kilobytes in each record; documents are held as a whole, once or twice."""
    length = 150 if name in KEEPS_TEXT else 100_000
    path = tmp_path / f"recording{FORMATS[name].suffix}"
    path.write_text(FORMATS[name].of(60, "y" * length))
    held = {".json": 2.5, ".har": 2.5, ".flow": 4.0}.get(FORMATS[name].suffix, 0.0)
    tracemalloc.start()
    try:
        for _ in IMPORTERS[name].read([path], ImportOptions()).sessions():
            pass
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 3_000_000 + held * path.stat().st_size


HUGE = "y" * (1500 << 10)
HOSTILE = "\x1b[31m[/x]\u202e../../etc/passwd\u2028{{session}}\x7f"


@pytest.mark.parametrize("text", [HUGE, HOSTILE], ids=["huge", "hostile"])
@every_importer
def test_a_field_that_is_huge_or_hostile_is_imported_whole_cut_or_refused_in_a_sentence(name, imported, text):
    try:
        result, out = imported(FORMATS[name].of(3, text))
    except TraceError as error:
        said = [str(error)]
    else:
        steps = steps_of(out)
        said = [*result.notes, result.header.name]
        assert all(len(step.name) <= 500 for step in steps)
        assert all(step.request is None or step.request.path.startswith("/") for step in steps)
    assert all(len(each) < 1_000 and each.isprintable() for each in said)


@every_importer
def test_a_file_that_is_not_there_is_refused_by_name(name, tmp_path):
    with pytest.raises(TraceError, match=r"gone\.json: no such file\."):
        list(IMPORTERS[name].read([tmp_path / "gone.json"], ImportOptions()).sessions())


@every_importer
def test_an_empty_file_is_refused(name, tmp_path):
    path = tmp_path / "empty.json"
    path.touch()
    with pytest.raises(TraceError):
        list(IMPORTERS[name].read([path], ImportOptions()).sessions())


def _pieces():
    samples = [sample.encode() for sample in SAMPLES.values()]
    return st.one_of(
        st.binary(max_size=60),
        st.sampled_from(samples),
        st.sampled_from(
            [
                b"",
                b"null",
                b"[]",
                b"{}",
                b"\n",
                b"[[[[",
                b'"',
                b"NaN",
                b"-1",
                b"1e999",
                b"\xff",
                b"\xef\xbb\xbf",
                b"\xf0\x9f",
            ]
        ),
        st.tuples(st.sampled_from(samples), st.integers(0, 200)).map(lambda pair: pair[0][: pair[1]]),
    )


@every_importer
@settings(max_examples=25, deadline=None)
@given(pieces=st.lists(_pieces(), max_size=4))
def test_whatever_the_bytes_there_is_a_trace_or_a_plain_error(name, tmp_path_factory, pieces):
    data = b"".join(pieces)
    path = tmp_path_factory.getbasetemp() / f"any-{name}.json"
    path.write_bytes(data)
    IMPORTERS[name].sniff(data)
    try:
        result = IMPORTERS[name].read([path], ImportOptions())
        with TraceWriter(path.with_suffix(".out"), result.header) as writer:
            for session in result.sessions():
                writer.write(session)
    except TraceError as error:
        said = str(error)
    else:
        said = result.notes[0]
    assert said
    assert "\n" not in said


VALUES = [
    None,
    True,
    -1,
    0,
    1.5,
    10**30,
    1e308,
    "",
    "x",
    "2026-01-01T00:00:00Z",
    "\u0000",
    [],
    {},
    [{}],
    {"a": 1},
]


def _fields(value):
    """Every place in a JSON value, as a path of keys."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (key,)
            yield from ((key, *path) for path in _fields(inner))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from ((index, *path) for path in _fields(inner))


def _with(value, path, new):
    copied = json.loads(json.dumps(value))
    target = copied
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = new
    return copied


@pytest.mark.parametrize(
    "name", [name for name, sample in SAMPLES.items() if sample[0] == "{" and "\n{" not in sample]
)
def test_a_field_that_holds_anything_is_imported_or_refused_plainly(name, tmp_path):
    value = json.loads(SAMPLES[name])
    for n, (path, new) in enumerate(itertools.product(_fields(value), VALUES)):
        file = tmp_path / f"{n}.json"
        file.write_text(json.dumps(_with(value, path, new)))
        try:
            result = IMPORTERS[name].read([file], ImportOptions())
            with TraceWriter(tmp_path / "out", result.header) as writer:
                for session in result.sessions():
                    writer.write(session)
        except TraceError as error:
            assert str(error).endswith(".")  # noqa: PT017
