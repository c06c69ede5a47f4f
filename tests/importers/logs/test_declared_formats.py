"""Lines in a format that a server's configuration declares are read by it, and by nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.importers.logs.access_log import declared_format
from replay.trace.errors import TraceError
from replay.trace.types import Recorded

CLOCK = "10/Oct/2000:13:55:36 -0700"
AT_NS = 971_211_336_000_000_000


@pytest.fixture
def imported(tmp_path):
    """Imports these lines by a format; gives the trace's steps and the import itself."""

    def run(log_format, *lines, **options):
        path = tmp_path / "server.log"
        path.write_text("\n".join([*lines, ""]))
        result = IMPORTERS["access-log"].read([path], ImportOptions(log_format=log_format, **options))
        return [step for session in result.sessions() for step in session.steps], result

    return run


NGINX = (
    '$host $server_port $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent" rt=$request_time urt="$upstream_response_time" $msec $pipe $my_map'
)
NGINX_LINE = (
    f'a.example 443 2001:db8::7 - ada b [{CLOCK}] "POST /runs?a=1 HTTP/1.1" 201 612 "-" "c \\x22q\\x22" rt=0.250 '
    'urt="0.100, 0.050 : 0.020" 971211336.500 . x y'
)


def test_a_format_of_nginx_says_what_stands_where(imported):
    steps, result = imported(NGINX, NGINX_LINE)

    [step] = steps
    assert (step.request.method, step.request.path, step.took_ms) == ("POST", "/runs?a=1", 250.0)
    assert step.recorded == Recorded(status=201, response_bytes=612)
    assert step.attributes == {"upstream_s": "0.100, 0.050 : 0.020"}
    assert result.header.attributes["import"]["first_unix_ns"] == AT_NS + 500_000_000 - 250_000_000
    assert result.header.origins == ("https://a.example",)
    assert "--log-format: $my_map is passed over, as it is not one of nginx's own." in result.notes
    [session] = result.sessions()
    assert session.attributes["user_agent"] == 'c "q"'


# What each of these lines says besides its time, method GET and path /x: duration in us, status.
FORMATS = {
    '$time_iso8601|$request_method|$scheme://$host$uri$is_args$args|$status|$request_time': (
        "2000-10-10T13:55:36-07:00|GET|https://a.example/x?a=1|200|0.004",
    ),
    "$remote_addr $time_local $request $status $http_x_forwarded_for $request_time": (
        f"192.0.2.7 {CLOCK} GET /x?a=1 HTTP/1.1 200 203.0.113.7, 192.0.2.9 0.004",
    ),
    "$time_local, $request_method, $request_uri, $status, $upstream_response_time, $request_time": (
        f"{CLOCK}, GET, /x?a=1, 200, -, 0.004",
    ),
    "log_format main '$remote_addr [$time_local] '\n    '\"$request\" $status \"${request_time}s\"';": (
        f'192.0.2.7 [{CLOCK}] "GET /x?a=1 HTTP/1.1" 200 "0.004s"',
    ),
    """log_format main escape=json '{"at": "$time_iso8601", "line": "$request", "to":"$uri",'
    '"status": $status, "took":$request_time,"agent":"$http_user_agent"}';""": (
        '{"at": "2000-10-10T13:55:36-07:00", "line": "GET \\/x?a=1 HTTP/1.1", "to":"/x",'
        '"status": 200, "took":0.004,"agent":"a \\"b\\" \\u00e9"}',
    ),
    "%t %r %>s %D": (f"[{CLOCK}] GET /x?a=1 HTTP/1.1 200 4000",),
    r'LogFormat "%v:%p %a %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\" %{ms}T" vhost_combined': (
        f'a.example:443 192.0.2.7 - ada [{CLOCK}] "GET /x?a=1 HTTP/1.1" 200 612 "-" "a \\"b\\"" 4',
        f'a.example:443 2001:db8::7 - - [{CLOCK}] "GET /x?a=1 HTTP/1.1" 200 - "-" "-" 4',
    ),
    "%{%d/%b/%Y:%T}t.%{msec_frac}t %{%z}t|%m|%U%q|%H|%s|%{us}T": (
        "10/Oct/2000:13:55:36.000 -0700|GET|/x?a=1|HTTP/2.0|200|4000",
    ),
    "%{%F %T %z}t %m %U%q %400,500{X-Why}i %!200{Referer}i %<s %{us}T": (
        "2000-10-10 13:55:36 -0700 GET /x?a=1 - - 200 4000",
    ),
    "%{sec}t.%{usec_frac}t %{c}a %m %U%q %s %D": ("971211336.000000 192.0.2.7 GET /x?a=1 200 4000",),
    "%{begin:msec}t 100%% %m %U%q %s %D": ("971211336000 100% GET /x?a=1 200 4000",),
}  # fmt: skip


@pytest.mark.parametrize(("log_format", "line"), [(name, line) for name in FORMATS for line in FORMATS[name]])
def test_formats_of_many_layouts_say_the_same(imported, log_format, line):
    steps, result = imported(log_format, line)

    [step] = steps
    ends = "$" in log_format
    assert (step.request.method, step.request.path) == ("GET", "/x?a=1")
    assert (step.took_ms, step.recorded.status) == (4.0, 200)
    assert result.header.attributes["import"]["first_unix_ns"] == AT_NS - 4_000_000 * ends


def test_a_path_without_a_query_may_have_variables_for_one_behind_it(imported):
    """nginx writes a dash for arguments that are not there, but for escape=json."""
    for tail in (" $status", ""):
        lines = [
            f"971211336.000 GET {path}{' 200' * bool(tail)}" for path in ("/x-", "/x--", "/x-?a-", "/?-=-")
        ]
        steps, _ = imported(f"$msec $request_method $uri$is_args$args{tail}", *lines)
        assert [step.request.path for step in steps] == ["/x", "/x-", "/x-?a-", "/?-=-"]
    steps, _ = imported(
        """log_format a escape=json '{"t":$msec,"m":"$request_method","u":"$uri$is_args$args"}'""",
        *(f'{{"t":971211336.000,"m":"GET","u":"{path}"}}' for path in ("/x", "/x-", "/x?a=-")),
    )
    assert [step.request.path for step in steps] == ["/x", "/x-", "/x?a=-"]
    steps, _ = imported("%t %m %U%q %s", f"[{CLOCK}] GET /x 200")
    assert [step.request.path for step in steps] == ["/x"]


def test_the_end_of_a_request_is_told_from_its_start(imported):
    _, started = imported("%t %m %U %s %D", f"[{CLOCK}] GET /x 200 4000")
    _, ended = imported("%{end:%d/%b/%Y:%T %z}t %m %U %s %D", f"{CLOCK} GET /x 200 4000")
    assert started.header.attributes["import"]["stamped_at_start"] == 1
    assert ended.header.attributes["import"]["stamped_at_end"] == 1


def test_sessions_are_told_by_a_variable_of_the_format(imported):
    lines = [f'{n}.000 "GET /x HTTP/1.1" 200 r-{n % 2}' for n in range(971_211_336, 971_211_340)]
    _, result = imported('$msec "$request" $status $cookie_run', *lines, session_by="cookie_run")
    assert [len(session.steps) for session in result.sessions()] == [2, 2]


def test_columns_that_look_like_a_collectors_frame_stay(imported):
    """A time in front, as collectors write it, is a column here."""
    line = "2000-10-10T13:55:36-07:00 GET /x 200"
    steps, result = imported("$time_iso8601 $request_method $request_uri $status", line)
    assert len(steps) == 1
    assert result.header.attributes["import"]["frames"] == []


def test_a_frame_around_such_lines_is_taken_off(imported):
    line = f"Oct 10 13:55:36 web nginx[7]: {CLOCK}|GET /x HTTP/1.1|200"
    steps, result = imported("$time_local|$request|$status", *[line] * 3)
    assert len(steps) == 3
    assert result.header.attributes["import"]["frames"] == ["syslog's prefix"]


def test_a_line_that_leaves_the_format_costs_itself_only_and_says_where(imported):
    good = f"{CLOCK} GET /x HTTP/1.1 200"
    steps, result = imported("$time_local $request $status", good, f"{CLOCK} GET", good, good)
    assert len(steps) == 3
    why = 'line 2: not in the format of --log-format: behind $time_local comes "GET", not $request.'
    assert any(note.startswith("1 line(s) could not be read.") and note.endswith(why) for note in result.notes)


@pytest.mark.parametrize(
    ("log_format", "said"),
    [
        ("combined", "--log-format: has no variables. Write nginx's, as $remote_addr "),
        ("$host $status", "has no time and no request, or method and path. Its variables are: $host, $status."),
        ("%h %>s", "has no time and no request, or method and path. Its variables are: %h, %>s."),
        ("$time_locl $request", "Did you mean $time_local?"),
        ("$msec $request_method $status", "has no request, or method and path."),
        ("$msec $status$request", "$status and $request stand side by side, so there is no telling"),
        ("%t %r %Z", "%Z is not a directive of Apache's LogFormat."),
        ("%t %r %d", "%d is not a directive of Apache's LogFormat. Did you mean %D?"),
        ("%t %r %{min}T", "%{min}T has no unit that Apache knows. Write %{ms}T, %{us}T or %{s}T."),
        ("%t %r %{Referer", '"%{Referer" is not a directive of Apache\'s LogFormat.'),
        ("%{%q}t %r", '"%q" in %{%q}t is not read. Known are: %Y, %m, %b,'),
    ],
)  # fmt: skip
def test_a_format_that_cannot_be_read_by_is_refused_plainly(log_format, said):
    with pytest.raises(TraceError) as refused:
        declared_format(log_format)
    assert str(refused.value).startswith("--log-format: ")
    assert said in str(refused.value)


VALUES = {
    "$remote_addr": st.sampled_from(["192.0.2.7", "2001:db8::7", "-"]),
    "$remote_user": st.sampled_from(["-", "ada", "ada b"]),
    "$status": st.sampled_from(["200", "404"]),
    "$body_bytes_sent": st.integers(0, 10**9).map(str),
    "$http_user_agent": st.text("ab /.()\\;", min_size=1).map(lambda text: text.replace("\\", "\\x5C")),
    "$upstream_response_time": st.sampled_from(["-", "0.100", "0.100, 0.200", "0.1, - : 0.3"]),
    "$request_time": st.sampled_from(["0.004", "1.000"]),
    "$foo_bar": st.text("ab.-/", min_size=1),
}


@given(
    st.data(), st.lists(st.sampled_from(list(VALUES)), unique=True), st.sampled_from(["|", '" "', " | ", "\t"])
)
def test_what_a_server_writes_by_a_format_is_read_by_it(data, variables, separator):
    """Whatever the order of the columns, and what stands between them."""
    columns = {name: data.draw(VALUES[name]) for name in variables}
    columns |= {"$time_local": CLOCK, "$request": "GET /x?a=1 HTTP/1.1"}
    names = data.draw(st.permutations(list(columns)))
    quote = '"' if separator == '" "' else ""
    written = [quote + separator.join(each) + quote for each in (names, [columns[name] for name in names])]

    line = declared_format(written[0]).read(written[1])

    assert (line.method, line.target, line.stamp_ns) == ("GET", "/x?a=1", AT_NS)
    agent = columns.get("$http_user_agent")
    assert line.user_agent == (agent if agent in (None, "-") else agent.replace("\\x5C", "\\"))
    assert line.peer == (None if columns.get("$remote_addr") == "-" else columns.get("$remote_addr"))


@given(st.text('a"\\ [-,:', max_size=80))
def test_any_line_is_read_or_told_why_not(text):
    found = declared_format(NGINX).read(text)
    assert isinstance(found, str)
    assert found.startswith("not in the format of --log-format: ")


@pytest.mark.parametrize("log_format", [*FORMATS, NGINX])
def test_a_format_is_matched_without_trying_anything_twice(log_format):
    """Every repetition is possessive, or stands behind a fixed width: 64 KiB of anything take no longer than once through."""
    pattern = declared_format(log_format)._match.__self__.pattern
    assert "*" not in pattern.replace("*+", "").replace(r"\*", "")
    assert "+" not in pattern.replace("*+", "").replace("++", "").replace("?+", "").replace(
        r"[+-]", ""
    ).replace(r"\+", "")


@pytest.mark.parametrize(
    "text", ["log_format main $remote_addr;", 'LogFormat "" %h', "log_format main '';", ""]
)
def test_a_format_that_says_nothing_of_use_is_refused_in_words(text):
    with pytest.raises(TraceError) as refused:
        declared_format(text)

    assert str(refused.value).startswith("--log-format")


def test_a_format_without_blanks_needs_no_quotation_marks():
    bare = declared_format("log_format main $msec|$request_method|$request_uri|$status;")

    assert bare.fits("1714557600.900|GET|/a|200")
