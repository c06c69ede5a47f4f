"""Model calls in the Responses API on WebSockets: what is sent on which connection, and what it goes on from."""

import contextlib
import json

import msgspec
import pytest

from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.results.record import read_steps
from replay.target.sending import Retry, Shape
from replay.target.target import Target
from replay.trace.file.stream import TraceWriter
from replay.trace.types import FORMAT, VERSION, Edge, Header, LlmCall, Recorded, Request, Session, Step
from tests.support.websocket_servers import websocket_server

SHAPE = Shape("openai-responses", model="m-1", websocket=True)


class Model:
    """Answers with as many deltas as it may, and an id for each answer. asked: messages by connection."""

    def __init__(self, failing=(), dropping=()):
        self.asked, self.paths, self.answers = [], [], 0
        self._failing, self._dropping = failing, dropping

    async def __call__(self, socket):
        mine = []
        self.asked.append(mine)
        self.paths.append(socket.request.path)
        async for message in socket:
            asked = json.loads(message)
            mine.append(asked)
            self.answers += 1
            number = self.answers
            if number in self._dropping:
                await socket.close(1012)
                return
            if number in self._failing:
                await socket.send(
                    '{"type":"error","status":400,"error":{"code":"previous_response_not_found"}}'
                )
                continue
            await socket.send(json.dumps({"type": "response.created", "response": {"id": f"resp_{number}"}}))
            for n in range(3):
                await socket.send(json.dumps({"type": "response.output_text.delta", "delta": str(n)}))
            usage = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}
            response = {"id": f"resp_{number}", "object": "response", "status": "completed", "usage": usage}
            await socket.send(json.dumps({"type": "response.completed", "response": response}))


def llm(step, prompt, answer=10, after=None, **fields):
    call = LlmCall(input_tokens=prompt, output_tokens=answer, stream=True)
    return Step(step, "llm", "ask", () if after is None else (Edge(after),), llm=call, **fields)


def ran(tmp_path, model, *steps, **target):
    path = tmp_path / "t.jsonl"
    with TraceWriter(path, Header(FORMAT, VERSION, "t")) as out:
        out.write(Session("s", 0.0, list(steps)))
    with websocket_server(model) as url:
        outcome = replay_trace(path, Target(url=url, shape=SHAPE, **target), RunOptions(), tmp_path / "run")
    return outcome.summary, list(read_steps(tmp_path / "run" / "steps.jsonl"))


def test_a_call_goes_on_from_the_answer_that_its_prompt_has_grown_out_of(tmp_path):
    model = Model()
    summary, records = ran(
        tmp_path,
        model,
        llm("a", 100),
        llm("b", 150, after="a", recorded=Recorded(status=200)),
        llm("c", 40, after="b"),
    )

    [asked] = model.asked
    assert [one.get("previous_response_id") for one in asked] == [None, "resp_1", None]
    assert [len(one["input"].split()) for one in asked] == [100, 150 - 110, 40]
    assert {(one["type"], one["model"], one["max_output_tokens"], one["store"]) for one in asked} == {
        ("response.create", "m-1", 10, False)
    }
    assert not any("stream" in one for one in asked)
    assert model.paths == ["/v1/responses"]
    assert [(one.outcome, one.layout, one.tokens, one.messages, one.output_tokens, one.connection) for one in records] == [
        ("ok", "openai-responses", 3, 5, 3, "new"), ("ok", "openai-responses", 3, 5, 3, "reused"),
        ("ok", "openai-responses", 3, 5, 3, "reused"),
    ]  # fmt: skip
    assert summary.counts.unlike_recorded == 0
    assert (summary.latency_ms["ttft"].n, summary.latency_ms["itl"].n) == (3, 6)


def test_calls_at_once_have_a_connection_each(tmp_path):
    model = Model()
    _, records = ran(
        tmp_path,
        model,
        llm("a", 100),
        llm("b", 120, after="a"),
        llm("c", 300, after="a"),
        llm("d", 500, after="c"),
    )

    assert [one.error for one in records] == [None] * 4
    # The first of the two that follow together goes on; the other finds the connection busy, and has all to say.
    said = [
        [(len(one["input"].split()), "previous_response_id" in one) for one in mine] for mine in model.asked
    ]
    assert said == [[(100, False), (10, True)], [(300, False), (190, True)]]


@pytest.mark.parametrize("ends", ["failing", "dropping"])
def test_after_a_failure_nothing_is_left_to_go_on_from(tmp_path, ends):
    model = Model(**{ends: (2,)})
    _, records = ran(tmp_path, model, llm("a", 100), llm("b", 150, after="a"), llm("c", 200, after="b"))

    asked = [one for mine in model.asked for one in mine]
    assert [one.get("previous_response_id") for one in asked] == [None, "resp_1", None]
    assert len(asked[2]["input"].split()) == 200
    assert [one.error for one in records] == [None, "model_error" if ends == "failing" else "closed", None]


def test_a_connection_that_the_target_closed_meanwhile_is_not_gone_on_from(tmp_path):
    model = Model()

    async def closes_after_one(socket):
        class Once:
            request = socket.request
            send = socket.send

            def __aiter__(self):
                return self

            async def __anext__(self):
                if model.answers and model.asked[-1]:
                    await socket.close(1001)
                    raise StopAsyncIteration
                return await socket.recv()

        with contextlib.suppress(Exception):
            await model(Once())

    wait = Step("w", "tool", "think", (Edge("a"),), took_ms=40.0)
    _, records = ran(tmp_path, closes_after_one, llm("a", 100), wait, llm("b", 150, after="w"))

    assert [one.get("previous_response_id") for mine in model.asked for one in mine] == [None, None]
    assert [one.error for one in records] == [None] * 3


def test_a_call_that_is_tried_again_is_sent_whole(tmp_path):
    model = Model(dropping=(2,))
    retry = Retry(attempts=2, errors=("closed",), unsafe=True, backoff_s=0.001)
    _, records = ran(tmp_path, model, llm("a", 100), llm("b", 150, after="a"), retry=retry)

    asked = [one for mine in model.asked for one in mine]
    assert [len(one["input"].split()) for one in asked] == [100, 40, 150]
    assert [one.error for one in records] == [None, "closed", None]


def test_only_an_api_with_a_websocket_is_asked_on_one():
    with pytest.raises(
        ValueError, match="websocket goes with openai-responses; openai-chat has none that is known"
    ):
        Shape(websocket=True)
    with pytest.raises(ValueError, match=r"shape\.websocket needs a target that is reached directly"):
        Target(url="http://t", transport="httpx", proxy="http://p", shape=SHAPE)


def test_requests_of_the_trace_go_as_requests_beside_them(tmp_path):
    model = Model()
    request = Step("r", "http", "get", (Edge("a"),), request=Request("GET", "/x"))
    _, records = ran(tmp_path, model, llm("a", 10), request)

    by_step = {one.step: one for one in records}
    assert by_step["a"].outcome == "ok"
    assert by_step["r"].status != 101
    assert msgspec.json.encode(by_step["a"])
