"""What collectors write around lines is told by the first lines, taken off, and never mistaken for the client."""

import json

import pytest

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.importers.logs.access_log import AccessLog
from replay.importers.logs.envoy_log import EnvoyLog
from replay.importers.logs.json_log import JsonLog
from replay.trace.errors import TraceError
from tests.support.recordings import FORMATS

AT = "2025-10-10T13:55:36.200000000Z"
LINE = '192.0.2.{n} - - [10/Oct/2025:13:55:3{n} +0000] "GET /p{n} HTTP/1.1" 200 1 "-" "curl/8.0" rt=0.100'
PREFIXES = {
    "cri": f"{AT} stdout F ",
    "cri with an offset": "2025-10-10T13:55:36.2+02:00 stderr F ",
    "compose": "web-1  | ",
    "compose in colour": "\x1b[36mweb-1  |\x1b[0m ",
    "compose with times": f"web-1  | {AT} ",
    "kubectl --prefix": "[pod/web-7d9f/nginx] ",
    "kubectl --timestamps": f"{AT} ",
    "syslog": "Oct 10 13:55:30 web-1 nginx[2869]: ",
    "syslog with a priority": "<190>Oct  1 13:55:30 web-1 nginx: ",
    "syslog 5424": f"<190>1 {AT} web-1 nginx 12 - - ",
    "syslog 5424 with data": f'<190>1 {AT} web-1 nginx 12 ID47 [a@1 b="c"] ',
    "rsyslog": "2025-10-10T13:55:30.123456+00:00 web-1 nginx[1]: ",
    "journald short-iso": "2025-10-10T13:55:30+0000 web-1 nginx[1]: ",
    "syslog in a container": f"{AT} stdout F Oct 10 13:55:30 web-1 nginx[2869]: ",
    "logcli": AT + ' {app="web", container="nginx"} ',
    "a virtual host": "shop.example ",
    "a virtual host with its port": "shop.example:443 ",
    "two columns": "eu-1 shop.example ",
}
OBJECTS = {
    "docker": lambda line: {"log": line + "\n", "stream": "stdout", "time": AT},
    "journald": lambda line: {"__REALTIME_TIMESTAMP": "1", "MESSAGE": line, "_HOSTNAME": "h"},
    "journald's bytes": lambda line: {"MESSAGE": list(line.encode())},
    "fluent bit": lambda line: {"date": 1.5, "log": line},
    "cloud logging": lambda line: {"textPayload": line, "timestamp": AT},
}


def read(importer, tmp_path, lines):
    file = tmp_path / "some.log"
    file.write_text("\n".join(lines) + "\n")
    assert importer.sniff(file.read_bytes())
    result = importer.read([file], ImportOptions())
    list(result.sessions())
    return result.header.attributes["import"]


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_what_stands_in_front_of_a_line_is_no_client(tmp_path, prefix):
    found = read(AccessLog(), tmp_path, [prefix + LINE.format(n=1 + n // 2) for n in range(6)])

    assert (found["clients"], found["unreadable"], found["stamped_at_end"]) == (3, 0, 6)


@pytest.mark.parametrize("around", OBJECTS.values(), ids=OBJECTS)
def test_a_line_in_an_object_is_a_line(tmp_path, around):
    found = read(AccessLog(), tmp_path, [json.dumps(around(LINE.format(n=1 + n // 2))) for n in range(6)])

    assert (found["clients"], found["unreadable"]) == (3, 0)


@pytest.mark.parametrize("prefix", [f"{AT} stdout F ", "web-1 | ", "Oct 10 13:55:30 web-1 app[1]: "])
def test_every_kind_of_log_may_stand_in_a_frame(tmp_path, prefix):
    request = {"msec": "1760104536.25", "request_method": "GET", "request_uri": "/a", "status": 200}
    envoy = '[2025-10-10T13:55:36.000Z] "GET /a HTTP/1.1" 200 - 0 10 11 10 "192.0.2.1" "curl" "id" "h" "u"'

    assert read(JsonLog(), tmp_path, [prefix + json.dumps(request)] * 3)["lines"] == 3
    assert read(EnvoyLog(), tmp_path, [prefix + envoy] * 3)["lines"] == 3


COLLECTED = {
    "fluentd": ("Fluentd's prefix", lambda s, record: f"2025-10-10T13:55:{s:02}+00:00\tapp.nginx\t{record}"),
    "fluentd on stdout": (
        "Fluentd's prefix on stdout",
        lambda s, record: f"2025-10-10 13:55:{s:02}.000000000 +0000 app.nginx: {record}",
    ),
    "fluent bit 1": ("Fluent Bit's prefix", lambda s, record: f"app.nginx: [{1_760_104_500 + s}.25, {record}]"),
    "fluent bit 2": (
        "Fluent Bit's prefix",
        lambda s, record: f"[{s}] app.nginx: [[{1_760_104_500 + s}.25, {{}}], {record}]",
    ),
}


@pytest.mark.parametrize(("frame", "collected"), COLLECTED.values(), ids=COLLECTED)
def test_a_record_has_the_time_that_its_collector_took_out_of_it(tmp_path, frame, collected):
    record = {"remote": "192.0.2.1", "method": "GET", "path": "/a", "code": "200", "size": "5", "agent": "x"}
    file = tmp_path / "some.log"
    file.write_text("".join(collected(10 * n, json.dumps(record)) + "\n" for n in range(4)))

    assert [name for name, importer in IMPORTERS.items() if importer.sniff(file.read_bytes())] == ["json-log"]
    result = IMPORTERS["json-log"].read([file], ImportOptions())
    [session] = result.sessions()

    assert result.header.attributes["import"]["frames"] == [frame]
    assert [step.at_ms for step in session.steps] == [0, 10_000, 20_000, 30_000]


def test_a_records_own_time_stands_before_its_collectors(tmp_path):
    lines = [
        f'2025-10-10T13:59:59+00:00\tapp\t{{"time":"2025-10-10T13:55:{n}0Z","method":"GET","path":"/","status":200}}'
        for n in range(3)
    ]
    file = tmp_path / "some.log"
    file.write_text("\n".join(lines))

    [session] = IMPORTERS["json-log"].read([file], ImportOptions()).sessions()

    assert [step.at_ms for step in session.steps] == [0, 10_000, 20_000]


def test_a_line_that_a_runtime_cut_in_pieces_is_put_together(tmp_path):
    whole = LINE.format(n=1)
    cri = [f"{AT} stdout P {whole[:40]}", f"{AT} stdout F {whole[40:]}"]
    docker = [
        json.dumps({"log": part, "stream": "stdout", "time": AT}) for part in (whole[:40], whole[40:] + "\n")
    ]

    for pieces in (cri, docker):
        found = read(AccessLog(), tmp_path, [*pieces, *pieces])
        assert (found["clients"], found["unreadable"], found["stamped_at_end"]) == (1, 0, 2)


def test_a_user_with_blanks_is_no_column(tmp_path):
    lines = [LINE.format(n=n).replace(" - - ", " - ada lovelace king ") for n in (1, 1, 2)]

    assert read(AccessLog(), tmp_path, lines)["clients"] == 2


def test_objects_over_several_lines_and_in_arrays_are_read(tmp_path):
    request = {"started_at": 1760104536250, "method": "GET", "path": "/a", "status": 200, "duration_ms": 100}

    for text in (
        json.dumps([request] * 3),
        json.dumps([request] * 3, indent=1),
        "\n".join([json.dumps(request, indent=2)] * 3),
        "[\n" + ",\n".join([json.dumps(request)] * 3) + "\n]",
    ):
        found = read(JsonLog(), tmp_path, [text])
        assert (found["stamped_at_start"], found["unreadable"]) == (3, 0)


def _cloudwatch(*messages, subscription=False):
    events = [{"timestamp": 1_760_000_000_000 + n, "message": text} for n, text in enumerate(messages)]
    if subscription:
        return {"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logEvents": events}
    return {"events": events, "nextForwardToken": "f/1"}


@pytest.mark.parametrize("indent", [None, 4])
@pytest.mark.parametrize("subscription", [False, True])
@pytest.mark.parametrize("name", ["access-log", "json-log"])
def test_messages_in_cloudwatchs_documents_are_lines_of_the_log(tmp_path, name, subscription, indent):
    lines = FORMATS[name].of(5).splitlines()
    plain, wrapped = tmp_path / "plain.log", tmp_path / "events.json"
    plain.write_text("\n".join(lines))
    document = _cloudwatch(
        lines[0] + "\n", "\n".join(lines[1:3]), *lines[3:], "no request", subscription=subscription
    )
    wrapped.write_text(json.dumps(document, indent=indent))
    importer = IMPORTERS[name]
    result = importer.read([wrapped], ImportOptions())

    assert [known for known, other in IMPORTERS.items() if other.sniff(wrapped.read_bytes())] == [name]
    assert list(result.sessions()) == list(importer.read([plain], ImportOptions()).sessions())
    assert "Of each line, CloudWatch's JSON was taken off." in result.notes
    assert result.header.attributes["import"]["unreadable"] == 1


def test_several_documents_of_a_subscription_are_read_one_after_the_other(tmp_path):
    lines = FORMATS["access-log"].of(4).splitlines()
    file = tmp_path / "records.json"
    file.write_text(
        "".join(json.dumps(_cloudwatch(*part, subscription=True)) for part in (lines[:2], lines[2:]))
    )

    result = IMPORTERS["access-log"].read([file], ImportOptions())

    assert result.header.attributes["import"]["lines"] == 4


def test_a_document_of_cloudwatchs_that_is_no_such_thing_is_said_to_be_none(tmp_path):
    file = tmp_path / "events.json"
    file.write_text('{"events":[{"timestamp":1,"message":5}]}')

    with pytest.raises(
        TraceError, match=r"events\.json, line 1: events\[0\]\.message: expected a string, got a"
    ):
        IMPORTERS["access-log"].read([file], ImportOptions())


def test_messages_of_a_server_itself_are_no_frame(tmp_path):
    """Caddy writes what it does at its start into the same log as the requests."""
    own = [json.dumps({"level": "info", "ts": 1.7e9, "msg": f"HTTP/2 skipped, {n}"}) for n in range(30)]
    file = tmp_path / "caddy.log"
    file.write_text(
        "".join(f"caddy  | {line}\n" for line in (*own[:15], *FORMATS["json-log"].of(2).splitlines(), *own))
    )

    result = JsonLog().read([file], ImportOptions())

    told = result.header.attributes["import"]
    assert (told["lines"], told["unreadable"]) == (47, 0)
    assert "Of each line, docker compose's prefix was taken off." in result.notes


@pytest.mark.parametrize("between", ["", " "])
@pytest.mark.parametrize("length", [1, 70_000])
def test_objects_with_nothing_between_are_read_one_by_one(tmp_path, between, length):
    """As Firehose puts what it delivers into one file; it may be one line, of any length."""
    records = [json.loads(line) for line in FORMATS["json-log"].of(4).splitlines()]
    file = tmp_path / "delivered.json"
    file.write_text(
        between.join(json.dumps({**record, "note": 'x}{"' * (length // 10)}) for record in records) + "\n"
    )
    assert JsonLog().sniff(file.read_bytes()[: 1 << 16]) or length > 1

    told = JsonLog().read([file], ImportOptions()).header.attributes["import"]

    assert (told["lines"], told["unreadable"]) == (4, 0)
