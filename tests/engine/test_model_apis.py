"""Runs that ask models in every API's layout, of a server that answers in it: on the wire, each token is counted."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import pytest

from replay.dialects.registry import DIALECTS
from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.planes.modelled.server import modelled_server
from replay.planes.modelled.time_types import Spread
from replay.planes.modelled.types import ServiceModel
from replay.target.file import load_target
from replay.target.target import Target

MODEL = ServiceModel(by_kind={"llm": Spread(5.0), "http": Spread(1.0)}, between_tokens=Spread(1.0))
LAYOUTS = [dialect.layout for dialect in DIALECTS if dialect.family == "model"]


def steps_of(tmp_path, written, *calls):
    """The lines of a run of these calls; written: the target's file, but for its url, for which URL stands."""
    trace = tmp_path / "t.jsonl"
    steps = [{"id": f"{n}", "kind": "llm", "name": name, "llm": llm} for n, (name, llm) in enumerate(calls)]
    lines = [{"format": "replay-trace", "version": 1, "name": "t"}, {"id": "s", "start_ms": 0, "steps": steps}]
    trace.write_text("".join(json.dumps(line) + "\n" for line in lines))

    async def run():
        async with modelled_server(MODEL) as url:
            target = tmp_path / "t.toml"
            target.write_text(f'url = "{url}"\n' + written.replace("URL", url))
            await anyio.to_thread.run_sync(
                lambda: replay_trace(trace, load_target(str(target)), RunOptions(), tmp_path / "run")
            )

    anyio.run(run)
    read = map(json.loads, (tmp_path / "run" / "steps.jsonl").read_text().splitlines())
    return sorted(read, key=lambda line: line["step"])


@pytest.mark.parametrize("transport", ["fast", "httpx"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_tokens_are_counted_on_the_wire(tmp_path, layout, transport):
    call = {"input_tokens": 20, "output_tokens": 6, "model": "m/1:0"}
    whole, stream = steps_of(
        tmp_path,
        f'transport = "{transport}"\n[shape]\nkind = "{layout}"\n',
        ("whole", call),
        ("stream", {**call, "stream": True}),
    )

    assert (whole["status"], whole["outcome"]) == (stream["status"], stream["outcome"]) == (200, "ok")
    assert whole["input_tokens"] >= 20
    if layout == "openai-embeddings":
        assert "layout" not in stream
        return
    assert whole["output_tokens"] == stream["output_tokens"] == 6
    assert (stream["layout"], stream["tokens"]) == (layout, 6)
    assert 0 < stream["first_token_ns"] <= stream["last_token_ns"] <= stream["end_ns"]
    assert stream["streamed"]
    assert not whole.get("streamed")


def test_a_route_may_ask_in_another_layout(tmp_path):
    call = {"input_tokens": 20, "output_tokens": 6, "stream": True}
    written = '[[routes]]\nname = "claude"\nsend_to = "URL"\nshape = { kind = "anthropic-messages" }\n'
    chat, claude = steps_of(tmp_path, written, ("chat", call), ("claude", call))

    assert (chat["layout"], claude["layout"]) == ("openai-chat", "anthropic-messages")
    assert chat["tokens"] == claude["tokens"] == 6


def test_a_template_asks_what_no_layout_has(tmp_path):
    template = tmp_path / "body.json"
    template.write_text(
        '{"messages":[{"role":"user","content":"{{prompt}}"}],"max_tokens":{{output_tokens}},"stream":true}'
    )
    [line] = steps_of(
        tmp_path,
        f'[shape]\nkind = "template"\ntemplate = "{template}"\npath = "/gateway/v1/chat/completions"\n',
        ("chat", {"input_tokens": 20, "output_tokens": 6, "stream": True}),
    )

    assert (line["layout"], line["tokens"], line["outcome"]) == ("openai-chat", 6, "ok")


class SeveralTokensAnEvent(BaseHTTPRequestHandler):
    """A chat in two events, whose usage counts three tokens in each; on /few, one."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        tokens = 2 if self.path.startswith("/few") else 6
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for choices in ([{"index": 0, "delta": {"content": "a b c "}}],) * 2:
            self.wfile.write(f"data: {json.dumps({'choices': choices})}\n\n".encode())
        usage = {"prompt_tokens": 1, "completion_tokens": tokens}
        self.wfile.write(f"data: {json.dumps({'choices': [], 'usage': usage})}\n\ndata: [DONE]\n\n".encode())

    def log_message(self, *_): ...


@pytest.mark.parametrize(("prefix", "is_noted"), [("", True), ("/few", False)])
def test_a_run_says_where_an_event_carries_several_tokens(tmp_path, prefix, is_noted):
    call = {
        "id": "a",
        "kind": "llm",
        "name": "n",
        "llm": {"input_tokens": 1, "output_tokens": 6, "stream": True},
    }
    lines = [{"format": "replay-trace", "version": 1, "name": "t"}, {"id": "s", "start_ms": 0, "steps": [call]}]
    trace = tmp_path / "t.jsonl"
    trace.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with ThreadingHTTPServer(("127.0.0.1", 0), SeveralTokensAnEvent) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        target = Target(url=f"http://127.0.0.1:{server.server_port}{prefix}")
        summary = replay_trace(trace, target, RunOptions(), tmp_path / "run").summary
        server.shutdown()

    assert any("in 1 stream the answer's own count" in note for note in summary.notes) == is_noted
