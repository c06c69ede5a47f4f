"""A whole trace file correlated: from a browser's recording to a trace whose requests take their values."""

import json

import pytest

from replay.assembly.types import ImportOptions
from replay.importers.captures.har import Har
from replay.trace.correlation.correlating import find_correlation, write_correlated
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter, read_sessions, scan


def entry(page, second, method, path, answer=None, body=None):
    """An entry as browsers write it, 200 ms long; answer: the JSON document that came back."""
    request = {"method": method, "url": f"https://shop.example{path}", "headers": []}
    if body is not None:
        request["postData"] = {"mimeType": "application/json", "text": json.dumps(body)}
    content = {"mimeType": "text/html", "text": "<p>"}
    if answer is not None:
        content = {"mimeType": "application/json", "text": json.dumps(answer)}
    return {
        "pageref": page,
        "startedDateTime": f"2026-05-01T10:00:{second:02}.137Z",
        "time": 200,
        "timings": {"send": 0, "wait": 150, "receive": 50},
        "request": request,
        "response": {"status": 200, "bodySize": 9, "headers": [], "content": content},
    }


def visit(page, second, cart, order):
    """What a page does: a cart, an item in it, an order of it, and a look at the order."""
    return [
        entry(page, second, "POST", "/carts", {"cart": {"id": cart}}),
        entry(page, second + 1, "POST", f"/carts/{cart}/items", {"ok": True}, body={"item": 7}),
        entry(page, second + 2, "POST", "/orders", {"number": order}, body={"cart": cart}),
        entry(page, second + 3, "GET", f"/orders?number={order}"),
    ]


@pytest.fixture
def imported(tmp_path):
    """The trace of a HAR with two visits."""

    def read(responses):
        entries = [*visit("page_1", 0, "c-7f31aa", 48_211), *visit("page_2", 10, "c-90d2e7", 48_212)]
        recording, path = tmp_path / "site.har", tmp_path / "site.jsonl"
        recording.write_text(json.dumps({"log": {"creator": {"name": "x"}, "entries": entries}}))
        result = Har().read([recording], ImportOptions(responses=responses))
        with TraceWriter(path, result.header) as writer:
            for session in result.sessions():
                writer.write(session)
        return path

    return read


def test_a_browsers_recording_becomes_a_trace_that_takes_its_values(imported, tmp_path):
    path, out = imported("keep"), tmp_path / "out.jsonl"

    found = find_correlation(path)
    written = write_correlated(path, out, found, 1.0)

    assert {proposal.name: proposal.sessions for proposal in found.proposals} == {
        "cart_id": 2,
        "orders_number": 2,
    }
    assert (written.sessions, written.changed, written.places, written.extracts) == (2, 2, 6, 4)
    for session in read_sessions(out):
        _, item, order, look = (step.request for step in session.steps)
        assert item.path == "/carts/{{cart_id}}/items"
        assert bytes(order.json) == b'{"cart":"{{cart_id}}"}'
        assert look.path == "/orders?number={{orders_number}}"
    assert scan(out).header.attributes["correlated"] == {"min_share": 1.0}


def test_a_trace_that_kept_no_responses_is_refused_with_what_to_do(imported):
    with pytest.raises(
        TraceError, match=r"site\.jsonl: holds no responses, .* import it with --responses keep"
    ):
        find_correlation(imported("drop"))
