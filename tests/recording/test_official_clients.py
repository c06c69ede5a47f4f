"""What the official clients of model APIs ask through the recorder comes back as model calls, with true counts and times."""

import json

import anyio

from replay.engine.requests.shapes import ModelCalls
from replay.planes.modelled.server import modelled_server
from replay.planes.modelled.time_types import Spread
from replay.planes.modelled.types import ServiceModel
from replay.target.sending import Shape
from replay.trace.types import LlmCall, LlmImage, LlmTools
from tests.support.later import later
from tests.support.recorders import Recorded

openai = later("openai")
anthropic = later("anthropic")

FIRST_MS, GAP_MS, TOKENS = 40.0, 20.0, 6
MODEL = ServiceModel(by_kind={"llm": Spread(FIRST_MS), "http": Spread(1.0)}, between_tokens=Spread(GAP_MS))
PROMPT = [{"role": "user", "content": "how is it today"}]


async def ask_all(url):
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-canary", max_retries=0) as client:
        counted = {"stream": True, "stream_options": {"include_usage": True}}
        async for _ in await client.chat.completions.create(
            model="m", messages=PROMPT, max_completion_tokens=TOKENS, **counted
        ):
            pass
        async for _ in await client.responses.create(
            model="m", input="how is it", max_output_tokens=TOKENS, stream=True
        ):
            pass
        await client.embeddings.create(model="m", input="how is it")
    async with anthropic.AsyncAnthropic(base_url=url, api_key="sk-canary", max_retries=0) as client:
        async with client.messages.stream(model="m", messages=PROMPT, max_tokens=TOKENS) as stream:
            await stream.get_final_message()


def test_they_come_back_as_model_calls(tmp_path):
    recorded = []

    async def record():
        async with modelled_server(MODEL) as url:
            recorder = Recorded(tmp_path / "t.jsonl", "--upstream", url)
            with anyio.fail_after(30):
                await ask_all(recorder.url)
            assert recorder.stop()[0] == 0
            recorded.extend(recorder.sessions())

    anyio.run(record)
    steps = [step for session in recorded for step in session.steps]

    assert [step.kind for step in steps] == ["llm"] * 4
    chat, responses, embeddings, messages = steps
    for step in (chat, responses, messages):
        assert step.attributes["output_tokens"] == str(TOKENS)
        assert int(step.attributes["input_tokens"]) > 0
        # The instants are the modelled server's own, so no wait of this machine can make them smaller.
        assert FIRST_MS * 0.9 < step.recorded.ttft_ms <= step.took_ms
    assert int(embeddings.attributes["input_tokens"]) > 0
    assert "output_tokens" not in embeddings.attributes
    assert "sk-canary" not in (tmp_path / "t.jsonl").read_text()


IMAGE = LlmImage(300_000, "image/jpeg", 640, 480, 1)
CARRYING = LlmCall(9_000, TOKENS, "m", images=(IMAGE, IMAGE, LlmImage(900_000)), tools=LlmTools(20, 18_000))


def bodies(kind):
    return json.loads(ModelCalls(Shape(kind=kind)).body(CARRYING, "s", "a"))


async def ask_with_images(url):
    """As the clients send what is made of a call."""
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-canary", max_retries=0) as client:
        await client.chat.completions.create(**bodies("openai-chat"))
        await client.responses.create(**bodies("openai-responses"))
    async with anthropic.AsyncAnthropic(base_url=url, api_key="sk-canary", max_retries=0) as client:
        await client.messages.create(**bodies("anthropic-messages"))


def test_calls_with_images_and_tools_come_back_with_them(tmp_path):
    """They are too long to be kept: what is made of them again has the same size."""
    recorded = []

    async def record():
        async with modelled_server(MODEL) as url:
            recorder = Recorded(tmp_path / "t.jsonl", "--upstream", url)
            with anyio.fail_after(60):
                await ask_with_images(recorder.url)
            assert recorder.stop()[0] == 0
            recorded.extend(recorder.sessions())

    anyio.run(record)
    steps = [step for session in recorded for step in session.steps]

    assert len(steps) == 3
    for step, kind in zip(steps, ["openai-chat", "openai-responses", "anthropic-messages"], strict=True):
        assert (step.llm.input_tokens, step.llm.output_tokens, step.llm.model) == (9_000, TOKENS, "m")
        for image, sent in zip(step.llm.images, CARRYING.images, strict=True):
            assert (image.media_type, image.width, image.height) == (sent.media_type, sent.width, sent.height)
            assert sent.bytes - 11 <= image.bytes <= sent.bytes
        assert step.llm.images[0].id == step.llm.images[1].id != step.llm.images[2].id
        assert step.llm.tools == LlmTools(20, 18_000)
        again = ModelCalls(Shape(kind=kind)).body(step.llm, "s", "a")
        assert abs(len(again) - step.recorded.request_bytes) < 200
