"""The bytes of a chat completion in the OpenAI layout: as one JSON answer, and as server-sent events.

A token is a word. Events are rendered once, at import, around the place of the answer's id, so that a token
costs one concatenation.
"""

WORDS = tuple(
    b"the case is open and its owner has been told so we wait for one more answer before we close it".split()
)
CONTENT_TYPE = b"application/json"
STREAM_TYPE = b"text/event-stream; charset=utf-8"
_ID_BYTES = 16
_EVENT = (
    b'data: {"id":"chatcmpl-%s","object":"chat.completion.chunk","created":0,"model":"modelled",'
    b'"choices":[{"index":0,"delta":%s,"finish_reason":%s}]}\n\n'
)
LAST = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


def _framed(delta: bytes, finish: bytes) -> tuple[bytes, bytes]:
    """Return one event as a chunk of HTTP/1.1, cut in two where the id belongs."""
    event = _EVENT % (b"#" * _ID_BYTES, delta, finish)
    before, after = (b"%x\r\n%s\r\n" % (len(event), event)).split(b"#" * _ID_BYTES)
    return before, after


_FIRST = _framed(b'{"role":"assistant","content":"%s "}' % WORDS[0], b"null")
_NEXT = tuple(_framed(b'{"content":"%s "}' % word, b"null") for word in WORDS)
_STOP = _framed(b"{}", b'"stop"')


def answer_id(number: int) -> bytes:
    return b"%016x" % number


def token(name: bytes, n: int) -> bytes:
    """Return token n (from 0) of the answer called `name`, as one chunk."""
    before, after = _NEXT[n % len(_NEXT)] if n else _FIRST
    return before + name + after


def stop(name: bytes) -> bytes:
    """Return the end of a stream: the stop event, `[DONE]`, and the last chunk."""
    return _STOP[0] + name + _STOP[1] + LAST


def whole(name: bytes, tokens: int, prompt: int) -> bytes:
    """Return a completion as one JSON document. prompt: the tokens of what was asked."""
    rounds, rest = divmod(tokens, len(WORDS))
    text = b" ".join(WORDS * rounds + WORDS[:rest])
    return (
        b'{"id":"chatcmpl-%s","object":"chat.completion","created":0,"model":"modelled","choices":[{"index":0,'
        b'"message":{"role":"assistant","content":"%s"},"finish_reason":"stop"}],"usage":{"prompt_tokens":%d,'
        b'"completion_tokens":%d,"total_tokens":%d}}' % (name, text, prompt, tokens, prompt + tokens)
    )
