"""What is taken for a secret in a text or a JSON document, and how it is taken out. Pure.

Members with a secret's name, and texts with the shape of a well-known key or token (`shapes`). The numbers under a name
that ends in `tokens` are counts, or stand for words, and what describes a field (JSON Schema) is not the field.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from replay.trace.redaction.commands import command_without_secrets
from replay.trace.redaction.names import (
    REDACTED,
    is_count,
    is_secret_by_value,
    is_secret_header,
    is_secret_member,
    is_secret_value,
    is_told_by_form,
)
from replay.trace.redaction.references import is_word
from replay.trace.redaction.shapes import without_secret_shapes
from replay.trace.redaction.texts import without_coded_secrets, without_named_secrets
from replay.trace.remembered import remembered

# Words of names such as x-functions-key, x-session-id, x-sig, x-amzn-oidc-data, dpop, x-forwarded-client-cert.
_IS_PERSONAL = re.compile(
    r"(?<![a-z0-9])(?:sessions?|sess|sid|sig|signed|hmac|cert|certificate|dpop|t?otp|mfa|pin|ticket|assertion|principal"
    r"|oidc|saml|sso|identity|code|pass|pw|keys?"
    r"|access(?!-control)|shared|verify|verification|bypass|nonce|licen[sc]e|login"
    r"|proof|claims?|userinfo|username|client[-_]dn)\d*(?![a-z0-9])|signature|key$|session$|sessionid$|cookie"
    r"|user(?:[-_]?(?:id|name|email))?$",
    re.IGNORECASE,
).search
_IS_HARMLESS_KEY = re.compile(
    r"(?:x[-_])?(?:idempotency|sec-websocket|surrogate|cache|partition|routing|shard)[-_]keys?|sec-fetch-user",
    re.IGNORECASE,
).fullmatch
_JSON_PAIR = re.compile(r'"((?:[^"\\]|\\.){1,100}+)"(\s*+:\s*+)"((?:[^"\\]|\\.)*+)"')
_SCHEMA_WORDS = frozenset({"$ref", "anyOf", "oneOf", "allOf", "properties", "enum"})
_SCHEMA_TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
# {"name": "Authorization", "value": ...}, {"k": ..., "v": ...}; what is typed: {"selector": "#password", "text": ...}.
_NAME_KEYS = (
    "name", "key", "header", "field", "parameter", "param", "variable", "option", "id", "k",
    "Name", "Key", "selector", "element", "locator",
)  # fmt: skip
_VALUE_KEYS = frozenset({"value", "values", "stringValue", "Value", "val", "v"})
_TYPED_INTO = ("selector", "element", "locator")
_OAUTH_KEYS = frozenset({"grant_type", "redirect_uri", "code_verifier"})
_OF_OAUTH = {"code": "auth_code", "state": "auth_state"}
_OF_KUBERNETES = {"data": "secret", "stringData": "secret"}
# https://spec.graphql.org/October2021/#Argument: login(password: $p), and a field of an object: {secret: $t}.
_PASSED_ON = re.compile(
    r"\b(?P<name>[A-Za-z_]\w{0,100}+)\s{0,20}+:\s{0,20}+\$(?P<variable>\w{1,100}+)"
).finditer
_MOST_WORDS = 100
_USER_OPTIONS = ("-u", "-U", "--user", "--proxy-user")
_MOST_DEPTH = 200
# The same few names come again with every request.
_MOST_NAMES = 4096


def without_secrets(text: str, depth: int = 0) -> str:
    """The text without secrets: of a known shape, under a secret's name, and in base64 or percent-encoding.

    depth: how many such codings it stood in.
    """
    if text[:1] in ("{", "[") and depth:
        text = _within(text, without_secrets, depth)
    plain = without_named_secrets(without_secret_shapes(text))
    return without_coded_secrets(plain, without_secrets, depth)


def without_secret_pairs(text: str) -> str:
    """A text in which JSON may stand, with the strings replaced that follow a secret's name."""
    return _JSON_PAIR.sub(_redacted_pair, text)


def may_be_secret(name: str, value: str) -> bool:
    """Whether a header is better not shown, nor sent to anyone else: by its name, or by the shape of its value.

    Wider than what a recording leaves out, which needs a session's id to tell sessions apart.
    """
    return _may_hold_secret(name) or without_secret_shapes(value) != value


@remembered(_MOST_NAMES)
def _may_hold_secret(name: str) -> bool:
    return is_secret_header(name) or (_IS_PERSONAL(name) is not None and _IS_HARMLESS_KEY(name) is None)


def redacted_value(value: Any, clean: Callable[[str], str], is_secret: bool = False, depth: int = 0) -> Any:
    """The JSON value without secrets. clean: of a text. is_secret: whether the value stands under a secret's name.

    Raises RecursionError for a value that is nested deeper than any real one.
    """
    if depth > _MOST_DEPTH:
        raise RecursionError
    if isinstance(value, dict):
        if is_secret and _is_schema(value):
            is_secret = False
        called = _called(value)
        value = _without_secret_variables(value)
        return {
            clean(key): redacted_value(
                inner, clean, holds_secret(called.get(key) or key, inner, is_secret), depth + 1
            )
            for key, inner in value.items()
        }
    if isinstance(value, list):
        value = _command(value)
        is_pair = len(value) == 2
        return [
            redacted_value(inner, clean, is_secret or _is_named_by(before, inner, is_pair), depth + 1)
            for before, inner in zip((None, *value), value, strict=False)
        ]
    if isinstance(value, str):
        return (REDACTED if value else value) if is_secret else _within(value, clean, depth)
    if is_secret and isinstance(value, int | float) and not isinstance(value, bool):
        return 0
    return value


def holds_secret(key: str, inner: Any, is_secret: bool) -> bool:
    """Whether what stands under this name is a secret. is_secret: whether the object around it stands under one."""
    if is_secret or is_secret_member(key):
        return not (is_count(key) and _are_numbers(inner))
    if isinstance(inner, list):
        return is_told_by_form(key) and is_secret_by_value(key, " ".join(filter(_is_text, inner)))
    return isinstance(inner, str | int) and is_secret_by_value(key, str(inner))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_numbers(value: Any) -> bool:
    """Whether a value is a number, or a list of some at any depth: counts, or what a tokenizer made of a text."""
    return isinstance(value, int | float) or (isinstance(value, list) and all(map(_are_numbers, value)))


def _called(value: dict[str, Any]) -> dict[str, str]:
    """The members of an object that are known by another name: the value of a parameter, the code of an OAuth grant."""
    if not _VALUE_KEYS.isdisjoint(value):
        names = (name for key in _NAME_KEYS if isinstance(name := value.get(key), str))
        return dict.fromkeys(_VALUE_KEYS, next(filter(_may_name_secret, names), ""))
    if "text" in value:
        names = (name for key in _TYPED_INTO if isinstance(name := value.get(key), str))
        return {"text": next(filter(_may_name_secret, names), "")}
    if value.get("kind") == "Secret":
        return _OF_KUBERNETES
    return _OF_OAUTH if not _OAUTH_KEYS.isdisjoint(value) else {}


def _may_name_secret(name: str) -> bool:
    return is_secret_member(name) or is_told_by_form(name)


def _without_secret_variables(value: dict[str, Any]) -> dict[str, Any]:
    """A request of GraphQL without the values of variables that are passed on under a secret's name."""
    query, variables = value.get("query"), value.get("variables")
    if not isinstance(query, str) or not isinstance(variables, dict) or "$" not in query:
        return value
    secret = {
        found["variable"]
        for found in _PASSED_ON(query)
        if holds_secret(found["name"], variables.get(found["variable"]), is_secret=False)
    }
    if secret.isdisjoint(variables):
        return value
    kept = {
        name: redacted_value(inner, str, is_secret=True) if name in secret else inner
        for name, inner in variables.items()
    }
    return {**value, "variables": kept}


def _is_named_by(before: Any, text: Any, is_pair: bool) -> bool:
    """Whether a text is a secret by the one before it: what an option takes, or one of two, the other its name."""
    if not (isinstance(before, str) and isinstance(text, str)):
        return False
    if is_pair and is_secret_value(before, text) and not is_word(text):
        return True
    if not before.startswith("-") or "=" in before:
        return False
    return is_secret_value(before.lstrip("-"), text) or (
        before in _USER_OPTIONS and ":" in text and "://" not in text
    )


def _command(value: list[Any]) -> list[Any]:
    """The words of a command without what its program takes for a secret; another list as it is."""
    if not 1 < len(value) <= _MOST_WORDS or not all(isinstance(word, str) for word in value):
        return value
    has_options = any(word.startswith("-") for word in value[1:])
    return command_without_secrets(value) if has_options else value


def _within(text: str, clean: Callable[[str], str], depth: int) -> str:
    """A text, which may be JSON itself, as the arguments of tool calls are."""
    if text[:1] in ("{", "[") and text[-1:] in ("}", "]"):
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError):
            return clean(without_secret_pairs(text))
        cleaned = redacted_value(value, clean, False, depth + 1)
        if cleaned != value:
            return msgspec.json.encode(cleaned).decode()
    return clean(text)


def _is_schema(value: dict[str, Any]) -> bool:
    kind = value.get("type")
    if isinstance(kind, list):
        return all(isinstance(one, str) and one in _SCHEMA_TYPES for one in kind)
    return (isinstance(kind, str) and kind in _SCHEMA_TYPES) or bool(_SCHEMA_WORDS & value.keys())


def _redacted_pair(found: "re.Match[str]") -> str:
    return f'"{found[1]}"{found[2]}"{REDACTED}"' if is_secret_value(found[1], found[3]) else found[0]
