"""The work that every client is given: the same requests in the same order, told once.

A session is stages, one after the other; the requests of a stage are sent together, once the stage before has ended.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

# Virtual users of those clients that are told how many at once; each sends its next session when its last has ended.
USERS = 64

SEARCH, STORE, CHAT = "/tools/search?q=x", "/tools/store", "/v1/chat/completions"
STREAM_TOKENS = 200


class Work(NamedTuple):
    """name: as the table says it. stages: how many requests each sends. body: JSON that is posted, "" for a GET.

    requests, offered_rps: how many the engine sends, and how fast it is asked to: about 4 s, and more than it can.
    """

    name: str
    stages: tuple[int, ...]
    path: str
    requests: int
    offered_rps: float
    body: str = ""

    @property
    def method(self) -> str:
        return "POST" if self.body else "GET"

    @property
    def per_session(self) -> int:
        return sum(self.stages)

    @property
    def is_line(self) -> bool:
        """Whether one request follows the other, as on each connection of a client that knows no sessions."""
        return set(self.stages) == {1}

    def told(self, url: str) -> dict[str, Any]:
        """The same for a script of a peer, as JSON."""
        return {
            "url": url + self.path,
            "stages": self.stages,
            "method": self.method,
            "body": self.body,
            "users": USERS,
        }


def _posted(size_bytes: int) -> str:
    text = json.dumps({"model": "m-1", "stream": True, "text": ""}, separators=(",", ":"))
    return text[:-2] + "x" * (size_bytes - len(text)) + text[-2:]


WORKS = (
    Work("single steps", (1,), SEARCH, 240_000, 80_000),
    Work("chains of ten", (1,) * 10, SEARCH, 120_000, 80_000),
    Work("fan-outs of eight", (1, 8, 1), SEARCH, 120_000, 80_000),
    Work("streams of 200 tokens", (1,), CHAT, 8_000, 8_000, _posted(200)),
    Work("bodies of 8 kB", (1,), STORE, 120_000, 80_000, _posted(8_000)),
)


def token_stream() -> str:
    """The answer to a model call: an event for each token, as OpenAI's API writes them, and the end."""
    start = (
        '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m-1","choices":[{"index":0,'
    )
    events = [f'data: {start}"delta":{{"content":" word"}},"finish_reason":null}}]}}\n\n'] * STREAM_TOKENS
    events.append(f'data: {start}"delta":{{}},"finish_reason":"stop"}}]}}\n\n')
    return "".join(events) + "data: [DONE]\n\n"


def steps_of(work: Work) -> list[dict[str, Any]]:
    """A session's steps in a trace: each waits for all of the stage before."""
    request: dict[str, Any] = {"method": work.method, "path": work.path}
    if work.body:
        request["headers"] = {"content-type": "application/json"}
        request["json"] = json.loads(work.body)
    kind, name_of = ("llm", "answer") if work.path == CHAT else ("tool", "call")
    steps: list[dict[str, Any]] = []
    before: list[str] = []
    for stage, width in enumerate(work.stages):
        names = [f"s{stage}-{n}" for n in range(width)]
        for name in names:
            step = {"id": name, "kind": kind, "name": name_of, "at_ms": float(stage), "took_ms": 1.0}
            if before:
                step["after"] = [{"step": parent} for parent in before]
            steps.append({**step, "request": request})
        before = names
    return steps


def write_trace(path: Path, steps: list[dict[str, Any]], starts_ms: Iterator[float]) -> None:
    """Sessions of these steps, one for each start."""
    tail = json.dumps(steps, separators=(",", ":"))
    with path.open("w") as out:
        out.write('{"format":"replay-trace","version":1,"name":"bench","resolution_ms":0.001}\n')
        for n, start_ms in enumerate(starts_ms):
            out.write(f'{{"id":"s-{n}","start_ms":{start_ms:.4f},"steps":{tail}}}\n')


def even_starts_ms(count: int, rate_rps: float) -> Iterator[float]:
    return (n * 1000 / rate_rps for n in range(count))
