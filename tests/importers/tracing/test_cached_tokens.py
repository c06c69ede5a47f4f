"""Tokens that were read from a cache become prefix blocks, by whatever name a span tells of them."""

from datetime import UTC, datetime
from itertools import pairwise

import msgspec
import pytest

from replay.assembly.types import ImportOptions
from replay.importers.tracing.langfuse import Langfuse
from replay.importers.tracing.litellm import LiteLlm
from replay.importers.tracing.openai_agents import OpenAiAgents
from replay.importers.tracing.otlp import Otlp
from replay.importers.tracing.otlp_own_names import cached_in
from replay.importers.tracing.otlp_spans import CACHED_TOKENS

START_NS = 1_767_225_600_000_000_000


def at(ms):
    return datetime.fromtimestamp(START_NS / 1e9 + ms / 1e3, UTC).isoformat(timespec="milliseconds")


def ns(ms):
    return str(START_NS + round(ms * 1e6))


def span(name, start_ms, end_ms, parent=None, attributes=None, events=()):
    kinds = {int: "intValue", str: "stringValue"}
    said = [{"key": key, "value": {kinds[type(each)]: each}} for key, each in (attributes or {}).items()]
    times = {"startTimeUnixNano": ns(start_ms), "endTimeUnixNano": ns(end_ms)}
    return {"traceId": "t", "spanId": name, "parentSpanId": parent or "", "name": name, "kind": 3, **times, "attributes": said, "events": list(events)}  # fmt: skip


def chat(name, start_ms, end_ms, parent=None, attributes=None, events=()):
    said = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m-1", **(attributes or {})}
    return span(name, start_ms, end_ms, parent, said, events)


def agent(name, start_ms, end_ms, parent=None):
    said = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name}
    return span(name, start_ms, end_ms, parent, said)


def imported(importer, path, *objects, **options):
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in objects))
    result = importer.read([path], ImportOptions(**options))
    [session] = result.sessions()
    return session, result.header.attributes["import"]


def traced(path, *spans, **options):
    document = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    return imported(Otlp(), path, document, **options)


COUNTED = {"gen_ai.usage.input_tokens": 2_048, "gen_ai.usage.output_tokens": 5}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "spans.json"


def shared(steps):
    """How many blocks each prompt shares with the one before it."""
    prompts = [set(step.llm.prefix) for step in steps if step.llm is not None]
    return [len(first & second) for first, second in pairwise(prompts)]


@pytest.mark.parametrize("name", CACHED_TOKENS)
def test_a_prompt_begins_with_as_much_of_the_one_before_it_as_a_cache_knew(path, name):
    spans = [chat(f"c{n}", 100 * n, 100 * n + 50, None, {**COUNTED, name: 1_024 * n}) for n in range(3)]
    session, told = traced(path, *spans, block_size=512)

    assert shared(session.steps) == [2, 4]
    assert [step.llm.prefix_block_tokens for step in session.steps] == [512] * 3
    assert told["inferred"]["prompt(s) have prefix blocks, shared as their cached tokens say"] == 3


def test_a_count_of_zero_that_was_left_out_is_zero_where_calls_of_the_model_have_one(path):
    name = CACHED_TOKENS[0]
    others = {"gen_ai.request.model": "other"}
    spans = [
        chat("first", 0, 50, None, COUNTED),
        chat("second", 100, 150, None, {**COUNTED, name: 1_024}),
        chat("third", 200, 250, None, {**COUNTED, **others}),
    ]
    session, _ = traced(path, *spans, block_size=512)

    assert [len(step.llm.prefix) for step in session.steps] == [4, 4, 0]
    assert shared(session.steps[:2]) == [2]


def test_prompts_of_a_sub_agent_are_its_own(path):
    name = CACHED_TOKENS[0]
    spans = [
        agent("outer", 0, 1_000),
        chat("first", 0, 50, "outer", {**COUNTED, name: 0}),
        agent("inner", 60, 200, "outer"),
        chat("inside", 60, 190, "inner", {**COUNTED, name: 0}),
        chat("second", 300, 350, "outer", {**COUNTED, name: 2_048}),
    ]
    session, _ = traced(path, *spans, block_size=512)

    first, inside, second = (step.llm.prefix for step in session.steps)
    assert second == first
    assert not set(inside) & set(first)


def test_without_such_counts_a_prompt_has_no_blocks(path):
    session, _ = traced(path, chat("a", 0, 50, None, COUNTED), block_size=512)

    assert session.steps[0].llm.prefix == ()


@pytest.mark.parametrize(
    ("usage", "cached"),
    [
        ({"input": 10, "input_cached_tokens": 7, "output": 3}, 7),
        ({"input": 10, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 2}, 7),
        ({"prompt_cache_hit_tokens": 7, "prompt_cache_miss_tokens": 3}, 7),
        ({"input": 10, "input_cache_creation": 7}, None),
        ({"input": 10, "input_cache_read_cost": 7}, None),
        ({"input": 10, "input_cached_tokens": None}, None),
        ({"input": 10, "input_cached_tokens": -1}, None),
        ({}, None),
    ],
)
def test_the_cached_tokens_of_a_usage_are_told_by_their_name(usage, cached):
    assert cached_in(usage) == cached


def test_langfuse_counts_them_among_its_usage(path):
    usage = {"input": 1_024, "input_cached_tokens": 1_024, "output": 5}
    calls = [
        {"id": f"c{n}", "traceId": "t", "type": "GENERATION", "startTime": at(100 * n), "endTime": at(100 * n + 50), "model": "m", "usageDetails": usage}
        for n in range(2)
    ]  # fmt: skip
    session, _ = imported(Langfuse(), path, *calls, block_size=512)

    assert [step.llm.input_tokens for step in session.steps] == [2_048, 2_048]
    assert shared(session.steps) == [2]


@pytest.mark.parametrize(
    "usage", [{"prompt_tokens_details": {"cached_tokens": 1_024}}, {"cache_read_input_tokens": 1_024}]
)
def test_litellm_has_the_providers_own_usage(path, usage):
    known = {"call_type": "acompletion", "session_id": "s", "model": "m", "response_cost": 0, "stream": None}
    counted = {"prompt_tokens": 2_048, "completion_tokens": 5, "metadata": {"usage_object": usage}}
    calls = [
        {**known, **counted, "id": f"c{n}", "startTime": 1_767_225_600 + n, "endTime": 1_767_225_600.5 + n}
        for n in range(2)
    ]
    session, _ = imported(LiteLlm(), path, *calls, block_size=512)

    assert shared(session.steps) == [2]


def test_the_agents_sdk_has_details_of_input_tokens(path):
    usage = {"input_tokens": 2_048, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 1_024}}
    data = {"type": "generation", "model": "m", "usage": usage}
    spans = [
        {"object": "trace.span", "id": f"s{n}", "trace_id": "t", "started_at": at(1_000 * n), "ended_at": at(1_000 * n + 500), "span_data": data}
        for n in range(2)
    ]  # fmt: skip
    session, _ = imported(OpenAiAgents(), path, *spans, block_size=512)

    assert shared(session.steps) == [2]


def test_a_method_that_only_prepares_a_call_is_no_call(path):
    llm = {"openinference.span.kind": "LLM", "llm.model_name": "m"}
    counted = {"llm.token_count.prompt": 10, "llm.token_count.completion": 5}
    spans = [
        span("OpenAI._prepare_chat_with_tools", 0, 3, None, llm),
        span("OpenAI.astream_chat", 4, 90, None, {**llm, **counted}),
        span("OpenAI._achat", 100, 190, None, {**llm, **counted}),
        span("MyTool._run", 200, 290, None, {"openinference.span.kind": "TOOL"}),
    ]
    session, _ = traced(path, *spans)

    assert [step.name for step in session.steps] == ["OpenAI.astream_chat", "OpenAI._achat", "MyTool._run"]


def test_a_call_that_ends_before_its_first_token_has_no_known_duration(path):
    event = {"name": "First Token Stream Event", "timeUnixNano": span("x", 0, 170)["endTimeUnixNano"]}
    spans = [chat("a", 0, 1, None, COUNTED, events=[event]), chat("b", 300, 350, None, COUNTED)]
    session, told = traced(path, *spans)

    first = session.steps[0]
    assert (first.took_ms, first.recorded.ttft_ms) == (None, 170.0)
    assert told["dropped"] == {"duration(s) of model calls that end before their first token came": 1}


def test_older_attributes_of_openllmetry_name_the_model(path):
    told = {
        "llm.request.type": "chat",
        "llm.request.model": "m-1",
        "llm.usage.prompt_tokens": 7,
        "llm.usage.completion_tokens": 3,
    }
    session, _ = traced(path, span("openai.chat", 0, 50, None, told))

    llm = session.steps[0].llm
    assert (llm.model, llm.input_tokens, llm.output_tokens) == ("m-1", 7, 3)
