"""What every importer keeps to: it knows its own format only, and refuses anything else in plain words."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.importers import IMPORTERS
from replay.importers.types import ImportOptions
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter

SAMPLES = {
    "claude-sessions": '{"id":"a","block_size":64,"requests":[{"t":0,"type":"n","in":5,"out":5,"api_time":1}]}',
    "mooncake": '{"timestamp":0,"input_length":5,"output_length":5,"hash_ids":[1]}\n',
    "azure-llm": "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,5,5\n",
    "burstgpt": "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,5,5,10,API log\n",
    "azure-functions": "app,func,end_timestamp,duration\na,f,1.5,0.5\n",
    "vegeta": "GET http://localhost/a\n",
    "tracelab": '{"session_id":"s","timing_events":[{"event_type":"text","timestamp":"2026-01-01T00:00:00.000Z"}]}\n',
    "claude-code": '{"type":"assistant","parentUuid":null,"sessionId":"s","timestamp":"2026-01-01T00:00:00.000Z","message":{"id":"m","model":"x","content":[]}}\n',
    "codex": '{"timestamp":"2026-01-01T00:00:00.000Z","type":"response_item","payload":{"type":"message","role":"assistant"}}\n',
    "dynamo": '{"schema":"dynamo.request.trace.v1","event_type":"request_end","event_time_unix_ms":5,"request":{"request_received_ms":1}}\n',
    "langfuse": '[{"id":"a","traceId":"t","parentObservationId":null,"type":"GENERATION","startTime":"2026-01-01T00:00:00.000Z"}]',
    "langsmith": '{"id":"a","trace_id":"t","run_type":"llm","start_time":"2026-01-01T00:00:00"}\n',
    "gor": "1 a1 1714557600000000000 0\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n\n🐵🙈🙉\n",
    "har": '{"log":{"version":"1.2","creator":{"name":"x"},"entries":[{"startedDateTime":"2026-01-01T00:00:00.000Z","time":5,"request":{"method":"GET","url":"http://localhost/a","headers":[]},"response":{"status":200},"timings":{"send":0,"wait":3,"receive":2}}]}}',
}  # fmt: skip

every_importer = pytest.mark.parametrize("name", IMPORTERS)
every_sample = pytest.mark.parametrize("name", SAMPLES)


@pytest.fixture
def sample(tmp_path, name):
    suffix = {"[": ".json", "{": ".jsonl"}.get(SAMPLES[name][0], ".csv")
    path = tmp_path / f"sample{'.json' if name == 'claude-sessions' else suffix}"
    path.write_text(SAMPLES[name])
    return path


def test_names_and_descriptions_tell_the_formats_apart():
    assert all(name == importer.name for name, importer in IMPORTERS.items())
    assert len({importer.describe for importer in IMPORTERS.values()}) == len(IMPORTERS)
    assert all(0 < len(importer.describe) < 120 for importer in IMPORTERS.values())


@every_sample
def test_a_file_is_told_to_be_of_its_own_format_and_of_no_other(name):
    assert [each for each, importer in IMPORTERS.items() if importer.sniff(SAMPLES[name].encode())] == [name]


@every_sample
def test_a_sample_is_imported_and_the_same_each_time_it_is_read(name, sample, tmp_path):
    result = IMPORTERS[name].read([sample], ImportOptions(name="chosen"))
    first, second = list(result.sessions()), list(result.sessions())
    with TraceWriter(tmp_path / "out.jsonl", result.header) as writer:
        for session in first:
            writer.write(session)
    assert first == second
    assert (len(first), result.header.name) == (1, "chosen")
    assert result.header.attributes["import"]["format"] == name
    assert result.notes
    assert all(note.endswith(".") for note in result.notes)


@every_sample
def test_a_folder_stands_for_the_files_in_it(name, sample, tmp_path):
    from_file = IMPORTERS[name].read([sample], ImportOptions(name="n"))
    from_folder = IMPORTERS[name].read([tmp_path], ImportOptions(name="n"))
    assert list(from_folder.sessions()) == list(from_file.sessions())


@every_sample
def test_a_file_that_is_not_there_is_refused_by_name(name, tmp_path):
    with pytest.raises(TraceError, match=r"gone\.json: no such file\."):
        list(IMPORTERS[name].read([tmp_path / "gone.json"], ImportOptions()).sessions())


@every_importer
def test_an_empty_file_is_refused(name, tmp_path):
    path = tmp_path / "empty.json"
    path.touch()
    with pytest.raises(TraceError):
        list(IMPORTERS[name].read([path], ImportOptions()).sessions())


@every_importer
def test_an_empty_folder_is_refused(name, tmp_path):
    with pytest.raises(TraceError):
        IMPORTERS[name].read([tmp_path], ImportOptions())


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


@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if sample[0] in "[{"])
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
