"""Any JSON log is read by the keys that its user names."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.importers.logs.named_keys import NamedKeys
from replay.trace.errors import TraceError
from replay.trace.types import Recorded

LINE = {
    "ts": 1_700_000_000.25,
    "req": {"url": "https://a.example/x?a=1", "verb": "post", "user.agent": "curl"},
    "took": 12.5,
    "res": {"code": "201", "size": 612},
    "run": 7,
}
KEYS = (
    "start=ts,duration_ms=took,path=req.url,method=req.verb,status=res.code,bytes=res.size,"
    "user_agent=req.user.agent,session=run"
)


@pytest.fixture
def imported(tmp_path):
    def run(keys, *lines, **options):
        path = tmp_path / "app.log"
        path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
        result = IMPORTERS["json-log"].read([path], ImportOptions(keys=keys, **options))
        return list(result.sessions()), result

    return run


def test_keys_say_what_stands_where(imported):
    sessions, result = imported(KEYS, LINE, {**LINE, "ts": 1_700_000_001}, {**LINE, "run": 8})

    assert [len(session.steps) for session in sessions] == [2, 1]
    step = sessions[0].steps[0]
    assert (step.request.method, step.request.path, step.took_ms) == ("POST", "/x?a=1", 12.5)
    assert step.recorded == Recorded(status=201, response_bytes=612)
    assert sessions[0].attributes["user_agent"] == "curl"
    assert result.header.attributes["import"]["first_unix_ns"] == 1_700_000_000_250_000_000
    assert result.header.origins == ("https://a.example",)
    assert 'A session is what has the same value of "run".' in result.notes


@pytest.mark.parametrize(
    ("unit", "value", "took_ms"),
    [
        ("s", 0.5, 500.0),
        ("ms", 500, 500.0),
        ("us", "500000", 500.0),
        ("ns", 500_000_000, 500.0),
        ("ms", "0.5s", 500.0),
    ],
)
def test_a_durations_unit_is_in_its_name(imported, unit, value, took_ms):
    sessions, _ = imported(
        f"end=ts,path=p,duration_{unit}=t", {"ts": "2024-05-01T10:00:00Z", "p": "/x", "t": value}
    )
    assert sessions[0].steps[0].took_ms == took_ms


def test_an_end_is_a_start_one_duration_earlier(imported):
    _, result = imported("end=ts,path=p,duration_ms=t", {"ts": 1_700_000_000, "p": "/x", "t": 500})
    assert result.header.attributes["import"]["first_unix_ns"] == 1_699_999_999_500_000_000
    assert "--keys names no method, so every request is taken as GET." in result.notes


def test_a_line_that_lacks_what_is_needed_costs_itself_only(imported):
    sessions, result = imported(
        "start=ts,path=p", *[{"ts": 1, "p": "/x"}] * 3, {"ts": "soon", "p": "/x"}, {"p": "/x"}
    )
    assert sum(len(session.steps) for session in sessions) == 3
    assert any('line 4: "ts", its start, holds "soon", which is not a time.' in note for note in result.notes)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("start=ts,path=req.ulr", 'no line has the key "req.ulr" (path) of --keys. Did you mean "req.url"? Its first lines'
         " have: ts, req.url, req.verb, req.user.agent, took, res.code, res.size, run."),
        ("start=ts,path=req.url,status=zz", 'no line has the key "zz" (status) of --keys. Its first lines have: ts, '),
        ("strt=ts,path=p", '--keys: "strt=ts" is not NAME=KEY with a name that is known. Did you mean start=KEY?'),
        ("qqqq", '--keys: "qqqq" is not NAME=KEY with a name that is known. Known are: start, end, duration_s, '),
        ("duration=took,start=ts,path=p", "Did you mean duration_"),
        ("path=p", "--keys: does not say what tells the start of a request. Add start=KEY or end=KEY."),
        ("start=ts", "--keys: does not say what tells the path of a request. Add path=KEY."),
        ("start=ts,end=ts,path=p", "--keys: names start and end, which mean the same. Leave one out."),
        ("start=ts,start=tt,path=p", "--keys: names start twice."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_keys_is_said_plainly(imported, keys, said):
    with pytest.raises(TraceError) as refused:
        imported(keys, LINE, LINE)
    assert said in str(refused.value)


def test_lines_inside_a_containers_log_are_read(imported):
    framed = f"2024-05-01T10:00:00.000000000Z stdout F {json.dumps(LINE)}"
    sessions, result = imported(KEYS, framed, framed)
    assert sum(len(session.steps) for session in sessions) == 2
    assert result.header.attributes["import"]["frames"] == ["a container runtime's prefix"]


def test_a_log_of_an_application_with_a_message_is_no_frame(imported):
    sessions, _ = imported("start=ts,path=p", *[{"ts": 1, "p": "/x", "message": "done"}] * 3)
    assert sum(len(session.steps) for session in sessions) == 3


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_any_value_is_read_or_told_why_not(value):
    named = NamedKeys("start=ts,path=p.q,status=s,duration_s=d", None)
    found = named.read(json.dumps({"ts": value, "p": {"q": value}, "s": value, "d": value}))
    assert isinstance(found, str) or found.target
