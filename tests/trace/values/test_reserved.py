"""References to which a run itself gives the value: what may be written, and what it means."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.trace.errors import TraceError
from replay.trace.file.stream import find_errors, scan
from replay.trace.types import Request, Step
from replay.trace.values.reserved import BadReference, Reserved, found_in, reserved, time_text

NOON_NS = int(datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC).timestamp() * 1000) * 1_000_000


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("copy", Reserved("copy")),
        ("session", Reserved("session")),
        ("uuid", Reserved("uuid")),
        ("uuid.order", Reserved("uuid", "order")),
        ("row.user name", Reserved("row", "user name")),
        ("now", Reserved("now")),
        ("now+1h", Reserved("now", "", 3_600_000)),
        ("now-30m|%H:%M", Reserved("now", "", -1_800_000, "%H:%M")),
        ("now|unix", Reserved("now", "", 0, "unix")),
        ("now+250ms|unix_ms", Reserved("now", "", 250, "unix_ms")),
    ],
)
def test_a_reserved_reference_is_understood(text, understood):
    assert reserved(text) == understood


@pytest.mark.parametrize(
    "text", ["copy-2", "session-id", "uuid-2", "now-playing", "now_", "row", "rows.x", "copies", "id", " now "]
)
def test_what_only_looks_like_one_is_a_plain_name_or_text(text):
    assert reserved(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("now+1y", "has an offset that cannot be read; write it as +1h, -30m, +90s, +250ms or -7d"),
        ("now+", "has an offset that cannot be read; write it as +1h, -30m, +90s, +250ms or -7d"),
        ("now+3661d", "is moved too far; at most 3,660 days are allowed"),
        ("now+999999999999999d", "is moved too far; at most 3,660 days are allowed"),
        ("now|", 'has a form that is not 1 to 60 printable ASCII characters without quotes and backslashes'),
        ("now|" + "%Y" * 31, 'has a form that is not 1 to 60 printable ASCII characters without quotes and backslashes'),
        ('now|"%Y"', 'has a form that is not 1 to 60 printable ASCII characters without quotes and backslashes'),
        ("now|date", 'has the form "date"; known are unix, unix_ms, and directives such as "%Y-%m-%d"'),
        ("now|%Q", 'has the form "%Q"; known are unix, unix_ms, and directives such as "%Y-%m-%d"'),
        ("now|%Y%", 'has the form "%"; known are unix, unix_ms, and directives such as "%Y-%m-%d"'),
        ("row.", "names no column: letters, digits, _, -, dots and spaces can name one, at most 100 of them"),
        ("row.a|b", "names no column: letters, digits, _, -, dots and spaces can name one, at most 100 of them"),
        ("uuid." + "a" * 101, "names no UUID: letters, digits, _, -, dots and spaces can name one, at most 100 of them"),
    ],
)  # fmt: skip
def test_one_that_means_nothing_says_why(text, why):
    with pytest.raises(BadReference) as caught:
        reserved(text)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("now", "2026-03-01T12:00:00.250Z"),
        ("now+1d", "2026-03-02T12:00:00.250Z"),
        ("now-30m|%Y-%m-%d %H:%M", "2026-03-01 11:30"),
        ("now|unix", "1772366400"),
        ("now+1s|unix_ms", "1772366401250"),
    ],
)
def test_the_time_is_told_as_it_was_asked_for(text, shown):
    assert time_text(NOON_NS, reserved(text)) == shown


@given(
    st.one_of(
        st.text(max_size=40).map("now".__add__),
        st.from_regex(r"now([+-][0-9]{1,6}(ms|s|m|h|d))?(\|[%A-Za-z ]{1,8})?", fullmatch=True),
    )
)
def test_whatever_is_understood_can_be_told(text):
    try:
        found = reserved(text)
    except BadReference:
        return
    if found is not None:
        assert len(time_text(NOON_NS, found)) < 1_000


def test_references_are_found_with_the_field_they_stand_in():
    request = Request(
        "POST", "/x/{{copy}}?d={{now|%d}}", {"x-id": "{{uuid}}"}, body="{{row.user}} {{id}} {{ copy }}"
    )

    assert list(found_in(Step("a", "tool", "x", request=request))) == [
        ("request.path", "copy"), ("request.path", "now|%d"), ("request.headers", "uuid"), ("request.body", "row.user"),
    ]  # fmt: skip


def test_a_trace_tells_which_references_its_steps_use(write_trace):
    body = {"method": "POST", "path": "/", "json": {"user": "{{row.user}}", "again": "{{row.user}}"}}
    trace = write_trace(
        (0.0, [write_trace.get("a", "/{{copy}}"), write_trace.get("b", "/{{copy}}", request=body)])
    )

    uses = scan(trace).uses

    assert uses.counts == {"copy": 1, "row.user": 1}
    assert uses.columns == {"user": (2, "b", "s-0")}


def test_a_name_that_a_step_takes_a_value_for_is_not_reserved(write_trace):
    steps = [
        write_trace.get("a", extract={"session": {"json": "/id"}}),
        write_trace.get("b", "/{{session}}", ["a"]),
    ]

    assert scan(write_trace((0.0, steps))).uses.counts == {}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "/?t={{now+1y}}",
            'step "a" of session "s-0" has the reference "{{now+1y}}", which has an offset that cannot be read; write it '
            "as +1h, -30m, +90s, +250ms or -7d. With --no-references it is sent as it is.",
        ),
        (
            "/" + "{{copy}}" * 1_001,
            'step "a" of session "s-0" has more than 1,000 references, the most that one request may have.',
        ),
    ],
)
def test_what_cannot_be_used_is_named_by_line_session_and_step(write_trace, path, message):
    trace = write_trace((0.0, [write_trace.get("a", path)]))

    with pytest.raises(TraceError) as caught:
        scan(trace)

    assert str(caught.value) == f"{trace}, line 2: {message}"
    assert [str(error) for error in find_errors(trace)] == [str(caught.value)]
    assert scan(trace, references=False).uses is None


def test_a_reference_that_json_spells_with_escapes_is_text(tmp_path):
    trace = tmp_path / "trace.jsonl"
    step = {"id": "a", "kind": "http", "name": "a", "request": {"method": "GET", "path": "/{{copy}}"}}
    lines = [
        '{"format":"replay-trace","version":1,"name":"t"}',
        json.dumps({"id": "s", "start_ms": 0, "steps": [step]}),
    ]
    trace.write_text("\n".join(lines).replace("{{copy", r"\u007b\u007bcopy") + "\n")

    assert scan(trace).uses.counts == {}
