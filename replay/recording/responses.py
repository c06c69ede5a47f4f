"""What of a response is kept in a recording, without its secrets. Sans I/O."""

from typing import Any

from replay.http.codings import uncoded
from replay.recording.types import Exchange
from replay.trace.redaction.requests import Redactor
from replay.trace.redaction.responses import MOST_RESPONSE_BYTES, is_json_type, response_headers, response_json


def kept_response(exchange: Exchange, redactor: Redactor) -> tuple[Any, dict[str, str]]:
    """The JSON document and the headers to be kept; None and none where there are none.

    The values of the request's own secret headers, and of the response's, are secrets in both.
    """
    if not exchange.response_headers:
        return None, {}
    clean = redactor.of_request([*exchange.headers, *exchange.response_headers])
    headers = {name: clean.header(value) for name, value in response_headers(exchange.response_headers).items()}
    document = None
    if exchange.response_body and is_json_type(_header(exchange, "content-type")):
        plain = uncoded(exchange.response_body, _header(exchange, "content-encoding"), MOST_RESPONSE_BYTES)
        if plain is not None:
            made = clean.body(plain, "application/json")
            kept = made.json or made.text
            document = None if kept is None else response_json(kept)
    return document, headers


def _header(exchange: Exchange, wanted: str) -> str:
    return next((value for name, value in exchange.response_headers if name.lower() == wanted), "")
