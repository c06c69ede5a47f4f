"""Which family of protocols a request belongs to, by what it looks like: a model's, or JSON-RPC."""

import re

from replay.dialects.asked import is_model_path
from replay.dialects.documents import read_document
from replay.dialects.types import Family

_opens_with_rpc = re.compile(rb'\s*(?:\[\s*)?\{\s*"jsonrpc"\s*:').match
# Requests of JSON-RPC are small; longer ones are prompts, and are searched for nothing.
_LONGEST_RPC_BYTES = 1 << 20


def family_of_request(kind: str, method: str, path: str, body: bytes) -> Family | None:
    """The family that a step of this kind with this request belongs to; None where nothing tells.

    path: with or without a query.
    """
    if kind == "mcp" or _is_rpc(body):
        return "rpc"
    if kind == "llm" or (method == "POST" and is_model_path(path)):
        return "model"
    return None


def _is_rpc(body: bytes) -> bool:
    if _opens_with_rpc(body):
        return True
    if len(body) > _LONGEST_RPC_BYTES or b'"jsonrpc"' not in body:
        return False
    document = read_document(body)
    if isinstance(document, list):
        document = document[0] if document else None
    return isinstance(document, dict) and "jsonrpc" in document
