"""What is made for images and tools is what the types of the official clients ask for."""

import json

import pytest

from replay.engine.requests.shapes import ModelCalls
from replay.target.sending import Shape
from replay.trace.types import LlmCall, LlmImage, LlmTools
from tests.support.later import later

openai = later("openai")
anthropic = later("anthropic")
pydantic = pytest.importorskip("pydantic")

CALL = LlmCall(
    9_000,
    40,
    "m",
    images=(LlmImage(9_000), LlmImage(9_000, "image/jpeg"), LlmImage(900, "image/webp")),
    tools=LlmTools(3, 14_000),
)


def parts_and_tools(kind):
    body = json.loads(ModelCalls(Shape(kind=kind)).body(CALL, "s", "a"))
    [message] = body["messages" if "messages" in body else "input"]
    return body, message["content"], body["tools"]


def types_of(kind):
    """Of a whole request, of a part of a message, and of a tool."""
    if kind == "openai-chat":
        from openai.types import chat

        whole = chat.completion_create_params.CompletionCreateParamsNonStreaming
        return whole, chat.ChatCompletionContentPartParam, chat.ChatCompletionFunctionToolParam
    if kind == "openai-responses":
        from openai.types import responses

        whole = responses.response_create_params.ResponseCreateParamsNonStreaming
        return whole, responses.ResponseInputContentParam, responses.FunctionToolParam
    from anthropic import types

    whole = types.message_create_params.MessageCreateParamsNonStreaming
    return whole, types.ContentBlockParam, types.ToolParam


@pytest.mark.parametrize("kind", ["openai-chat", "openai-responses", "anthropic-messages"])
def test_a_request_with_images_and_tools_fits_the_types_of_the_official_client(kind):
    body, parts, tools = parts_and_tools(kind)
    whole, of_part, of_tool = types_of(kind)

    pydantic.TypeAdapter(whole).validate_python(body)
    # What is an Iterable there is not looked into, unless it is asked for by itself.
    assert len(parts) == 4
    for part in parts:
        pydantic.TypeAdapter(of_part).validate_python(part)
    assert len(tools) == 3
    for tool in tools:
        pydantic.TypeAdapter(of_tool).validate_python(tool)
    with pytest.raises(pydantic.ValidationError):
        pydantic.TypeAdapter(of_tool).validate_python({**tools[0], "type": 3})
