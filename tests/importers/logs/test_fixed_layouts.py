"""Logs in a layout that their server fixes: S3's, IIS' and Squid's own, by their documentation."""

import pytest

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS

OWNER = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
BEHIND = "s9lzHYrFp76= SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader amzn-s3-demo-bucket1.s3.us-west-1.amazonaws.com TLSV1.2"
S3 = f"""
{OWNER} amzn-s3-demo-bucket1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 {OWNER} 3E57427F3EXAMPLE REST.GET.VERSIONING - "GET /amzn-s3-demo-bucket1?versioning HTTP/1.1" 200 - 113 - 7 - "-" "S3Console/0.4" - {BEHIND} - -
{OWNER} amzn-s3-demo-bucket1 [06/Feb/2019:00:01:57 +0000] 192.0.2.3 {OWNER} DD6CC733AEXAMPLE REST.PUT.OBJECT s3-dg.pdf "PUT /amzn-s3-demo-bucket1/s3-dg.pdf?X-Amz-Signature=hunter2 HTTP/1.1" 200 - - 4406583 41754 28 "-" "S3Console/0.4" - {BEHIND} - Yes
{OWNER} amzn-s3-demo-bucket1 [06/Feb/2019:00:03:21 +0000] - AmazonS3 3F2A S3.EXPIRE.OBJECT a.txt "-" - - - 12 - - "-" "-" - - - - - - - -
{OWNER} mybucket [06/Feb/2014:00:03:21 +0000] 192.0.2.3 - BC3C074D0EXAMPLE REST.GET.OBJECT a "GET /mybucket/a HTTP/1.1" 404 NoSuchKey 113 - 28 - "-" "S3Console/0.4" -
""".lstrip()
IIS = """
192.168.114.201, -, 03/20/01, 7:55:20, W3SVC2, SALES1, 172.21.13.45, 4502, 163, 3223, 200, 0, GET, /DeptLogo.gif, -,
172.16.255.255, anonymous, 03/20/01, 23:58:11, MSFTPSVC, SALES1, 172.16.255.255, 60, 275, 0, 0, 0, PASS, /Intro.htm, -,
192.168.114.201, ada, 3/20/2001, 7:55:24, W3SVC2, SALES1, 172.21.13.45, 1500, 163, 3223, 500, 0, POST, /a,b.asp, id=7&password=hunter2,
""".lstrip()
SQUID = """
1760104536.123    250 10.0.0.1 TCP_MISS/200 1234 GET http://example.org/a?token=hunter2 - HIER_DIRECT/192.0.2.34 text/html
1760104537.500     10 10.0.0.1 TCP_MEM_HIT/304 800 GET https://example.org/b - HIER_NONE/- text/css
1760104538.000   5000 10.0.0.2 TCP_TUNNEL/200 9999 CONNECT example.org:443 - HIER_DIRECT/192.0.2.34 -
1760104539.000    100 10.0.0.1 TCP_MISS_ABORTED/000 0 POST http://ada:hunter2@api.example.org ada HIER_DIRECT/192.0.2.34 -
1760104539.100      0 10.0.0.9 UDP_MISS/000 60 ICP_QUERY http://example.org/a - HIER_NONE/- -
1760104539.200      0 10.0.0.1 NONE/400 3500 NONE error:invalid-request - HIER_NONE/- text/html
""".lstrip()


def imported(name, text, folder):
    assert [each for each, importer in IMPORTERS.items() if importer.sniff(text.encode())] == [name]
    path = folder / "x.log"
    path.write_text(text)
    result = IMPORTERS[name].read([path], ImportOptions())
    return list(result.sessions()), result


def told(step, session):
    return (
        step.request.method,
        step.request.path,
        session.start_ms + step.at_ms,
        step.took_ms,
        step.recorded.status,
        step.recorded.response_bytes,
        step.request.body_bytes,
    )


def test_lines_of_s3_are_requests_from_their_receipt_to_their_last_byte(tmp_path):
    sessions, result = imported("s3-log", S3, tmp_path)

    steps = [told(step, session) for session in sessions for step in session.steps]
    zero = 5 * 365.25 * 86_400_000  # the line of 2014 lies this far back, to the day
    assert [(*each[:2], *each[3:]) for each in steps] == [
        ("GET", "/mybucket/a", 28.0, 404, 113, None),
        ("GET", "/amzn-s3-demo-bucket1?versioning", 7.0, 200, 113, None),
        ("PUT", "/amzn-s3-demo-bucket1/s3-dg.pdf?X-Amz-Signature=redacted", 41754.0, 200, None, 4406583),
    ]
    assert steps[2][2] - steps[1][2] == 79_000.0
    assert steps[1][2] == pytest.approx(zero, rel=0.001)
    assert result.header.attributes["import"]["dropped"]["line(s) of what S3 did by itself"] == 1
    assert "hunter2" not in repr((sessions, result))


def test_lines_of_iis_are_requests_that_ended_when_they_were_written(tmp_path):
    [session], result = imported("iis-log", IIS, tmp_path)

    assert [told(step, session) for step in session.steps] == [
        ("GET", "/DeptLogo.gif", 0.0, 4502.0, 200, 3223, None),
        ("POST", "/a,b.asp?id=7&password=redacted", 7002.0, 1500.0, 500, 3223, 58),
    ]
    assert result.header.attributes["import"]["first_unix_ns"] == 985_074_920_000_000_000 - 4_502_000_000
    assert result.header.attributes["import"]["dropped"]["line(s) of other services than HTTP"] == 1
    assert "hunter2" not in repr((session, result))


def test_lines_of_squid_are_requests_that_ended_when_they_were_written(tmp_path):
    [session], result = imported("squid-log", SQUID, tmp_path)

    assert [told(step, session) for step in session.steps] == [
        ("GET", "/a?token=redacted", 0.0, 250.0, 200, 1234, None),
        ("GET", "/b", 1617.0, 10.0, 304, 800, None),
        ("POST", "/", 3027.0, 100.0, None, 0, None),
    ]
    assert [step.attributes["cache"] for step in session.steps] == [
        "TCP_MISS",
        "TCP_MEM_HIT",
        "TCP_MISS_ABORTED",
    ]
    assert result.header.attributes["import"]["dropped"] == {
        "tunnel(s) (CONNECT), in which requests are not seen": 1,
        "question(s) of other caches": 1,
        "line(s) with a request that Squid could not read": 1,
        "bodies of POST, PUT and PATCH, of which not even the size is known": 1,
    }
    assert "hunter2" not in repr((session, result))
    assert "ada" not in repr(session)


@pytest.mark.parametrize(
    ("request_", "kept", "left_out"),
    [
        ("M-SEARCH http://example.org/a", ("M-SEARCH", "/a"), None),
        ("BASELINE-CONTROL https://example.org/a", ("BASELINE-CONTROL", "/a"), None),
        ("GET cache_object://localhost/info", None, "not asked for by HTTP"),
        ("GET ftp://example.org/a.tar", None, "not asked for by HTTP"),
        ("GET httpss://example.org/a", None, "not asked for by HTTP"),
        ("GET urn:isbn:0451450523", None, "not asked for by HTTP"),
        ("GET error:invalid-request", None, "could not read"),
        ("NONE error:transaction-end-before-headers", None, "could not read"),
        ("- error:accept-client-connection", None, "could not read"),
    ],
)
def test_what_squid_was_asked_for_otherwise_is_told_by_what_it_is(tmp_path, request_, kept, left_out):
    line = SQUID.splitlines()[0]
    [session], result = imported(
        "squid-log", f"{line}\n{line.replace('GET http://example.org/a?token=hunter2', request_)}\n", tmp_path
    )

    found = [(step.request.method, step.request.path) for step in session.steps]
    dropped = result.header.attributes["import"].get("dropped", {})
    assert sorted(found) == sorted([("GET", "/a?token=redacted"), *([kept] if kept else [])])
    assert [what for what in dropped if left_out and left_out in what] == list(dropped)
    assert len(dropped) == (left_out is not None)
