"""What AWS Lambda's platform writes of invocations becomes calls of functions, with their cold starts."""

import json

import pytest

from replay.assembly.types import ImportOptions
from replay.importers.logs.lambda_log import LambdaLog

IMPORTER = LambdaLog()
STREAM = "2024/05/01/[$LATEST]235e802547a3435abb4fa7ef75c6f131"
ID = "188dfe6c-2c2c-443e-9ba1-1fbd1da533f9"
MEASURES = "Duration: 102.25 ms\tBilled Duration: 103 ms\tMemory Size: 128 MB\tMax Memory Used: 58 MB\t"
# A cold start, then a warm one of the same instance.
MESSAGES = [
    ("00.000", "INIT_START Runtime Version: python:3.12.v11\tRuntime Version ARN: arn:aws:lambda:eu::runtime:0eb6"),
    ("00.151", f"START RequestId: {ID} Version: $LATEST"),
    ("00.200", "token=hunter2"),
    ("00.254", f"END RequestId: {ID}"),
    ("00.254", f"REPORT RequestId: {ID}\t{MEASURES}Init Duration: 150.00 ms\t"),
    ("05.000", f"START RequestId: {ID[:-1]}0 Version: $LATEST"),
    ("05.110", f"REPORT RequestId: {ID[:-1]}0\t{MEASURES}\nXRAY TraceId: 1-5759e988\tSegmentId: 1"),
]  # fmt: skip


def at(second, separator="T", zone="Z"):
    return f"2024-05-01{separator}10:00:{second}{zone}"


def as_json(message, time):
    """The message as the platform writes it in JSON."""
    if message.startswith("INIT_START"):
        return json.dumps(
            {"time": time, "type": "platform.initStart", "record": {"initializationType": "on-demand"}}
        )
    if not message.startswith(("REPORT", "START")):
        return json.dumps({"timestamp": time, "level": "INFO", "message": message})
    record = {"requestId": message.split()[2]}
    if message.startswith("REPORT"):
        metrics = {"durationMs": 102.25, "billedDurationMs": 103, "memorySizeMB": 128, "maxMemoryUsedMB": 58}
        record["metrics"] = metrics | ({"initDurationMs": 150.0} if "Init" in message else {})
    kind = "platform.report" if message.startswith("REPORT") else "platform.start"
    return json.dumps({"time": time, "type": kind, "record": record})


def events(**outer):
    found = [
        {"timestamp": 1_714_557_600_000 + round(float(s) * 1_000), "message": text} for s, text in MESSAGES
    ]
    return found, outer


def in_one_line(text):
    return text.replace("\n", " ")


FORMS = {
    "aws logs tail": "".join(f"{at(s, zone='000+00:00')} {STREAM} {in_one_line(text)}\n" for s, text in MESSAGES),
    "sam logs": "".join(f"{STREAM} {at(s, zone='000')} {in_one_line(text)}\n" for s, text in MESSAGES),
    "S3": "".join(f"{at(s)} {in_one_line(text)}\n" for s, text in MESSAGES),
    "get-log-events": json.dumps({"events": events()[0]}, indent=2),
    "filter-log-events": json.dumps({"events": [{**each, "logStreamName": STREAM} for each in events()[0]]}),
    "subscription": json.dumps({"logGroup": "/aws/lambda/plan", "logStream": STREAM, "logEvents": events()[0]}),
    "insights": json.dumps(
        [{"@timestamp": at(s, " ", ""), "@message": text, "@logStream": STREAM} for s, text in MESSAGES]
    ),
    "JSON lines": "".join(f"{as_json(text, at(s))}\n" for s, text in MESSAGES),
    "JSON messages": json.dumps({"events": [{"message": as_json(text, at(s))} for s, text in MESSAGES]}),
}  # fmt: skip


@pytest.fixture
def imported(tmp_path):
    def run(text, **options):
        path = tmp_path / "events.log"
        path.write_text(text)
        result = IMPORTER.read([path], ImportOptions(**options))
        return list(result.sessions()), result

    return run


@pytest.mark.parametrize("form", FORMS)
def test_an_invocation_that_had_to_boot_is_cold_and_began_before_its_boot(imported, form):
    sessions, result = imported(FORMS[form])

    assert IMPORTER.sniff(FORMS[form].encode())
    steps = [step for session in sessions for step in session.steps]
    assert [(step.took_ms, step.recorded.cold) for step in steps] == [(252.25, True), (102.25, False)]
    assert [session.start_ms for session in sessions] == [0.0, 4_999.0]
    assert result.header.attributes["import"]["first_unix_ns"] == 1_714_557_600_001_000_000
    attributes = dict(steps[0].attributes)
    assert (attributes.pop("request_id"), attributes.pop("instance", STREAM)) == (ID, STREAM)
    assert {name: float(value) for name, value in attributes.items()} == {
        "init_ms": 150.0,
        "billed_ms": 103.0,
        "memory_mb": 128.0,
        "max_memory_mb": 58.0,
    }
    name = "plan" if form == "subscription" else "function"
    assert steps[0].request.path == f"/functions/{name}"
    assert "hunter2" not in repr((sessions, result.notes))


def test_an_instance_that_was_booted_ahead_kept_nobody_waiting(imported):
    early = FORMS["aws logs tail"].replace(f"{at('00.000', zone='')}", "2024-05-01T09:50:00.000")
    sessions, _ = imported(early)

    assert [session.steps[0].recorded.cold for session in sessions] == [False, False]
    assert sessions[0].steps[0].took_ms == 102.25
    assert float(sessions[0].steps[0].attributes["init_ms"]) == 150.0


def test_without_its_start_an_invocation_began_as_long_before_its_report_as_it_lasted(imported):
    [session], result = imported(f"{at('10.000')} REPORT RequestId: {ID}\t{MEASURES}\n")

    assert result.header.attributes["import"]["first_unix_ns"] == 1_714_557_609_897_750_000
    assert session.steps[0].took_ms == 102.25


def test_sessions_may_be_those_of_an_instance(imported):
    [session], _ = imported(FORMS["aws logs tail"], session_by="instance")

    assert [step.at_ms for step in session.steps] == [0.0, 4_999.0]


def test_reports_without_a_time_are_counted(imported):
    sessions, result = imported(FORMS["S3"] + f"REPORT RequestId: {ID}\t{MEASURES}\n")

    assert len(sessions) == 2
    assert any("a REPORT without a time. Export the log with its times" in note for note in result.notes)
