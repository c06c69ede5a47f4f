"""Reads a whole answer: did it fail, why did it end, which tools did it call, what did it use."""

import re
from collections.abc import Callable
from typing import Any

from replay.dialects.documents import MOST_BYTES, read_cut_document, read_document
from replay.dialects.errors import has_graphql_errors, is_error
from replay.dialects.facts import Facts
from replay.dialects.families import family_of_request
from replay.dialects.layouts.json_rpc import JSON_RPC
from replay.dialects.registry import dialect_of_body
from replay.dialects.types import BodyFacts
from replay.dialects.usage import usage_in

__all__ = ["BodyFacts", "family_of_request", "read_body"]

# Members without which there is nothing to tell. In a string their quotation marks are escaped.
_TELLS_OF_MODEL = re.compile(
    rb'"(?:error|usage|usageMetadata|finish_reason|finishReason|blockReason|stop_reason|stopReason|tool_calls|function_call'
    rb'|status|name)"'
).search
_TELLS: dict[str, Callable[[bytes], object]] = {
    "model": _TELLS_OF_MODEL,
    "rpc": re.compile(rb'"(?:error|isError|input_required)"').search,
    "graphql": re.compile(rb'"errors"').search,
}
_NOTHING = BodyFacts()


def read_body(body: bytes, family: str) -> BodyFacts:
    """What the body of an answer says whose status is below 400. Of one longer than a MiB, its first MiB does.

    family: "model", "rpc" or "graphql". A body that is no JSON says nothing; of one that was cut, what is whole is
    told.
    """
    body = body[:MOST_BYTES]
    if not _TELLS[family](body):
        return _NOTHING
    document = read_document(body)
    if document is None:
        document = read_cut_document(body)
    facts = Facts()
    for part in document if isinstance(document, list) else [document]:
        if isinstance(part, dict):
            _read_answer(part, family, facts)
    return BodyFacts(facts.error, facts.usage, facts.finish_reasons, facts.tool_names)


def _read_answer(document: dict[str, Any], family: str, facts: Facts) -> None:
    if family == "rpc":
        JSON_RPC.read_body(document, facts)
        return
    if family == "graphql":
        if has_graphql_errors(document):
            facts.note_error("graphql_error")
        return
    dialect = dialect_of_body(document)
    if dialect is not None:
        dialect.read_body(document, facts)
        if dialect is JSON_RPC:
            return
    facts.note_usage(usage_in(document))
    if is_error(document):
        facts.note_error("model_error")
