"""Which family of protocols a request belongs to, by what it looks like: a model's, JSON-RPC, or GraphQL.

GraphQL is asked by a document of its language in the member `query` of a JSON body, or by the digest of one. A search
has a member of that name, too, and so have others' languages: so the document has to open and to end as one.
Source: https://graphql.github.io/graphql-over-http/draft/, https://spec.graphql.org/October2021/#sec-Document
"""

import re

from replay.dialects.asked import is_model_path
from replay.dialects.documents import read_document
from replay.dialects.types import Family

_opens_with_rpc = re.compile(rb'\s*(?:\[\s*)?\{\s*"jsonrpc"\s*:').match
# In JSON: line breaks are escaped, and so are quotation marks within.
_BLANK = r"(?:\\[nrt]|[\s,]|#(?:[^\"\\]|\\[^n])*\\n)*"
_asks_graphql = re.compile(
    (
        rf'"query"\s*:\s*"{_BLANK}(?:'
        rf"\{{{_BLANK}(?:\.\.\.|[A-Za-z_]\w*(?:\s|\\[nrt]|[(){{}}:,@]))"
        r"|(?:query|mutation|subscription)\b(?:[^\"\\{]|\\.){0,4000}\{"
        r"|fragment\s+\w+\s+on\s)"
        r'|"persistedQuery"\s*:\s*\{'
    ).encode()
).search
# Requests of JSON-RPC and of GraphQL are small; longer ones are prompts, and are searched for nothing. A search of
# 100 kB takes 70 us.
_LONGEST_BYTES = 1 << 20
_LONGEST_GRAPHQL_BYTES = 1 << 16


def family_of_request(kind: str, method: str, path: str, body: bytes) -> Family | None:
    """The family that a step of this kind with this request belongs to; None where nothing tells.

    path: with or without a query.
    """
    if kind == "mcp" or _is_rpc(body):
        return "rpc"
    if kind == "llm" or (method == "POST" and is_model_path(path)):
        return "model"
    if method == "POST" and _is_graphql(body):
        return "graphql"
    return None


def _is_rpc(body: bytes) -> bool:
    if _opens_with_rpc(body):
        return True
    if len(body) > _LONGEST_BYTES or b'"jsonrpc"' not in body:
        return False
    document = read_document(body)
    if isinstance(document, list):
        document = document[0] if document else None
    return isinstance(document, dict) and "jsonrpc" in document


def _is_graphql(body: bytes) -> bool:
    # Either member ends so, and most bodies have neither.
    if len(body) > _LONGEST_GRAPHQL_BYTES or b'uery"' not in body or _asks_graphql(body) is None:
        return False
    # What is sent to GraphQL has these members itself; who reports of such a request has them further in.
    document = read_document(body)
    asked = document[0] if isinstance(document, list) and document else document
    if not isinstance(asked, dict):
        return False
    text, extensions = asked.get("query"), asked.get("extensions")
    if isinstance(text, str):
        return text.rstrip().endswith("}")
    return isinstance(extensions, dict) and "persistedQuery" in extensions
