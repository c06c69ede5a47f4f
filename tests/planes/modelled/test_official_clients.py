"""The official clients of model APIs talk to modelled planes: they get what a model of that API would answer."""

import anyio
import pytest

from replay.planes.modelled.server import modelled_server
from replay.planes.modelled.time_types import Spread
from replay.planes.modelled.types import ServiceModel
from tests.support.later import later

openai = later("openai")
anthropic = later("anthropic")

pytestmark = pytest.mark.anyio
FAST = ServiceModel(by_kind={"llm": Spread(1.0), "http": Spread(1.0)}, between_tokens=Spread(0.1))
SAID = "the case is open and "
PROMPT = [{"role": "user", "content": "how is it today"}]


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def url():
    async with modelled_server(FAST) as served:
        with anyio.fail_after(30):
            yield served


@pytest.fixture
async def of_openai(url):
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
async def of_anthropic(url):
    async with anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0) as client:
        yield client


async def test_chat_completions(of_openai):
    asked = {"model": "m", "messages": PROMPT, "max_completion_tokens": 5}
    whole = await of_openai.chat.completions.create(**asked)
    plain = [chunk async for chunk in await of_openai.chat.completions.create(**asked, stream=True)]
    counted = [
        chunk
        async for chunk in await of_openai.chat.completions.create(
            **asked, stream=True, stream_options={"include_usage": True}
        )
    ]

    assert (whole.choices[0].message.content, whole.usage.completion_tokens) == (SAID.strip(), 5)
    assert whole.usage.prompt_tokens > 0
    deltas = [chunk.choices[0].delta for chunk in plain]
    assert (deltas[0].role, deltas[0].content) == ("assistant", "")
    assert "".join(delta.content or "" for delta in deltas) == SAID
    assert plain[-1].choices[0].finish_reason == "stop"
    assert [chunk.usage for chunk in plain] == [None] * len(plain)
    assert (counted[-1].usage.completion_tokens, counted[-1].choices) == (5, [])


async def test_completions(of_openai):
    whole = await of_openai.completions.create(model="m", prompt="how is it", max_tokens=5)
    chunks = [
        c async for c in await of_openai.completions.create(model="m", prompt="x", max_tokens=5, stream=True)
    ]

    assert (whole.choices[0].text, whole.usage.completion_tokens) == (SAID.strip(), 5)
    assert "".join(chunk.choices[0].text for chunk in chunks) == SAID
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_responses(of_openai):
    asked = {"model": "m", "input": "how is it today", "max_output_tokens": 5}
    whole = await of_openai.responses.create(**asked)
    # The helper builds the answer up from the events, and takes them in no other order.
    async with of_openai.responses.stream(**asked) as stream:
        deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
        built = await stream.get_final_response()

    assert (whole.output_text, whole.status, whole.usage.output_tokens) == (SAID.strip(), "completed", 5)
    assert "".join(deltas) == SAID == built.output_text
    assert built.usage.output_tokens == 5


async def test_embeddings(of_openai):
    made = await of_openai.embeddings.create(model="m", input="how is it today", encoding_format="float")

    assert len(made.data[0].embedding) == 1024
    assert made.usage.prompt_tokens > 0


async def test_messages(of_anthropic):
    asked = {"model": "m", "messages": PROMPT, "max_tokens": 5}
    whole = await of_anthropic.messages.create(**asked)
    async with of_anthropic.messages.stream(**asked) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        built = await stream.get_final_message()

    assert (whole.content[0].text, whole.stop_reason) == (SAID.strip(), "end_turn")
    assert whole.usage.output_tokens == built.usage.output_tokens == 5
    assert whole.usage.input_tokens == built.usage.input_tokens > 0
    assert text == built.content[0].text == SAID
