"""The tokens of a trace, of calls that are made by their counts and of those that are sent as they were recorded."""

from replay.trace.profile.shape import profile


def call(name, kind="llm", **attributes):
    request = {"method": "POST", "path": "/v1/messages"}
    return {"id": name, "kind": kind, "name": "POST /v1/messages", "request": request, "attributes": attributes}


def test_recorded_calls_count_by_what_was_counted_when_they_were_recorded(write_trace):
    by_counts = {"id": "e", "kind": "llm", "name": "main", "llm": {"input_tokens": 5, "output_tokens": 3}}
    steps = [
        call("a", input_tokens="1000", output_tokens="20"),
        call("b", input_tokens="1100"),
        call("c", input_tokens="-5", output_tokens="7"),
        call("d"),
        by_counts,
        call("f", kind="http", input_tokens="9"),
    ]

    found = profile(write_trace((0.0, steps)))

    assert (found.input_tokens, found.output_tokens) == (2_105, 23)
    assert found.input_tokens_per_call.n == 3
