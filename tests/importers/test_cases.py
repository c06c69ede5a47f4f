"""Small inputs on which importers went wrong, each imported by the command, and what is right of it.

They stand in `cases/`, a file or a folder each. Each stands for a kind; other forms of a kind are tested beside its
importer.
"""

import base64
import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from replay.cli.main import cli

CASES = Path(__file__).parent / "cases"


class Imported(NamedTuple):
    """What the command said and wrote. sessions: by id, the steps as JSON."""

    output: str
    text: str
    header: dict
    sessions: dict

    @property
    def steps(self):
        return [step for steps in self.sessions.values() for step in steps]


@pytest.fixture
def imported(tmp_path):
    def run(case, *words):
        out = tmp_path / "out.jsonl"
        done = CliRunner().invoke(cli, ["trace", "import", str(CASES / case), "-o", str(out), *words])
        assert done.exit_code == 0, done.output
        text = out.read_text()
        header, *sessions = map(json.loads, text.splitlines())
        return Imported(done.output, text, header, {each["id"]: each["steps"] for each in sessions})

    return run


@pytest.fixture
def starts_ms(walked_starts_ms, tmp_path):
    """When the steps start in a replay against a target that takes so long for each."""
    from replay.trace.file.stream import read_sessions

    def walk(took_ms=None):
        (session,) = read_sessions(tmp_path / "out.jsonl")
        for step in session.steps:
            step.took_ms = took_ms if took_ms is not None else step.took_ms
        return list(walked_starts_ms(session).values())

    return walk


def test_no_secret_of_a_har_stands_in_its_trace(imported):
    found = imported("har-secrets.har", "--responses", "keep")

    bodies = [base64.b64decode(step["request"].get("body_base64", "")) for step in found.steps]
    assert not re.findall("SEKRET[0-9]*", found.text + repr(bodies))


def test_bodies_of_targets_have_no_secrets(imported):
    assert "SEKRET" not in imported("vegeta-body-secrets.json").text


def test_what_safari_took_from_memory_or_disk_was_not_sent(imported):
    found = imported("har-safari-memory-cache.har")

    assert [step["request"]["path"] for step in found.steps] == ["/"]
    assert found.header["attributes"]["import"]["dropped"] == {"entries that came from the browser's cache": 2}


def test_a_websocket_that_mitmproxy_wrote_is_opened_and_spoken_on(imported):
    found = imported("har-websocket-mitmproxy.har")

    assert [(step["kind"], step.get("ws", {}).get("action")) for step in found.steps] == [
        ("http", None), ("ws", "open"), ("ws", None),
    ]  # fmt: skip
    assert found.steps[2]["ws"]["text"] == "hi"


def test_ssl_beside_connect_is_the_clients_own_time(imported):
    found = imported("har-firefox-ssl.har")

    first_ns = found.header["attributes"]["import"]["first_unix_ns"]
    assert first_ns % 1_000_000_000 == 187_000_000
    assert found.steps[0]["took_ms"] == 60.0


def test_an_initiator_may_be_a_text(imported):
    found = imported("har-initiator-string.har")

    assert found.header["attributes"]["import"]["stated"] == 3
    late = next(step for step in found.steps if step["request"]["path"] == "/late")
    other = next(step for step in found.steps if step["request"]["path"] == "/other")
    assert other["id"] not in [edge["step"] for edge in late["after"]]


def test_requests_of_unknown_duration_start_as_recorded_whatever_the_target_takes(imported, starts_ms):
    imported("har-unknown-durations.har")

    assert starts_ms(took_ms=400.0) == [0.0, 1000.0, 2000.0, 3000.0]


def test_a_decoded_body_is_not_said_to_be_coded(imported):
    request = imported("har-content-encoding.har").steps[0]["request"]

    assert request["json"] == {"a": 1}
    assert "content-encoding" not in {name.lower() for name in request["headers"]}


def test_a_form_is_made_of_its_parameters(imported):
    found = imported("har-params-without-text.har")

    assert found.steps[0]["request"]["body"] == "user=ada&plan=a+b%26c"


def test_a_byte_order_mark_is_no_content(imported):
    assert len(imported("har-bom.har").steps) == 1


def test_a_number_may_be_a_text_or_a_float(imported):
    found = imported("har-number-as-float.har")

    assert all(step["recorded"]["status"] == 200 for step in found.steps)
    assert len(found.steps) == found.header["attributes"]["import"]["entries"]


def test_sessions_are_told_by_a_query_parameter(imported, tmp_path):
    found = imported("har-session-by-query.har", "--session-by", "query:user")
    words = ["trace", "import", str(CASES / "har-session-by-query.har"), "-o", str(tmp_path / "o.jsonl")]
    refused = CliRunner().invoke(cli, [*words, "--session-by", "query:nobody"])

    assert sorted(found.sessions) == ["u0", "u1"]
    assert 'no request has a value for --session-by "query:nobody".' in str(refused.exception)


def test_a_question_mark_at_the_end_is_kept(imported):
    assert imported("har-trailing-question-mark.har").steps[0]["request"]["path"] == "/x?"


def test_history_that_a_fork_repeats_is_no_work(imported):
    found = imported("codex-fork")

    assert sum(step["kind"] == "llm" for step in found.steps) == 6
    assert "history" in found.output


def test_a_compaction_is_a_call_and_what_follows_begins_with_its_turn(imported):
    found = imported("codex-compaction")

    calls = [step for step in found.steps if step["kind"] == "llm"]
    compaction, after = calls[-2:]
    assert compaction["took_ms"] == pytest.approx(50_000, abs=100)
    assert after["recorded"]["ttft_ms"] == 6_970.0


def test_what_a_resumed_session_repeats_is_no_work(imported):
    found = imported("claude-resume")

    assert len(found.steps) == 3
    assert "history" in found.output


def test_an_agent_that_summarises_itself_makes_a_call(imported):
    found = imported("claude-compaction")

    assert [step["took_ms"] for step in found.steps] == [3_000.0, 88_000.0, 2_900.0]


def test_a_line_that_was_cut_off_costs_itself_only(imported):
    found = imported("claude-truncated")

    assert len(found.sessions) == 2
    assert found.header["attributes"]["import"]["unreadable"] == 1


def test_a_count_that_was_not_finished_is_estimated_from_the_text(imported):
    found = imported("claude-output-tokens")

    assert found.steps[0]["llm"]["output_tokens"] >= 400
    assert "estimated" in found.output


def test_openais_responses_are_model_calls(imported):
    assert len(imported("otlp-operation-responses.json").steps) == 2


def test_a_clock_that_goes_wrong_is_set_right_and_told(imported):
    found = imported("otlp-clock-skew.json")

    first, second, third = found.steps
    assert second["after"] == [{"step": first["id"], "delay_ms": pytest.approx(20, abs=15)}]
    assert "clock" in found.output
    assert third["at_ms"] > second["at_ms"]


def test_a_span_that_says_that_it_is_a_tool_is_one(imported):
    found = imported("langfuse-span-tool.json")

    assert [step["kind"] for step in found.steps] == ["llm", "tool", "llm"]
    assert found.steps[1]["request"]["path"] == "/tools/web_search"


def test_chunks_are_frames_and_json_without_a_type_is_json(imported):
    chunked, untyped = imported("gor-chunked.gor").steps

    assert chunked["request"]["json"] == {"a": 1, "b": 2}
    assert untyped["request"]["json"] == {"password": "redacted"}


def test_a_response_belongs_to_the_last_request_of_its_id(imported):
    found = imported("gor-same-id.gor").steps

    assert [step["took_ms"] for step in found] == [50.0] * 3
    assert [step["recorded"]["status"] for step in found] == [200, 201, 202]


def test_bailians_seconds_blocks_and_parents_are_read(imported):
    found = imported("qwen-bailian.jsonl")

    sessions = [steps for _, steps in sorted(found.sessions.items())]
    assert sorted(map(len, sessions)) == [1, 2]
    chat = next(steps for steps in sessions if len(steps) == 2)
    assert chat[1]["at_ms"] == pytest.approx(61_114.0)
    assert chat[0]["llm"]["prefix_block_tokens"] == 16


def test_the_host_in_front_of_a_line_is_no_client(imported):
    assert imported("access-vhost.log").header["attributes"]["import"]["clients"] == 2


@pytest.mark.parametrize("case", ["wrapped-cri.log", "wrapped-syslog.log"])
def test_what_a_runtime_writes_in_front_of_lines_is_taken_off(imported, case):
    found = imported(case)

    assert (found.header["attributes"]["import"]["clients"], len(found.steps)) == (2, 4)
    assert "taken off" in found.output


def test_lines_in_dockers_json_are_read(imported):
    assert imported("wrapped-docker.log").steps[0]["request"]["path"] == "/a"


def test_traefiks_json_is_read(imported):
    found = imported("traefik.json").steps[0]

    assert (found["took_ms"], found["request"]["body_bytes"]) == (2.5, 120)


def test_envoy_gateways_json_is_read(imported):
    found = imported("envoy-gateway.json").steps[0]

    assert (found["took_ms"], found["request"]["path"]) == (11.0, "/a")


def test_any_key_with_start_in_it_is_a_time(imported):
    found = imported("json-log-started-at.json").steps[0]

    assert (found["took_ms"], found["request"]["path"]) == (100.0, "/a")


def test_a_line_that_is_not_utf_8_is_read(imported):
    found = imported("access-latin1.log")

    assert len(found.steps) == 2
    assert found.header["attributes"]["import"]["unreadable"] == 0
