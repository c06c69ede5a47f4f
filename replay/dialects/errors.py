"""How a model API says in a document that it failed, whatever its layout."""

from typing import Any


def is_error(document: dict[str, Any]) -> bool:
    """Whether this document, an event of a stream or a whole body, is an error.

    `{"error": ...}`: OpenAI, Azure, OpenRouter, vLLM, TGI, Google. `{"type": "error"}`: Anthropic, OpenAI Responses.
    `{"object": "error"}`: vLLM, FastChat. Servers that always have the member leave it null, empty or false.
    """
    return (
        is_told(document.get("error")) or document.get("type") == "error" or document.get("object") == "error"
    )


def is_told(error: Any) -> bool:
    """Whether the value of an `error` member is one: an object, even an empty one, or what is not empty."""
    return isinstance(error, dict) or bool(error)


def has_graphql_errors(document: dict[str, Any]) -> bool:
    """Whether this document is an answer of GraphQL with errors.

    With data beside them, too: clients take an answer with errors for none unless they are told otherwise.
    """
    errors = document.get("errors")
    return isinstance(errors, list) and bool(errors)
