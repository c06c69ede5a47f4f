"""MLflow's own traces are read as its spans would be over OTLP, from what it exports and from its database."""

import json
import sqlite3

import pytest

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.importers.tracing.otlp import Otlp
from replay.reading.inputs import SNIFFED_BYTES, first_bytes
from replay.trace.errors import TraceError

ZERO_NS = 1_796_037_857_132_995_000
USAGE = {"cache_read_input_tokens": 64, "input_tokens": 142, "output_tokens": 16, "total_tokens": 158}
# Its number, parent's, name, start and duration in ms, and attributes, as release 3.17 logged calls of OpenAI's client.
SPANS = [
    (1, 0, "flow", 0, 2_000, {"mlflow.spanType": "AGENT", "mlflow.spanInputs": {"x": "r"}}),
    (2, 1, "Completions", 10, 650, {"mlflow.spanType": "CHAT_MODEL", "mlflow.llm.model": "m-1", "mlflow.chat.tokenUsage": USAGE}),
    (3, 1, "search", 670, 150, {"mlflow.spanType": "TOOL", "mlflow.spanInputs": {"q": "x", "api_key": "hunter2"}}),
    (4, 1, "Completions", 830, 800, {"mlflow.spanType": "CHAT_MODEL", "model": "m-2", "stream": True, "mlflow.llm.model": "m-2", "mlflow.chat.tokenUsage": USAGE}),
]  # fmt: skip


def span(n, parent, name, start_ms, took_ms, attributes):
    start_ns = ZERO_NS + start_ms * 1_000_000
    return {
        "trace_id": "nbh6KEFjFnLa850X0Js64A==",
        "span_id": f"{n}nTxb0AWGQ=",
        "parent_span_id": f"{parent}nTxb0AWGQ=" if parent else None,
        "name": name,
        "start_time_unix_nano": start_ns,
        "end_time_unix_nano": start_ns + took_ms * 1_000_000,
        "events": [{"name": "mlflow.chunk.item.0", "time_unix_nano": start_ns, "attributes": {}}],
        "status": {"code": "STATUS_CODE_ERROR" if n == 3 else "STATUS_CODE_OK", "message": "hunter2"},
        "attributes": {
            key: json.dumps(value) for key, value in {"mlflow.traceRequestId": "tr-1", **attributes}.items()
        },
    }


def trace():
    info = {"trace_id": "tr-1", "state": "OK", "trace_metadata": {"mlflow.trace.session": "sess-9"}}
    return {"info": info, "data": {"spans": [span(*each) for each in SPANS]}}


def of_release_2():
    spans = [
        {
            "name": each["name"],
            "context": {"trace_id": "0x9d", "span_id": each["span_id"]},
            "parent_id": each["parent_span_id"],
            "start_time": each["start_time_unix_nano"],
            "end_time": each["end_time_unix_nano"],
            "status_code": each["status"]["code"].removeprefix("STATUS_CODE_"),
            "attributes": each["attributes"],
        }
        for each in trace()["data"]["spans"]
    ]
    info = {
        "request_id": "9d",
        "request_metadata": {"mlflow.trace.session": "sess-9", "mlflow.traceInputs": "{}"},
    }
    return {"info": info, "data": {"spans": spans, "request": "{}"}}


FORMS = {
    "to_json": lambda: json.dumps(trace()),
    "a line each": lambda: json.dumps(trace()) + "\n" + json.dumps(trace()).replace("X0Js64A", "X0Js64B").replace("sess-9", "other") + "\n",
    "indented": lambda: json.dumps(trace(), indent=2),
    "array": lambda: json.dumps([trace()]),
    "mlflow traces search": lambda: json.dumps({"traces": [trace()], "next_page_token": None}, indent=2),
    "search_traces": lambda: json.dumps({"trace_id": "tr-1", "trace": json.dumps(trace()), "state": "OK", "spans": []}),
    "release 2": lambda: json.dumps(of_release_2()),
}  # fmt: skip


def imported(path):
    start = first_bytes(path, SNIFFED_BYTES)
    assert [name for name, importer in IMPORTERS.items() if importer.sniff(start)] == ["otlp"]
    result = Otlp().read([path], ImportOptions())
    return list(result.sessions()), result


def as_sent(session):
    return [
        (step.kind, step.name, step.at_ms, step.took_ms, (step.llm.input_tokens, step.llm.output_tokens, step.llm.stream) if step.llm else None)
        for step in session.steps
    ]  # fmt: skip


SENT = [
    ("llm", "Completions", 0.0, 650.0, (142, 16, False)),
    ("tool", "search", 660.0, 150.0, None),
    ("llm", "Completions", 820.0, 800.0, (142, 16, True)),
]


@pytest.mark.parametrize("form", FORMS)
def test_all_that_mlflow_exports_becomes_the_same_steps(form, tmp_path):
    path = tmp_path / "traces.json"
    path.write_text(FORMS[form]())
    sessions, result = imported(path)

    assert sessions[-1].id == "sess-9"
    assert all(as_sent(session) == SENT for session in sessions)
    assert sessions[0].steps[0].recorded is None or sessions[0].steps[0].recorded.ttft_ms is None
    assert sessions[0].steps[1].attributes["error"] == "true"
    assert "hunter2" not in repr((sessions, result))


def database(path, *rows):
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE trace_info (request_id VARCHAR(50), session_id VARCHAR(250))")
        made.execute(
            "CREATE TABLE spans (trace_id VARCHAR(50), span_id VARCHAR(50), start_time_unix_nano BIGINT, content TEXT)"
        )
        made.execute("INSERT INTO trace_info VALUES ('tr-1', 'sess-9')")
        made.executemany("INSERT INTO spans VALUES ('tr-1', ?, ?, ?)", rows)
    made.close()


def rows():
    return [
        (each["span_id"], each["start_time_unix_nano"], json.dumps(each)) for each in trace()["data"]["spans"]
    ]


def test_its_database_becomes_the_same_and_a_damaged_row_costs_itself(tmp_path):
    path = tmp_path / "mlflow.db"
    database(path, *rows(), ("x", ZERO_NS, '{"name": "cut'))
    [session], result = imported(path)

    assert (session.id, as_sent(session)) == ("sess-9", SENT)
    assert result.header.attributes["import"]["unreadable"] == 1


def test_a_damaged_database_is_refused_in_words(tmp_path):
    path = tmp_path / "mlflow.db"
    database(path, *rows())
    path.write_bytes(path.read_bytes()[:5000])

    with pytest.raises(TraceError, match=r"mlflow\.db: not a database that can be read \("):
        list(Otlp().read([path], ImportOptions()).sessions())


@pytest.mark.parametrize(
    ("pieces_ms", "ttft_ms"),
    [
        (
            (208, 308, 408),
            208.0,
        ),  # as MLflow 3.17 noted those of a generator that gave one each 0.1 s, the first after 0.2
        ((495, 496, 497), None),  # noted at the end
        ((208,), None),  # nothing tells when it was noted
        ((-9, 208), None),
    ],
)
def test_pieces_that_were_noted_as_they_came_tell_the_first_token(tmp_path, pieces_ms, ttft_ms):
    told = span(
        1, None, "llm", 0, 500, {"mlflow.spanType": "LLM", "model": "m-1", "mlflow.chat.tokenUsage": USAGE}
    )
    told["events"] = [
        {"name": f"mlflow.chunk.item.{n}", "time_unix_nano": ZERO_NS + at_ms * 1_000_000, "attributes": {}}
        for n, at_ms in enumerate(pieces_ms)
    ]
    path = tmp_path / "trace.json"
    path.write_text(json.dumps({"info": trace()["info"], "data": {"spans": [told]}}))
    [session], _ = imported(path)
    [step] = session.steps

    assert (step.llm.model, step.recorded and step.recorded.ttft_ms) == ("m-1", ttft_ms)
