"""What the last load test did is read out of its results, and done again at the same times."""

import json

import pytest

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.importers.loadtests.jtl_xml import read_xml_samples
from replay.reading.damage import Damage
from replay.trace.errors import TraceError


@pytest.fixture
def imported(tmp_path):
    """Imports these results, which must be told to be of this format alone: the sessions, and the import itself."""

    def run(name, text, **options):
        assert [each for each, importer in IMPORTERS.items() if importer.sniff(text.encode())] == [name]
        path = tmp_path / "results.json"
        path.write_text(text)
        result = IMPORTERS[name].read([path], ImportOptions(**options))
        return list(result.sessions()), result

    return run


def point(metric, second, value, **tags):
    told = {"expected_response": "true", "group": "", "scenario": "default", "method": "POST", "status": "200"}
    url = {"name": "https://api.test/a", "proto": "HTTP/1.1", "url": "https://api.test/a?token=x"}
    data = {"time": f"2026-01-01T02:00:{second}+02:00", "value": value, "tags": {**told, **url, **tags}}
    return json.dumps({"metric": metric, "type": "Point", "data": data}) + "\n"


# As k6 writes them: first what a metric is, then its points; of a request, one for each metric.
K6 = (
    '{"type":"Metric","data":{"name":"http_reqs","type":"counter","contains":"default","thresholds":[],"submetrics":null},'
    '"metric":"http_reqs"}\n' + point("http_reqs", "01.500000123", 1) + point("http_req_duration", "01.500000123", 459.865729)
)  # fmt: skip


def test_a_request_of_k6_began_its_duration_before_the_time_of_its_point(imported):
    [session], result = imported("k6", K6)

    [step] = session.steps
    assert result.header.attributes["import"]["first_unix_ns"] == 1_767_225_601_040_134_000
    assert (step.took_ms, step.request.method, step.request.path) == (459.866, "POST", "/a?token=redacted")
    assert step.recorded.status == 200
    assert result.header.origins == ("https://api.test",)
    dropped = result.header.attributes["import"]["dropped"]
    assert dropped["line(s) of other metrics"] == 2


def test_iterations_of_k6s_users_are_sessions_where_tags_tell_them(imported):
    text = "".join(
        point("http_req_duration", f"0{n}.000", 100.0, vu=str(vu), iter=str(iteration))
        for n, (vu, iteration) in enumerate([(1, 0), (2, 0), (1, 0), (1, 1)], 1)
    )
    sessions, result = imported("k6", text)

    assert [len(session.steps) for session in sessions] == [2, 1, 1]
    assert sessions[0].steps[1].after[0].delay_ms == 1_900.0
    assert result.header.attributes["import"]["clients"] == 2


def test_without_such_tags_every_request_of_k6_is_a_session_of_its_own(imported):
    sessions, _ = imported("k6", K6 + point("http_req_duration", "02.000", 5.0))

    assert len(sessions) == 2


def test_a_tag_of_k6_may_name_sessions(imported):
    text = "".join(point("http_req_duration", f"0{n}.000", 5.0, run=f"r{n % 2}") for n in range(4))
    sessions, _ = imported("k6", text, session_by="run")

    assert [session.id for session in sessions] == ["r0", "r1"]


K6_CSV = """metric_name,timestamp,metric_value,check,error,error_code,group,method,name,scenario,status,url,extra_tags
http_reqs,1767225602,1.000000,,,,,POST,home,default,200,https://api.test/a?token=x,
http_req_duration,1767225602,459.865729,,,,,POST,home,default,200,https://api.test/a?token=x,run=r1&vu=3&iter=0
http_req_duration,1767225603,20.000000,,,1101,,GET,home,default,0,https://api.test/b,run=r1&vu=3&iter=0
"""


def test_a_table_of_k6s_points_is_read_as_its_lines_of_json_are(imported):
    [session], result = imported("k6", K6_CSV)

    first, second = session.steps
    told = result.header.attributes["import"]
    assert told["first_unix_ns"] == 1_767_225_601_540_134_000
    assert (first.took_ms, first.request.method, first.request.path) == (459.866, "POST", "/a?token=redacted")
    assert (second.took_ms, second.attributes["error"]) == (20.0, "1101")
    assert told["dropped"]["line(s) of other metrics"] == 1
    assert result.header.resolution_ms == 1000.0


@pytest.mark.parametrize("cell", ["", "soon", "-1"])
def test_a_point_without_a_time_or_a_value_costs_its_row_only(imported, cell):
    row = K6_CSV.splitlines()[2]
    by_time, by_value = row.replace("1767225602", cell), row.replace("459.865729", cell)
    sessions, result = imported("k6", f"{K6_CSV}{by_time}\n{by_value}\n")

    assert sum(len(session.steps) for session in sessions) == 2
    assert result.header.attributes["import"]["unreadable"] == 2


JTL = """timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,failureMessage,bytes,sentBytes,\
grpThreads,allThreads,URL,Latency,IdleTime,Connect
1767225600000,120,POST /login,200,OK,Users 1-1,text,true,,512,230,2,2,https://api.test/login?token=x,80,0,20
1767225600500,40,home,302,Found,Users 1-1,text,true,,10,100,2,2,https://api.test/,30,0,0
1767225600600,41,home,200,OK,Users 1-2,text,true,,10,100,2,2,https://api.test/,30,0,0
1767225600700,200,checkout,200,"Number of samples in transaction : 2, number of failing samples : 0",Users 1-1,,true,,\
522,330,2,2,null,110,0,20
"""


def test_a_thread_of_jmeter_is_a_client_that_pauses_as_it_did(imported):
    sessions, result = imported("jtl", JTL)

    assert [[step.request.path for step in session.steps] for session in sessions] == [
        ["/login?token=redacted", "/"],
        ["/"],
    ]
    login, home = sessions[0].steps
    assert (login.took_ms, login.request.method, login.request.body_bytes) == (120.0, "POST", 91)
    assert login.attributes == {"label": "POST /login", "first_byte_ms": "80"}
    assert home.after[0].delay_ms == 380.0
    told = result.header.attributes["import"]
    assert told["dropped"] == {
        "sample(s) without a URL: transactions, of other protocols, or saved without it (jmeter.save.saveservice.url)": 1
    }
    assert told["inferred"]["request(s) of which the method is not recorded: GET"] == 2


def test_labels_that_are_paths_stand_for_urls_that_were_not_saved(imported):
    text = "timeStamp,elapsed,label,responseCode\n2026/01/01 00:00:00.250,7,PUT /a/1,204\n"
    [session], result = imported("jtl", text)

    assert (session.steps[0].request.method, session.steps[0].request.path) == ("PUT", "/a/1")
    assert result.header.attributes["import"]["first_unix_ns"] == 1_767_225_600_250_000_000


def hit(n, **more):
    told = {
        "attack": "big",
        "seq": n,
        "code": 200,
        "timestamp": f"2026-01-01T00:00:0{n}.000000001Z",
        "latency": 9_087_624,
    }
    return {**told, "bytes_out": 5, "bytes_in": 2, "error": "", "body": "aGk=", "method": "POST", "url": "http://h/a?token=x",
            "headers": {"Set-Cookie": ["sid=hunter2"]}, **more}  # fmt: skip


def as_csv(row):
    at_ns = 1_767_225_600_000_000_001 + row["seq"] * 1_000_000_000
    cells = (
        at_ns,
        row["code"],
        row["latency"],
        row["bytes_out"],
        row["bytes_in"],
        row["error"],
        row["body"],
        row["attack"],
    )
    return ",".join(map(str, (*cells, row["seq"], row["method"], row["url"], "U2V0LUNvb2tpZTogaHVudGVyMg==")))


@pytest.mark.parametrize("write", [json.dumps, as_csv], ids=["JSON", "CSV"])
def test_a_hit_of_vegeta_is_a_session_that_began_at_its_timestamp(imported, write):
    sessions, result = imported("vegeta-results", "".join(f"{write(hit(n))}\n" for n in range(3)))

    assert [session.start_ms for session in sessions] == [0.0, 1_000.0, 2_000.0]
    step = sessions[0].steps[0]
    assert (step.took_ms, step.request.path, step.request.body_bytes) == (9.088, "/a?token=redacted", 5)
    assert (step.recorded.status, step.recorded.response_bytes) == (200, 2)
    assert "hunter2" not in repr((sessions, result))


def test_a_hit_that_had_no_answer_has_no_status(imported):
    [session], _ = imported("vegeta-results", json.dumps(hit(1, code=0, error="dial tcp: refused")) + "\n")

    assert session.steps[0].recorded.status is None


@pytest.mark.parametrize("name", ["vegeta", "json-log"])
def test_results_of_vegeta_are_no_targets_and_no_log(name, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(hit(1)) + "\n")

    with pytest.raises(TraceError, match=rf": looks like vegeta-results, not {name}\."):
        IMPORTERS[name].read([path], ImportOptions())


@pytest.mark.parametrize("value", [None, "x", -1, 1e300, [], {}, True])
@pytest.mark.parametrize("name", ["k6", "vegeta-results"])
def test_a_field_of_another_type_costs_its_line_only(imported, name, value):
    whole = hit(1) if name == "vegeta-results" else json.loads(point("http_req_duration", "01.000", 5.0))
    places = [(whole, key) for key in whole] + [(whole.get("data", {}), key) for key in whole.get("data", {})]
    text = f"{json.dumps(whole)}\n" * 2
    for holder, key in places:
        damaged = {**holder, key: value}
        record = damaged if holder is whole else {**whole, "data": damaged}
        sessions, result = imported(name, text + f"{json.dumps(record)}\n")

        assert len(sessions) >= 1
        assert result.header.attributes["import"]["unreadable"] <= 1


def http_sample(n, inside="", **attributes):
    told = {
        "t": 120,
        "lt": 80,
        "ts": 1_767_225_600_000 + 1_000 * n,
        "s": "true",
        "lb": "Home",
        "rc": 200,
        "tn": "Users 1-1",
    }
    told |= {"by": 300, "sby": 300, **attributes}
    written = " ".join(f'{name}="{value}"' for name, value in told.items())
    url = f"<java.net.URL>http://h.test/runs/{n}?a=1&amp;b=2</java.net.URL>"
    method = '<method class="java.lang.String">POST</method>'
    return f"<httpSample {written}>{inside}{url}{method}</httpSample>\n"  # fmt: skip


def as_xml(*samples):
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testResults version="1.2">\n{"".join(samples)}</testResults>\n'


def test_results_of_jmeter_in_xml_have_methods_too(imported):
    [session], _ = imported("jtl", as_xml(http_sample(0), http_sample(1, rc=503)))

    assert [
        (step.request.method, step.request.path, step.at_ms, step.took_ms, step.recorded.status, step.request.body_bytes)
        for step in session.steps
    ] == [
        ("POST", "/runs/0?a=1&b=2", 0.0, 120.0, 200, 127),
        ("POST", "/runs/1?a=1&b=2", 1_000.0, 120.0, 503, 127),
    ]  # fmt: skip
    assert session.steps[0].attributes["label"] == "Home"
    assert session.steps[0].attributes["first_byte_ms"] == "80"


@pytest.mark.parametrize("piece_bytes", [1, 7, 64, 1 << 16])
def test_answers_that_jmeter_kept_may_hold_what_no_xml_may(imported, monkeypatch, piece_bytes):
    """It writes references to control characters and halves of pairs, and such bytes, as an answer had them."""
    monkeypatch.setattr("replay.importers.loadtests.jtl_xml._PIECE_BYTES", piece_bytes)
    kept = '<responseData class="java.lang.String">&#x0;&#31;&#xD83D;&#xDE00;&#x1F600;\x01\x1b &amp;#x0;</responseData>'

    [session], result = imported(
        "jtl", as_xml(http_sample(0, inside=kept), http_sample(1, lb="a&#x1F600;&#x7;"))
    )

    assert [step.request.path for step in session.steps] == ["/runs/0?a=1&b=2", "/runs/1?a=1&b=2"]
    assert session.steps[1].attributes["label"] == "a\U0001f600\ufffd"
    assert result.header.attributes["import"]["unreadable"] == 0


def test_of_samples_in_samples_the_inner_ones_were_sent(imported):
    transaction = f'<sample t="300" ts="1767225600000" lb="Transaction" rc="200">{http_sample(0)}</sample>'
    redirected = http_sample(1, inside=http_sample(2) + http_sample(3))

    [session], result = imported("jtl", as_xml(transaction, redirected))

    assert [step.at_ms for step in session.steps] == [0.0, 2_000.0, 3_000.0]
    assert (
        "Dropped: 2 sample(s) that only hold others: transactions, or requests with their redirects."
        in result.notes
    )


def test_results_in_xml_that_were_cut_off_are_read_up_to_there(imported):
    whole = as_xml(http_sample(0), http_sample(1), http_sample(2), http_sample(3))

    [session], result = imported("jtl", whole[: whole.rindex("<httpSample") + 30])

    assert len(session.steps) == 3
    assert any("not valid XML" in note for note in result.notes)


def test_xml_that_declares_entities_is_refused(tmp_path):
    path = tmp_path / "results.jtl"
    path.write_text(
        as_xml(http_sample(0)).replace("<testResults", '<!DOCTYPE x [<!ENTITY a "b">]>\n<testResults', 1)
    )

    with pytest.raises(TraceError, match="declares entities, which no result of JMeter does"):
        list(read_xml_samples(path, Damage()))
