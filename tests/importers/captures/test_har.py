"""HAR of browsers: pages as sessions, and who made the browser ask as edges.

The samples are laid out as Chromium's and Firefox's developer tools export them.
"""

import base64
import gzip
import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replay.assembly.types import ImportOptions
from replay.importers.captures.har import Har
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter, scan
from replay.trace.types import Edge
from tests.support.carried import openai_image

SITE = "https://app.example"


def entry(at_ms, path="/", took_ms=50.0, wait_ms=30.0, page="page_1", ours_ms=5.0, initiator=None, **request):
    seconds, ms = divmod(at_ms, 1000)
    made = {
        "pageref": page,
        "startedDateTime": f"2026-05-01T10:00:{int(seconds):02}.{int(ms):03}Z",
        "time": took_ms + ours_ms,
        "timings": {
            "blocked": ours_ms,
            "dns": -1,
            "connect": -1,
            "ssl": -1,
            "send": 0,
            "wait": wait_ms,
            "receive": took_ms - wait_ms,
        },
        "request": {"method": "GET", "url": SITE + path, "headers": [], **request},
        "response": {"status": 200, "bodySize": 120},
        "connection": "443",
    }
    if initiator is not None:
        made["_initiator"] = initiator
    return made


def imported(tmp_path, *entries, **options):
    file = tmp_path / "site.har"
    file.write_text(json.dumps({"log": {"version": "1.2", "creator": {"name": "x"}, "entries": entries}}))
    result = Har().read([file], ImportOptions(**options))
    sessions = list(result.sessions())
    with TraceWriter(tmp_path / "out.jsonl", result.header) as writer:
        for session in sessions:
            writer.write(session)
    assert scan(tmp_path / "out.jsonl").sessions == len(sessions)
    return result, sessions


def test_what_the_browser_did_for_itself_is_no_part_of_a_step(tmp_path):
    _, (session,) = imported(
        tmp_path, entry(0, ours_ms=0), entry(100, "/a?x=1", took_ms=60, wait_ms=40, ours_ms=25)
    )

    step = session.steps[1]
    assert (step.at_ms, step.took_ms) == (125.0, 60.0)
    assert (step.recorded.ttft_ms, step.recorded.status, step.recorded.response_bytes) == (40.0, 200, 120)
    assert (step.name, step.request.path, step.attributes) == ("GET /a", "/a?x=1", {"host": "app.example"})


def test_requests_that_a_page_asked_for_while_it_came_follow_its_first_byte(tmp_path):
    parser = {"type": "parser", "url": SITE + "/"}
    script = {"type": "script", "stack": {"callFrames": [{"url": SITE + "/app.js"}]}}
    result, (session,) = imported(
        tmp_path,
        entry(0, "/", took_ms=200, wait_ms=50, ours_ms=0),
        entry(80, "/app.js", took_ms=40, ours_ms=0, initiator=parser),
        entry(90, "/style.css", took_ms=30, ours_ms=0, initiator=parser),
        entry(150, "/api/7", took_ms=30, ours_ms=0, initiator=script),
    )

    assert [step.after for step in session.steps] == [
        (),
        (Edge("1", "first_byte", 30.0),),
        (Edge("1", "first_byte", 40.0),),
        (Edge("2", "end", 30.0),),
    ]
    assert session.steps[3].name == "GET /api/*"
    assert result.header.attributes["import"]["stated_edges_ratio"] == 1.0


def test_without_initiators_a_request_follows_those_that_had_ended(tmp_path):
    result, (session,) = imported(
        tmp_path, entry(0, "/a", 50, ours_ms=0), entry(10, "/b", 50, ours_ms=0), entry(100, "/c", ours_ms=0)
    )

    assert session.steps[2].after == (Edge("1", "end", 40.0), Edge("2", "end", 40.0))
    assert result.header.attributes["import"]["stated_edges_ratio"] == 0.0


def test_sessions_are_pages_connections_or_a_header(tmp_path):
    entries = [
        entry(0, page="page_1", headers=[{"name": "X-Run", "value": "r1"}]),
        entry(10, page="page_2", headers=[{"name": "x-run", "value": "r1"}]),
    ]

    assert [s.id for s in imported(tmp_path, *entries)[1]] == ["page_1", "page_2"]
    assert [s.id for s in imported(tmp_path, *entries, session_by="connection")[1]] == ["443"]
    assert [s.id for s in imported(tmp_path, *entries, session_by="x-run")[1]] == ["r1"]


def test_bodies_are_kept_and_secrets_are_not(tmp_path):
    def posted(text, kind):
        return {"method": "POST", "postData": {"mimeType": kind, "text": text}}

    form = '--B\r\nContent-Disposition: form-data; name="password"\r\n\r\n{}\r\n--B--\r\n'
    coded = posted(base64.b64encode(b"token=hunter2&a=%ff").decode(), "application/x-www-form-urlencoded")
    coded["postData"]["encoding"] = "base64"
    headers = [
        {"name": ":authority", "value": "x"},
        {"name": "Authorization", "value": "Bearer hunter2"},
        {"name": "X-A", "value": "1"},
    ]
    result, (session,) = imported(
        tmp_path,
        entry(
            0,
            "/a?token=hunter2&q=1",
            headers=headers,
            **posted('{"q":"x","password":"hunter2"}', "application/json"),
        ),
        entry(100, "/b", **posted("q=1&api_key=hunter2", "application/x-www-form-urlencoded")),
        entry(200, "/c", **posted("y" * (1 << 21), "text/plain")),
        entry(300, "/d", **posted(form.format("hunter2"), "multipart/form-data; boundary=B")),
        entry(400, "/e", **coded),
    )

    a, b, c, d, e = (step.request for step in session.steps)
    assert a.headers == {"X-A": "1"}
    assert msgspec.json.decode(a.json) == {"q": "x", "password": "redacted"}
    assert b.body == "q=1&api_key=redacted"
    assert c.body_bytes == 1 << 21
    assert d.body == form.format("redacted")
    assert e.body == "token=redacted&a=%ff"
    assert "hunter2" not in (tmp_path / "out.jsonl").read_text()
    assert "Dropped: 1 headers that hold secrets." in result.notes


def test_a_compressed_body_that_holds_a_secret_is_kept_decoded(tmp_path):
    secret = gzip.compress(b'{"token":"hunter2"}')
    data = {"mimeType": "application/json", "text": base64.b64encode(secret).decode(), "encoding": "base64"}

    _, (session,) = imported(
        tmp_path,
        entry(0, headers=[{"name": "Content-Encoding", "value": "gzip"}], method="POST", postData=data),
    )

    made = session.steps[0].request
    assert (bytes(made.json), made.headers) == (b'{"token":"redacted"}', {})


def test_what_is_no_http_request_is_dropped_and_counted(tmp_path):
    other = entry(5)
    other["request"]["url"] = "data:text/plain,x"
    socket = entry(6)
    socket["request"]["url"] = "wss://app.example/ws"
    cached = {**entry(7), "_fromCache": "disk"}

    result, (session,) = imported(tmp_path, entry(0), other, socket, cached)

    assert len(session.steps) == 1
    assert "Dropped: 1 entries that are not HTTP requests." in result.notes
    assert "Dropped: 1 WebSockets of which no message was recorded." in result.notes
    assert "Dropped: 1 entries that came from the browser's cache." in result.notes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"startedDateTime": "yesterday"},
            'site.har, entry 1, startedDateTime: "yesterday" is not a valid time in ISO 8601.',
        ),
        ({"request": None}, "site.har, entry 1: has no request."),
        (
            {"timings": {"wait": 1e300}},
            "site.har, entry 1, timings.wait: more than 10^18 ms is longer than 31 years.",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, change, message):
    with pytest.raises(TraceError) as error:
        imported(tmp_path, {**entry(0), **change})

    assert str(error.value).endswith(message)


times = st.tuples(st.integers(0, 5_000), st.integers(0, 800), st.integers(0, 300), st.booleans())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(times, min_size=1, max_size=12))
def test_walked_with_the_recorded_durations_every_step_starts_as_recorded(tmp_path, walked_starts_ms, found):
    found.sort()
    entries = []
    for n, (at_ms, took_ms, wait_ms, has_initiator) in enumerate(found):
        initiator = {"type": "script", "url": f"{SITE}/{n // 2}x"} if has_initiator else None
        entries.append(
            entry(at_ms, f"/{n}x", float(took_ms), float(min(wait_ms, took_ms)), ours_ms=0, initiator=initiator)
        )

    result, (session,) = imported(tmp_path, *entries)

    walked = walked_starts_ms(session)
    for step in session.steps:
        assert walked[step.id] == pytest.approx(step.at_ms, abs=result.header.resolution_ms + 0.002)


def test_a_secret_that_tells_sessions_apart_does_not_name_them(tmp_path):
    def of(token):
        return [{"name": "Authorization", "value": f"Bearer {token}"}]

    result, sessions = imported(
        tmp_path,
        entry(0, headers=of("hunter2")),
        entry(100, headers=of("hunter3")),
        session_by="authorization",
    )

    assert [s.id for s in sessions] == ["s1", "s2"]
    assert "hunter" not in repr((result.header, sessions, result.notes))


ANSWER = {
    "status": 201,
    "bodySize": 60,
    "headers": [
        {"name": "Date", "value": "Fri, 01 May 2026 10:00:00 GMT"},
        {"name": "ETag", "value": '"77a1"'},
        {"name": "Set-Cookie", "value": "sid=hush"},
    ],
    "content": {"mimeType": "application/json; charset=utf-8", "text": '{"id":"r-771","token":"hush"}'},
}


def test_responses_are_kept_on_request_and_without_their_secrets(tmp_path):
    made = {**entry(0), "response": ANSWER}

    _, (without,) = imported(tmp_path, made)
    _, (session,) = imported(tmp_path, made, responses="keep")

    assert (without.steps[0].recorded.response_json, without.steps[0].recorded.response_headers) == (None, {})
    recorded = session.steps[0].recorded
    assert recorded.response_json == {"id": "r-771", "token": "redacted"}
    assert recorded.response_headers == {"etag": '"77a1"'}


@pytest.mark.parametrize(
    "content",
    [
        {"mimeType": "text/html", "text": "{}"},
        {"mimeType": "application/json"},
        {"mimeType": "application/json", "text": "{cut"},
        {"mimeType": "application/json", "text": "eyJ9!", "encoding": "base64"},
        {"mimeType": "application/json", "text": '"' + "x" * 70_000 + '"'},
    ],
)
def test_a_response_that_is_no_small_json_document_is_not_kept(tmp_path, content):
    made = {**entry(0), "response": {**ANSWER, "content": content}}

    _, (session,) = imported(tmp_path, made, responses="keep")

    assert session.steps[0].recorded.response_json is None


def test_values_that_differ_only_far_behind_are_sessions_of_their_own(tmp_path):
    entries = [
        entry(at_ms, headers=[{"name": "x-run", "value": "x" * 500 + end}])
        for at_ms, end in ((0, "1"), (100, "2"), (200, "1"))
    ]

    _, sessions = imported(tmp_path, *entries, session_by="x-run")

    assert [len(session.steps) for session in sessions] == [2, 1]
    assert all(len(session.id) == 200 for session in sessions)


@pytest.mark.parametrize("started", [1777629600, "1777629600", 1777629600000, "1777629600000000"])
def test_a_start_may_be_a_number_of_any_unit(tmp_path, started):
    result, _ = imported(tmp_path, {**entry(0, ours_ms=0), "startedDateTime": started})

    assert result.header.attributes["import"]["first_unix_ns"] == 1_777_629_600_000_000_000


def test_what_stands_in_front_of_the_entries_may_be_long():
    start = json.dumps({"log": {"version": "1.2", "comment": "x" * 100_000, "entries": []}}).encode()[: 1 << 16]

    assert Har().sniff(start)


def test_a_model_call_too_long_to_be_kept_is_known_by_its_counts(tmp_path):
    asked = json.dumps(
        {"model": "m-1", "stream": True, "messages": [{"content": [openai_image(size_bytes=1_500_000)]}]}
    )
    posted = {"mimeType": "application/json", "text": asked}
    usage = {"prompt_tokens": 900, "completion_tokens": 7}
    events = f'data: {{"choices":[{{"index":0,"delta":{{"content":"a"}}}}]}}\n\ndata: {json.dumps({"choices": [], "usage": usage})}\n\n'
    told = {"status": 200, "bodySize": 60, "content": {"mimeType": "text/event-stream", "text": events}}
    entries = [
        {**entry(n * 1_000, path, method="POST", postData=posted), "response": answer}
        for n, (path, answer) in enumerate(
            [("/v1/chat/completions", told), ("/v1/chat/completions", {"status": 200}), ("/files", told)]
        )
    ]
    result, [session] = imported(tmp_path, *entries)
    first, second, third = session.steps

    assert (first.kind, first.request, first.llm.input_tokens, first.llm.output_tokens) == ("llm", None, 900, 7)
    assert (first.llm.model, first.llm.stream, [image.bytes for image in first.llm.images]) == (
        "m-1",
        True,
        [1_500_000],
    )
    assert {step.request.body_bytes for step in (second, third)} == {len(asked)}
    assert any("1 model calls among them" in note for note in result.notes)


@pytest.mark.parametrize(
    ("header", "taken_for", "kind"),
    [
        ("Text/CSV; charset=utf-8", "text/plain", "text/csv"),
        (None, "application/json; charset=utf-8", "application/json"),
        (None, "x-unknown", None),
        ("hunter2", "", None),
    ],
)
def test_the_type_of_an_answer_is_what_its_header_says_or_else_the_browser(tmp_path, header, taken_for, kind):
    told = entry(0)
    told["response"] |= {
        "headers": [{"name": "content-type", "value": header}] if header else [],
        "content": {"mimeType": taken_for, "size": 0},
    }
    _, [session] = imported(tmp_path, told)

    assert session.steps[0].recorded.content_type == kind


def test_comments_last_commas_and_a_call_around_it_do_no_harm(tmp_path):
    entry = json.dumps(
        {
            "startedDateTime": "2026-01-02T03:04:05.000Z",
            "time": 5,
            "request": {"method": "POST", "url": "https://h/x//y/*z*/?a=b#c", "postData": {"text": '{"a": "b,}//c"}'}},
            "response": {"status": 200},
        }
    )  # fmt: skip
    plain = f'{{"log": {{"version": "1.2", "creator": {{}}, "entries": [{entry}, {entry}]}}}}'
    written = {
        "lines": "// saved by hand\n" + plain.replace('"entries"', '// all of them\n"entries"'),
        "blocks": plain.replace('"entries"', '/* all, "of" [them] */ "entries"'),
        "hashes": "# saved by hand\n" + plain,
        "commas": plain.replace("]}}", ",\n],}, }"),
        "call": f"onInputData({plain});",
    }
    expected = None
    for name, text in {"plain": plain, **written}.items():
        path = tmp_path / f"{name}.har"
        path.write_text(text)
        assert Har().sniff(text.encode()), name
        result = Har().read([path], ImportOptions(name="n"))
        steps = [session.steps for session in result.sessions()]
        expected = expected or steps
        assert steps == expected, name
        assert result.header.attributes["import"]["unreadable"] == 0
    assert expected[0][0].request.path == "/x//y/*z*/?a=b"
