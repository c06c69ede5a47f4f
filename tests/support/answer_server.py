"""A target with answers: JSON with ids, instants and counters that never come twice, and a way of being different.

Knows nothing of the package. A request says by its query which session it is of (`n`), and by its path what it wants:
`/search` a document, `/chat` a model's stream. How the server differs, in one answer of 33, is its first argument; its
second is the seed of what it leaves to chance, which depends on the session and how often it was asked, not on order.
"""

import asyncio
import json
import random
import sys
import time
import uuid
from collections import Counter
from urllib.parse import parse_qs, urlsplit

WAY, SEED = sys.argv[1:3]
counter = 0
asked = Counter()


def document(n):
    global counter
    counter += 1
    asked[n] += 1
    chance = random.Random(f"server {SEED}, session {n}, asked {asked[n]}")
    tags = ["new", "old", "blue"]
    chance.shuffle(tags)
    items = [{"sku": f"sku-{n}-{k}", "price": n + k + 0.5, "stock": {"left": k}} for k in range(3)]
    return {
        "id": str(uuid.uuid4()),
        "at": time.time(),
        "count": counter,
        "owner": "Ada",
        "tags": tags,
        "items": items,
        "cached": chance.random() < 0.5,
        "debug": None if chance.random() < 0.3 else {"trace": "t"},
    }


def lacks_price(found):
    for item in found["items"]:
        del item["price"]


def lacks_stock(found):
    for item in found["items"]:
        del item["stock"]


def price_is_text(found):
    for item in found["items"]:
        item["price"] = str(item["price"])


def other_owner(found):
    found["owner"] = "Eve"


def turned(found):
    found["items"].reverse()


WAYS = {f.__name__: f for f in (lacks_price, lacks_stock, price_is_text, other_owner, turned)}


def search(n, is_odd):
    found = document(n)
    if WAY == "pads":
        found["owner"] = "Ada" * 1000
    if is_odd and WAY in WAYS:
        WAYS[WAY](found)
    if is_odd and WAY == "fails":
        return 500, "application/json", json.dumps({"error": "no", "request": str(uuid.uuid4())})
    if is_odd and WAY == "html":
        return 200, "text/html", "<p>hello"
    return 200, "application/json", json.dumps(found)


def chat(is_odd):
    reason = "length" if is_odd and WAY == "cut_off" else "stop"
    chunks = [
        {"delta": {"content": "hello"}, "finish_reason": None, "index": 0},
        {"delta": {}, "finish_reason": reason, "index": 0},
    ]
    lines = [
        f"data: {json.dumps({'id': str(uuid.uuid4()), 'object': 'chat.completion.chunk', 'choices': [chunk]})}\n\n"
        for chunk in chunks
    ]
    return 200, "text/event-stream", "".join(lines) + "data: [DONE]\n\n"


class Target(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.buffer = transport, b""

    def data_received(self, data):
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, rest = self.buffer.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            self.answer(urlsplit(lines[0].split(" ")[1]))

    def answer(self, url):
        n = int(parse_qs(url.query)["n"][0])
        is_odd = n % 33 == 7
        status, kind, body = chat(is_odd) if url.path == "/chat" else search(n, is_odd)
        data = body.encode()
        self.transport.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}\r\n\r\n".encode()
            + data
        )


async def main():
    server = await asyncio.get_running_loop().create_server(Target, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


asyncio.run(main())
