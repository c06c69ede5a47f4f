"""nginx's and Apache's access logs become sessions of requests."""

import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replay.assembly.types import ImportOptions
from replay.importers.logs.access_log import AccessLog
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter
from replay.trace.types import Edge, Recorded

IMPORTER = AccessLog()
COMBINED = '192.0.2.7 - mallory [10/Oct/2000:13:55:{second:02}.{ms:03} +0000] "GET {path} HTTP/1.1" 200 612 "-" "curl/8" rt={rt}'


def line(at_ms=0, path="/x", rt="0.100"):
    return COMBINED.format(second=at_ms // 1_000, ms=at_ms % 1_000, path=path, rt=rt)


@pytest.fixture
def imported(tmp_path):
    """Imports these lines; gives the trace's sessions and the import itself."""

    def run(*lines, **options):
        path = tmp_path / "access.log"
        path.write_bytes(
            b"".join((each if isinstance(each, bytes) else each.encode()) + b"\n" for each in lines)
        )
        result = IMPORTER.read([path], ImportOptions(**options))
        return list(result.sessions()), result

    return run


def only_step(imported, text, **options):
    sessions, _ = imported(text, **options)
    [step] = sessions[0].steps
    return step


def told(result):
    return result.header.attributes["import"]


# Lines ----------------------------------------------------------------------------------------------------


def test_a_line_is_a_step(imported):
    step = only_step(imported, line(path="/orders/17?full=1"))
    assert (step.kind, step.name) == ("http", "GET /orders/*")
    assert (step.request.method, step.request.path, step.request.headers) == ("GET", "/orders/17?full=1", {})
    assert step.took_ms == 100
    assert step.recorded == Recorded(status=200, response_bytes=612)


@pytest.mark.parametrize(
    ("extra", "took_ms"),
    [
        ("rt=0.123", 123),
        ('request_time="0.123" urt="0.1, 0.01"', 123),
        ("0.123", 123),
        ("0.123 0.120 .", 123),
        ("386 0.123 [default-web-80] [] 10.0.0.1:80 612 0.120 200 8f3b8f3b8f3b8f3b8f3b8f3b8f3b8f3b", 123),
        ('"203.0.113.9" "0.123"', 123),
        ("D=123456", 123.456),
        ("0/123456", 123.456),
        ("1/123456", None),
        ("612", None),
        ("rt=-", None),
        ("rt=nan", None),
        ("", None),
    ],
)
def test_durations_are_found_behind_the_user_agent(imported, extra, took_ms):
    text = f'192.0.2.7 - - [10/Oct/2000:13:55:36 +0000] "GET /x HTTP/1.1" 200 612 "-" "curl/8" {extra}'
    assert only_step(imported, text.strip()).took_ms == took_ms


def test_a_bare_whole_number_could_be_anything_and_is_counted(imported):
    _, result = imported(line().replace("rt=0.100", "123456"), f"{line()} 123456")
    told_of = "line(s) with whole numbers of unknown meaning; if they are Apache's %D, write D= before them"
    assert told(result)["dropped"] == {told_of: 1}


def test_the_common_format_and_a_virtual_host_are_read(imported):
    common = '192.0.2.7 - - [10/Oct/2000:13:55:36 -0700] "GET /x HTTP/1.0" 304 -'
    assert only_step(imported, common).recorded == Recorded(status=304)
    assert only_step(imported, f"www.example.com:443 {common}", session_by="client").name == "GET /x"
    _, result = imported(common, f"www.example.com:443 {common}")
    assert told(result)["clients"] == 1


def test_ids_and_upstream_times_become_attributes(imported):
    request_id = "8f3b8f3b8f3b8f3b8f3b8f3b8f3b8f3b"
    assert only_step(imported, f"{line()} urt=0.09 rid=abc").attributes == {
        "request_id": "abc",
        "upstream_s": "0.09",
    }
    assert only_step(imported, f"{line()} {request_id}").attributes == {"request_id": request_id}


def test_a_size_of_the_request_gives_it_a_body(imported):
    post = line().replace("GET", "POST")
    assert only_step(imported, f"{post} request_length=700").request.body_bytes == 330
    assert only_step(imported, f"{post} content_length=0 request_length=700").request.body_bytes is None
    _, result = imported(post)
    assert told(result)["dropped"] == {"bodies of POST, PUT and PATCH, of which not even the size is known": 1}


@pytest.mark.parametrize(
    ("logged", "path"),
    [
        (r"/a\x22b\xC3\xA9", '/a"b%C3%A9'),
        (r"/a\"b\\c", '/a"b\\c'),
        ("/a b", "/a%20b"),
        ("/ü", "/%C3%BC"),
        ("http://example.com:8080/a?b", "/a?b"),
        ("/a?access_token=s3cret&b=1", "/a?access_token=redacted&b=1"),
    ],
)
def test_paths_are_unescaped_and_made_safe_to_send(imported, logged, path):
    assert only_step(imported, line(path=logged)).request.path == path


# Times ----------------------------------------------------------------------------------------------------


def test_with_a_request_time_the_stamp_is_the_end(imported):
    [session], result = imported(line(1_000, rt="0.900"), line(1_050, rt="0.010"))
    assert [(step.at_ms, step.took_ms) for step in session.steps] == [(0, 900), (940, 10)]
    assert session.steps[1].after == (Edge("1", "end", 40),)
    assert (told(result)["stamped_at_end"], told(result)["stamped_at_start"]) == (2, 0)
    assert any("taken as the ends of requests" in note for note in result.notes)


def test_with_apaches_duration_the_stamp_is_the_start(imported):
    lines = [line(at_ms).replace("rt=0.100", "D=900000") for at_ms in (0, 1_000)]
    [session], result = imported(*lines)
    assert [(step.at_ms, step.took_ms) for step in session.steps] == [(0, 900), (1_000, 900)]
    assert session.steps[1].after == (Edge("1", "end", 100),)
    assert any("taken as the starts of requests" in note for note in result.notes)


def test_the_order_of_the_lines_tells_whether_their_times_are_ends(imported, tmp_path):
    in_order = imported(line(1_000), line(5_000), line(4_500))[1].notes
    assert any(note.startswith("They never run back by more than 1 s") for note in in_order)
    _, result = imported(line(5_000), line(1_000), line(9_000), line(2_000))
    assert any(note.startswith("They run back by more than 1 s 2 time(s)") for note in result.notes)
    assert told(result)["backwards"] == 2


def test_the_resolution_is_that_of_the_stamps_and_finer_ones_win(imported):
    coarse = [line(at_ms).replace(".000 +", " +") for at_ms in (1_000, 2_000)]
    assert imported(*coarse)[1].header.resolution_ms == 1_000
    assert imported(line(1_001))[1].header.resolution_ms == 1
    [session], result = imported(f"{coarse[0]} msec=971186101.250", f"{coarse[1]} 971186102.750")
    assert (result.header.resolution_ms, session.steps[1].at_ms) == (10, 1_500)


def test_without_durations_requests_of_one_second_are_siblings(imported):
    lines = [line(at_ms).replace(".000 +", " +").replace(" rt=0.100", "") for at_ms in (0, 0, 3_000)]
    [session], result = imported(*lines)
    assert [step.took_ms for step in session.steps] == [None] * 3
    assert [step.after for step in session.steps[:2]] == [(), ()]
    assert session.steps[2].after == (
        Edge("1", "start", 3_000),
        Edge("1"),
        Edge("2", "start", 3_000),
        Edge("2"),
    )
    assert any("add rt=$request_time" in note for note in result.notes)


# Sessions -------------------------------------------------------------------------------------------------


def test_a_session_is_one_client_until_it_is_silent(imported):
    other = line(500).replace("curl", "wget")
    sessions, _ = imported(line(0), other, line(9_000), line(20_000), idle_gap_s=10)
    assert [(each.id, each.start_ms, len(each.steps)) for each in sessions] == [
        ("s1", 0, 2),
        ("s2", 500, 1),
        ("s3", 20_000, 1),
    ]
    assert [each.attributes for each in sessions] == [
        {"client": "client 1", "user_agent": "curl/8"},
        {"client": "client 2", "user_agent": "wget/8"},
        {"client": "client 1", "user_agent": "curl/8"},
    ]


def test_a_long_request_is_no_silence(imported):
    sessions, _ = imported(line(21_000, rt="20.500"), line(25_000), idle_gap_s=10)
    assert len(sessions) == 1


def test_whom_a_request_was_forwarded_for_is_the_client(imported):
    sessions, _ = imported(
        line(0) + ' "203.0.113.9, 10.0.0.1"', line(100) + ' "203.0.113.9"', line(200) + ' "203.0.113.8"'
    )
    assert [len(each.steps) for each in sessions] == [2, 1]


def of_client(at_ms, agent, address="192.0.2.7"):
    return line(at_ms).replace("192.0.2.7", address).replace("curl/8", agent)


@pytest.mark.parametrize("addresses", [1, 2])
def test_clients_behind_one_address_taken_for_one_session_are_warned_of(imported, addresses):
    """Behind a load balancer that is every log of production: 7 agents were one session, and a gate had no evidence."""
    lines = [of_client(100 * n, f"agent-{n % 7}", f"192.0.2.{n % addresses}") for n in range(42)]

    sessions, result = imported(*lines, session_by="client")
    (warning,) = (note for note in result.notes if note.startswith("Warning: "))

    assert len(sessions) == addresses
    assert "requests of 7 client(s)" in warning
    assert warning.endswith('Then leave --session-by "client" out, or name what tells agents apart.')
    assert not [note for note in imported(*lines)[1].notes if note.startswith("Warning: ")]


def test_the_devices_of_one_person_are_no_crowd(imported):
    lines = [of_client(100 * n, f"device-{n % 2}", f"192.0.2.{n % 5}") for n in range(40)]

    _, result = imported(*lines, session_by="client")

    assert not [note for note in result.notes if note.startswith("Warning: ")]


@pytest.mark.parametrize(("requests", "warns"), [(99, False), (100, True)])
def test_one_session_of_many_requests_is_warned_of(imported, requests, warns):
    _, result = imported(*(line(n) for n in range(requests)))

    warnings = [note for note in result.notes if note.startswith("Warning: ")]
    assert bool(warnings) == warns
    assert not warnings or "--session-by" in warnings[0]


@pytest.mark.parametrize(
    ("session_by", "ids"),
    [
        ("query:s", ["a", "b"]),
        ("trace", ["t1", "t2"]),
        ("user", ["s1"]),
        ("client", ["s1"]),
        ("query:token", ["s1", "s2"]),
    ],
)
def test_what_names_a_session_may_be_chosen(imported, session_by, ids):
    sessions, _ = imported(
        line(0, "/x?s=a&token=1") + " trace=t1",
        line(100, "/x?s=b&token=2") + " trace=t2",
        line(200, "/x?s=a&token=1") + " trace=t1",
        session_by=session_by,
    )
    assert [each.id for each in sessions] == ids


def test_requests_that_the_choice_does_not_name_go_by_client(imported):
    sessions, result = imported(line(0, "/?s=a"), line(100), line(200), session_by="query:s")
    assert [(each.id, len(each.steps)) for each in sessions] == [("a", 1), ("s2", 2)]
    assert told(result)["inferred"] == {
        "request(s) without a value for --session-by, put together by client": 2
    }


def test_sessions_have_ids_of_their_own_however_alike_their_names_are(imported):
    names = ["x" * 300 + "1", "x" * 300 + "2", "s4"]
    lines = [line(n, f"/?s={name}") for n, name in enumerate(names)]
    sessions, result = imported(*lines, line(100).replace("curl", "wget"), session_by="query:s")
    assert [each.id for each in sessions] == ["x" * 200, "x" * 200 + "~2", "s4", "s4~4"]
    assert told(result)["clients"] == 2


def test_a_choice_that_names_nothing_is_refused(imported):
    with pytest.raises(TraceError, match=r'access\.log: no request has a value for --session-by "sesion"\.'):
        imported(line(), session_by="sesion")


def test_addresses_and_users_do_not_get_into_the_trace(imported):
    sessions, result = imported(line())
    assert "192.0.2.7" not in repr((sessions, result.header, result.notes))
    assert "mallory" not in repr((sessions, result.header, result.notes))


# Damage ---------------------------------------------------------------------------------------------------


def test_lines_of_another_kind_are_counted_and_the_first_is_named(imported, tmp_path):
    [session], result = imported(
        line(0), b"\xff\xfe", "starting", "x" * 100_000, line(100), line(200), line(300)
    )
    assert len(session.steps) == 4
    assert told(result)["unreadable"] == 3
    why = "not in the common or the combined log format. Name the format that it is in, or leave it out."
    note = f"3 line(s) could not be read. The first: {tmp_path}/access.log, line 2: {why}"
    assert note in result.notes


def test_a_file_that_is_mostly_something_else_is_refused(imported, tmp_path):
    with pytest.raises(TraceError) as caught:
        imported("a", "b", line())
    assert str(caught.value) == (
        f"{tmp_path}/access.log, line 1: not in the common or the combined log format. Name the format that it is "
        "in, or leave it out. So 2 of 3 lines could not be read."
    )


def test_what_was_no_request_is_left_out(imported):
    bad = r'192.0.2.7 - - [10/Oct/2000:13:55:36 +0000] "{}" 400 150 "-" "-"'
    lines = [
        bad.format(each)
        for each in ("", "-", r"\x16\x03\x01", "CONNECT a.example:443 HTTP/1.1", "OPTIONS * HTTP/1.1")
    ]
    sessions, result = imported(*lines, line())
    assert [len(each.steps) for each in sessions] == [1]
    assert told(result)["dropped"] == {
        "line(s) with a request that the server could not parse": 3,
        "request(s) whose method or path cannot be replayed": 2,
    }
    with pytest.raises(TraceError, match=r"access\.log: no requests\. Left out: 3 line"):
        imported(*lines)


def test_zeros_that_a_log_cut_off_in_place_has_are_no_part_of_a_client(tmp_path):
    line = '192.0.2.7 - - [10/Oct/2000:13:55:36 +0000] "GET /{} HTTP/1.1" 200 6\n'
    path = tmp_path / "access.log"
    path.write_text(line.format(1) + "\0" * 4096 + line.format(2) + line.format(3))

    [session] = AccessLog().read([path], ImportOptions()).sessions()

    assert [step.request.path for step in session.steps] == ["/1", "/2", "/3"]


@pytest.mark.parametrize("ends", [("\r", "\r", "\r"), ("\r", "\r\n", "\n"), ("\r\n", "\r", "\n")])
def test_lines_that_end_in_cr_alone_are_lines(tmp_path, ends):
    lines = [f'192.0.2.7 - - [10/Oct/2000:13:55:3{n} +0000] "GET /{n} HTTP/1.1" 200 6' for n in range(3)]
    path = tmp_path / "access.log"
    path.write_bytes("".join(map("".join, zip(lines, ends, strict=True))).encode())

    result = AccessLog().read([path], ImportOptions())

    assert [step.request.path for session in result.sessions() for step in session.steps] == ["/0", "/1", "/2"]


def test_times_too_far_apart_are_refused(imported):
    with pytest.raises(TraceError, match="more than 31 years apart"):
        imported(line(), line().replace("2000", "2050"))


def test_an_empty_file_has_no_requests(imported):
    with pytest.raises(TraceError, match=r"access\.log: no requests\."):
        imported()


def test_arrivals_do_not_apply(imported):
    with pytest.raises(TraceError, match="--arrivals does not apply"):
        imported(line(), arrivals="poisson:6/min")


def test_rotated_files_of_a_folder_are_one_log(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "access.log").write_text(line(2_000))
    (folder / "access.log.1").write_text(line(1_000))
    (folder / "access.log.2.gz").write_bytes(gzip.compress(line(0).encode()))
    [session] = IMPORTER.read([folder], ImportOptions()).sessions()
    assert [step.at_ms for step in session.steps] == [0, 1_000, 2_000]


def test_of_a_folder_with_access_logs_the_others_are_not_read(tmp_path):
    (tmp_path / "access.log").write_text(line())
    (tmp_path / "error.log").write_text("2000/10/10 13:55:36 [emerg] bind() failed\n" * 5)
    result = IMPORTER.read([tmp_path], ImportOptions())
    assert told(result)["unreadable"] == 0


@pytest.mark.parametrize("text", [line(), 'a - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 1'])
def test_the_format_is_told_by_its_lines(text):
    assert IMPORTER.sniff(f"{text}\n".encode())
    assert not IMPORTER.sniff(b'{"status":200}\n')


pieces = st.sampled_from(
    [
        "192.0.2.7",
        "-",
        " ",
        "[10/Oct/2000:13:55:36 +0000]",
        '"',
        "GET /x",
        "HTTP/1.1",
        "200",
        "612",
        "rt=",
        "0.1",
        "\\",
    ]
)
lines = st.lists(pieces | st.text(max_size=8), max_size=30).map("".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines)
def test_no_line_is_refused_with_a_traceback_or_makes_a_step_that_cannot_be_sent(imported, tmp_path, text):
    sessions, result = imported(line(), text.replace("\n", " ").replace("\r", " "))
    with TraceWriter(tmp_path / "t.jsonl", result.header) as writer:
        for session in sessions:
            writer.write(session)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 59_999), st.none() | st.integers(0, 20_000)), min_size=1, max_size=30),
    st.sampled_from([1, 10, 1_000]),
)
def test_a_walk_of_what_was_imported_starts_when_the_log_says(imported, walked_starts_ms, times, grain_ms):
    """Every request is found at its recorded start, to within the resolution that the trace states."""
    logged = []
    for at_ms, took_ms in times:
        end_ms = at_ms // grain_ms * grain_ms
        text = line(end_ms, f"/{end_ms}/{took_ms}")
        logged.append(
            text.replace("rt=0.100", f"rt={(took_ms or 0) / 1_000:.3f}" if took_ms is not None else "")
        )
    sessions, result = imported(*logged)
    found = []
    for session in sessions:
        walked = walked_starts_ms(session)
        for step in session.steps:
            assert -1e-6 <= walked[step.id] - step.at_ms < result.header.resolution_ms
            end_ms, took = step.request.path[1:].split("/")
            took_ms = 0 if took == "None" else int(took)
            assert step.took_ms == (None if took == "None" else took_ms)
            found.append((int(end_ms) - took_ms, session.start_ms + step.at_ms))
    assert len(found) == len(times)
    first_ms = min(start_ms for start_ms, _ in found)
    assert all(abs(start_ms - first_ms - at_ms) < 1e-6 for start_ms, at_ms in found)
