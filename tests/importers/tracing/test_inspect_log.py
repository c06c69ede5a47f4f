"""Evaluations of Inspect: archives and documents, model calls and tools by their own times, each sample once."""

import io
import json
import zipfile

import pytest
import zstandard

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.importers.foreign import foreign
from replay.trace.errors import TraceError
from tests.support.recordings import at
from tests.support.walks import walked_starts_ms

IMPORTER = IMPORTERS["inspect"]
EVAL = {"eval_id": "e", "task_id": "t", "task": "sums"}
USAGE = {"input_tokens": 100, "output_tokens": 7, "total_tokens": 607, "input_tokens_cache_read": 500}


def span(name, own, parent=None, kind="agent", when=0.0):
    times = {"timestamp": at(0, when)}
    return {
        "event": "span_begin",
        "id": own,
        "span_id": own,
        "parent_id": parent,
        "type": kind,
        "name": name,
        **times,
    }


def model(begin_ms, end_ms, within=None, time_s=None, **more):
    output = {"usage": USAGE, **({"time": time_s} if time_s is not None else {})}
    times = {"timestamp": at(0, begin_ms), "completed": at(0, end_ms)}
    return {"event": "model", "model": "m-1", "span_id": within, **times, "output": output, **more}


def tool(name, begin_ms, end_ms, within=None, **more):
    times = {"timestamp": at(0, begin_ms), "completed": at(0, end_ms)}
    return {"event": "tool", "function": name, "arguments": {"q": 1}, "span_id": within, **times, **more}


def sample(*events, id_="one", epoch=1, **more):
    return {"id": id_, "epoch": epoch, "events": list(events), **more}


def document(*samples):
    return json.dumps({"version": 2, "status": "success", "eval": EVAL, "samples": samples}).encode()


def archive(*samples, method=zipfile.ZIP_DEFLATED):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as written:
        written.writestr("_journal/start.json", json.dumps({"version": 2, "eval": EVAL}))
        for n, one in enumerate(samples):
            written.writestr(f"samples/{n}_epoch_1.json", one if isinstance(one, str) else json.dumps(one))
        written.writestr("header.json", "{}")
    return packed.getvalue()


def with_zstandard(stored):
    """An archive whose one entry of a sample is compressed as Inspect does, out of one where it is stored."""
    name, packed = b"samples/0_epoch_1.json", bytearray(stored)
    plain = zipfile.ZipFile(io.BytesIO(stored)).read(name.decode())
    squeezed = zstandard.ZstdCompressor().compress(plain)
    assert len(squeezed) < len(plain)
    head, listed = packed.find(name), packed.rfind(name)
    packed[head - 22 : head - 20] = packed[listed - 36 : listed - 34] = (93).to_bytes(2, "little")
    packed[listed - 26 : listed - 22] = len(squeezed).to_bytes(4, "little")
    begin = head + len(name)
    packed[begin : begin + len(squeezed)] = squeezed
    return bytes(packed)


@pytest.fixture
def imported(tmp_path):
    def run(*files, **options):
        paths = []
        for n, file in enumerate(files):
            paths.append(tmp_path / f"{n}.{'eval' if file.startswith(b'PK') else 'json'}")
            paths[-1].write_bytes(file)
            assert foreign(file) is None
            assert [name for name, each in IMPORTERS.items() if each.sniff(file)] == ["inspect"]
        result = IMPORTER.read(paths, ImportOptions(**options))
        return result, list(result.sessions())

    return run


def told(session):
    return [(step.kind, step.name, step.at_ms, step.took_ms) for step in session.steps]


def dropped(result):
    return result.header.attributes["import"]["dropped"]


ONE = sample(
    span("react", "a"),
    model(0, 1_000, "a"),
    span("lookup", "t1", "a", "tool"),
    tool("lookup", 1_000, 1_500, "a"),
    span("lookup", "t2", "a", "tool"),
    tool("lookup", 1_000, 1_800, "a", error={"type": "timeout"}),
    model(2_000, 3_000, "a"),
    span("graded", "g", when=3_000),
    model(3_100, 3_200, "g", role="grader"),
)


@pytest.mark.parametrize(
    "file", [document(ONE), archive(ONE), with_zstandard(archive(ONE, method=zipfile.ZIP_STORED))]
)
def test_calls_have_their_own_times_and_are_named_for_what_they_stand_in(imported, file):
    _, [session] = imported(file)

    assert session.id == "one.1"
    assert told(session) == [
        ("llm", "react", 0.0, 1000.0),
        ("tool", "lookup", 1000.0, 500.0),
        ("tool", "lookup", 1000.0, 800.0),
        ("llm", "react", 2000.0, 1000.0),
        ("llm", "grader", 3100.0, 100.0),
    ]
    assert (session.steps[0].llm.input_tokens, session.steps[0].llm.output_tokens) == (600, 7)
    assert session.steps[2].attributes == {"error": "true"}
    assert [edge.step for edge in session.steps[3].after] == ["2", "3"]
    assert walked_starts_ms(session) == pytest.approx({step.id: step.at_ms for step in session.steps})


def test_what_was_waited_before_the_request_that_was_answered_is_left_out(imported):
    _, [session] = imported(document(sample(model(0, 5_000, time_s=1.5, retries=2), tool("a", 6_000, 7_000))))
    assert told(session) == [("llm", "model", 0.0, 1500.0), ("tool", "a", 2500.0, 1000.0)]
    assert session.steps[0].attributes == {"retries": "2"}


def test_what_a_cache_answered_was_no_work(imported):
    result, [session] = imported(document(sample(model(0, 5, cache="read"), model(10, 500, cache="write"))))
    assert told(session) == [("llm", "model", 0.0, 490.0)]
    assert dropped(result)["model call(s) answered by a cache"] == 1


@pytest.mark.parametrize("is_nested", [False, True])
def test_a_tool_that_is_an_agent_is_what_that_did(imported, is_nested):
    inner = [model(1_100, 1_500, None if is_nested else "t1"), model(1_600, 1_900, None if is_nested else "t1")]
    events = [
        model(0, 1_000),
        *([] if is_nested else [span("helper", "t1", None, "tool")]),
        tool("helper", 1_000, 2_000, **({"events": inner} if is_nested else {})),
        *([] if is_nested else inner),
        model(2_100, 2_200),
    ]
    _, [session] = imported(document(sample(*events)))
    assert [(kind, at_ms) for kind, _, at_ms, _ in told(session)] == [
        ("llm", 0.0),
        ("llm", 1100.0),
        ("llm", 1600.0),
        ("llm", 2100.0),
    ]


def test_a_sample_of_another_log_too_counts_once_and_epochs_are_sessions_of_their_own(imported):
    again = sample(model(0, 100), uuid="u1", error_retries=[{"message": "x"}])
    other = sample(model(0, 100), uuid="u2", epoch=2)
    result, sessions = imported(archive(again), document(again, other, sample(model(0, 100), uuid="u3")))
    assert [session.id for session in sessions] == ["one.1", "one.2", "one.1 u3"]
    assert dropped(result)["sample(s) that another log has, too"] == 1
    assert dropped(result)["earlier attempt(s), of which only the error is recorded"] == 1


def test_long_arguments_are_put_back_where_they_were(imported):
    key = "ab" * 16
    attached = tool(
        "write", 100, 200, arguments={"text": f"attachment://{key}", "more": "attachment://" + "c" * 32}
    )
    _, [session] = imported(document(sample(model(0, 100), attached, attachments={key: "long text"})))
    sent = json.loads(bytes(session.steps[1].request.json))
    assert sent == {"text": "long text", "more": "attachment://" + "c" * 32}


def test_a_sample_may_be_a_session_by_its_metadata(imported):
    samples = [sample(model(n, n + 1), id_=n, metadata={"user": "ada"}) for n in range(2)]
    _, [session] = imported(document(*samples), session_by="user")
    assert (session.id, len(session.steps)) == ("ada", 2)


def test_a_damaged_sample_of_an_archive_and_a_damaged_event_cost_themselves(imported):
    odd = sample(model(0, 100), {**model(200, 300), "timestamp": "soon"}, {"event": 5})
    result, [session] = imported(archive('{"id": 3, "events": [', odd, sample()))
    assert len(session.steps) == 1
    assert result.header.attributes["import"]["unreadable"] == 1
    assert dropped(result)["event(s) without a time that can be read"] == 1
    assert dropped(result)["sample(s) without events"] == 1


def test_a_damaged_event_is_refused_where_none_may_be(imported):
    with pytest.raises(TraceError, match="is not a time like"):
        imported(document(sample({**model(200, 300), "timestamp": "soon"})), strict=True)


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file[: len(file) // 2],
        lambda file: file[:-22],
        lambda file: file.replace(b"samples/0", b"samples/1", 1),
        lambda file: file[:80] + bytes(200) + file[280:],
    ],
)
def test_an_archive_that_was_cut_off_or_overwritten_is_refused(tmp_path, damage):
    path = tmp_path / "x.eval"
    path.write_bytes(damage(archive(ONE)))
    with pytest.raises(TraceError, match=r"x\.eval"):
        list(IMPORTER.read([path], ImportOptions()).sessions())


def test_another_archive_is_refused_as_one():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as written:
        written.writestr("notes.txt", "x")
    assert foreign(packed.getvalue()).what == "a ZIP archive"


def test_a_bomb_is_refused_before_it_takes_all_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("replay.importers.tracing.inspect_log.LARGEST_DOCUMENT_BYTES", 1 << 20)
    path = tmp_path / "x.eval"
    path.write_bytes(archive(" " * (1 << 21)))
    with pytest.raises(TraceError, match="larger than 1 MiB"):
        IMPORTER.read([path], ImportOptions())
