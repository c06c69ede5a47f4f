"""The JSON of steps that are logged requests, but for what depends on the others of their session. Pure.

It stands in two halves: what is before `after`, without the id, and what is behind `at_ms`.
"""

from collections.abc import Mapping

import msgspec

from replay.trace.edges.names import name_of_call
from replay.trace.file.raw_json import in_one_line, leave_out_empty
from replay.trace.file.rules import MOST_BODY_BYTES
from replay.trace.redaction.labels import label_without_secrets
from replay.trace.redaction.requests import cleaned_path
from replay.trace.remembered import remembered
from replay.trace.types import Step

# The same few requests come again and again.
_MOST_REQUESTS = 1 << 14

LEFT_OUT_REFERERS = "referer(s)"
BODY_UNKNOWN = "bodies of POST, PUT and PATCH, of which not even the size is known"
SECRET_PATHS = 'path(s) with secrets in the query, replaced by "redacted"'
FILLED_BODIES = "request(s) with a body, which is filled to the size recorded"
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

_NO_ID = b'{"id":"",'

_encode = msgspec.json.Encoder().encode

# What stands behind the size of a response that is not only its body's.
COUNTS_HEAD = ',"counts_head":true'
# And of a request.
REQUEST_COUNTS_HEAD = ',"request_counts_head":true'


def json_text(text: str) -> str:
    """A text as JSON."""
    return _encode(text).decode()


class CalledTexts(msgspec.Struct, frozen=True, gc=False):
    """What steps that call the same have in common. has_secrets: whether the path had some.

    head: the first half of their texts, and the line break behind it. request: up to where a body's size stands.
    """

    head: str
    request: str
    has_secrets: bool


def texts_of(method: str, path: str) -> CalledTexts:
    """method: a token. path: as replay/assembly/requests/log_fields.py makes it replayable."""
    redacted = cleaned_path(path)
    return CalledTexts(head_of(method, redacted), request_text(method, redacted), redacted != path)


def text_of_step(step: Step) -> str:
    """Both halves of a step that was recorded as a whole, and has no id, edges and time yet."""
    leave_out_empty(step)
    whole = in_one_line(_encode(step))
    head = _encode(Step("", step.kind, step.name))
    return f"{head[len(_NO_ID) : -1].decode()}\n{whole[len(head) - 1 :].decode()}"


def request_text(method: str, path: str) -> str:
    """The second half, up to where a body's size stands. path: without secrets."""
    return f'"request":{{"method":{json_text(method)},"path":{json_text(path)}'


def head_of(method: str, path: str) -> str:
    """The first half of the text. path: without secrets; that of others whose ids alone differ has the same."""
    name = json_text(label_without_secrets(name_of_call(method, path)))
    return f'"kind":"http","name":{name}\n'


called_texts = remembered(_MOST_REQUESTS)(texts_of)


def body_text(size_bytes: int | None) -> str:
    """The size of a body, as far as it is filled, and the comma in front; nothing where it is empty or not known."""
    return f',"body_bytes":{min(size_bytes, MOST_BODY_BYTES)}' if size_bytes else ""


def took_text(took_us: int | None) -> str:
    """How long a step took, and the comma in front; nothing where that is unknown."""
    if took_us is None:
        return ""
    return f',"took_ms":{took_us // 1_000}.0' if took_us % 1_000 == 0 else f',"took_ms":{took_us / 1_000}'


def recorded_text(
    status: int | None,
    request_bytes: int | None,
    response_bytes: int | None,
    cold: bool | None,
    counts_head: bool = False,
    request_counts_head: bool = False,
) -> str:
    """What was seen of the response, and the comma in front; nothing where that is nothing.

    counts_head: whether response_bytes is the size of the response as a whole. request_counts_head: likewise.
    """
    parts = []
    if status is not None:
        parts.append(f'"status":{status}')
    if request_bytes is not None:
        parts.append(f'"request_bytes":{request_bytes}{REQUEST_COUNTS_HEAD if request_counts_head else ""}')
    if response_bytes is not None:
        parts.append(f'"response_bytes":{response_bytes}')
        if counts_head:
            parts[-1] += COUNTS_HEAD
    if cold is not None:
        parts.append(f'"cold":{"true" if cold else "false"}')
    return f',"recorded":{{{",".join(parts)}}}' if parts else ""


def attributes_text(attributes: Mapping[str, str]) -> str:
    """The attributes without secrets, and the comma in front; nothing where there are none."""
    if not attributes:
        return ""
    clean = {label_without_secrets(name): label_without_secrets(text) for name, text in attributes.items()}
    return f',"attributes":{_encode(clean).decode()}'


def frame_text(name: str, start_ms: str, client: int, agent: str) -> str:
    """What stands around the steps of a session in a trace: before and behind them, and a line break after each.

    name, start_ms: as JSON. agent: as agent_text makes it.
    """
    before = f'{{"id":{name},"start_ms":{start_ms},"steps":['
    return f'{before}\n],"attributes":{{"client":"client {client}"{agent}}}}}\n'


def agent_text(agent: str) -> str:
    """What a client calls itself, without secrets, and the comma in front."""
    return f',"user_agent":{json_text(label_without_secrets(agent))}'
