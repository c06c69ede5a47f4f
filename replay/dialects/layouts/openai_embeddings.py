"""OpenAI embeddings: a list of vectors, whole; nothing is generated, and nothing streamed.

Source: https://platform.openai.com/docs/api-reference/embeddings
"""

from replay.dialects.facts import Facts
from replay.dialects.types import Answering, Dialect, Document, Prompting, Scripted, Shown

_VECTOR = b",".join([b"0.03125", b"-0.015625"] * 512)


def _is_event(_document: Document, _kind: str) -> bool:
    return False


def _is_body(document: Document) -> bool:
    data = document.get("data")
    return (
        document.get("object") == "list"
        and isinstance(data, list)
        and all(isinstance(item, dict) and item.get("object") == "embedding" for item in data)
    )


def _read_event(_document: Document, _kind: str, _facts: Facts) -> Shown:
    return ""


def _read_body(_document: Document, _facts: Facts) -> None:
    """All that it tells is its usage."""


def _opening(model: bytes) -> bytes:
    return b'{"model":' + model + b',"input":"'


def _closing(_limit: int, _is_stream: bool, _ignores_eos: bool) -> bytes:
    return b'","encoding_format":"float"}'


def _whole(answer: Scripted, _text: bytes) -> bytes:
    return (
        b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":[%b]}],"model":"modelled-%b",'
        b'"usage":{"prompt_tokens":%d,"total_tokens":%d}}'
        % (_VECTOR, answer.name, answer.prompt, answer.prompt)
    )


OPENAI_EMBEDDINGS = Dialect(
    "openai-embeddings",
    "model",
    _is_event,
    _is_body,
    _read_event,
    _read_body,
    paths=("/embeddings",),
    prompting=Prompting("/v1/embeddings", _opening, _closing),
    answering=Answering(_whole),
)
