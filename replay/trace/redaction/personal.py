"""Personal data in a text, and in all that a step says: e-mail addresses, card numbers, phone numbers, IBANs. Pure.

Numbers are taken for cards and accounts by their check digits (ISO/IEC 7812-1, annex B; ISO 13616-1), so that an order
number is left alone nine times in ten; a phone number by its form: international, or as in North America. Names,
addresses and what a sentence tells are not found. Every search takes time with the length of the text, whatever
stands in it: each begins at a character that it needs, and looks no further than such a thing is long.
"""

import base64
import re
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from replay.trace.redaction.names import REDACTED
from replay.trace.types import Request, Step

_LOCAL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}\Z").search
_DOMAIN = re.compile(r"@(?:\w(?:[\w-]{0,62}\w)?\.){1,8}[^\W\d_]{2,24}(?![\w-])").match
_LOCAL_LENGTH = 64
_DIGITS = re.compile(r"(?<![\w.])\d(?:[ -]?\d)+(?![\w])")
_CARD = re.compile(r"(?:4|5[1-5]|2[2-7]|3[4-7]|6)\d{12,18}").fullmatch
_PHONE = re.compile(
    r"(?<![\w+])\+\d[\d ().\-/]{6,24}\d(?!\d)"
    r"|(?<![\w.+-])00[1-9]\d{0,2}[ /-][\d ().\-/]{5,20}\d(?!\d)"
    r"|(?<![\w.-])(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])"
)
_PHONE_DIGITS = range(8, 16)
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}")
# How long an account's number is, by country: the IBAN registry of SWIFT, release 99.
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD FK", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE",
        31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_DEEPEST = 200
_NO_JSON = Request("GET", "/").json  # the default, which is left out when it is written
_NULL = msgspec.Raw(b"null")
_FORM = "application/x-www-form-urlencoded"


def without_personal(text: str) -> str:
    """The text with everything that looks like personal data replaced by the word."""
    if "@" in text:
        text = _without_addresses(text)
    if any(map(str.isdigit, text)):
        text = _IBAN.sub(_account, text)
        text = _DIGITS.sub(_card, text)
        text = _PHONE.sub(_phone, text)
    return text


def personal_taken_out(step: Step) -> bool:
    """Take it out of what a step says: name, attributes, request, kept response, unknown fields.

    Returns whether any was there. What is nested deeper than any real JSON goes altogether. What the step checks of
    answers (`expect`) stays: another check would be made of it.
    """
    before = msgspec.json.encode(step)
    step.name = without_personal(step.name)
    step.attributes = {name: without_personal(value) for name, value in step.attributes.items()}
    if step.request is not None:
        _clean_request(step.request)
    if step.recorded is not None:
        step.recorded.response_json = value_without_personal(step.recorded.response_json)
        headers = step.recorded.response_headers
        step.recorded.response_headers = {name: _component(value) for name, value in headers.items()}
    for part in (step, step.request, step.recorded, step.llm):
        if part is not None and part.extra is not None:
            part.extra = value_without_personal(part.extra)
    return msgspec.json.encode(step) != before


def _clean_request(request: Request) -> None:
    request.path = "".join(map(_component, re.split(r"([/?&=;#])", request.path)))
    request.headers = {name: _component(value) for name, value in request.headers.items()}
    if request.body is not None:
        types = [value for name, value in request.headers.items() if name.lower() == "content-type"]
        is_form = any(value.lower().startswith(_FORM) for value in types)
        parts = re.split(r"([&=])", request.body) if is_form else None
        request.body = "".join(map(_component, parts)) if parts else _whole_text(request.body)
    elif request.body_base64 is not None:
        try:
            text = base64.b64decode(request.body_base64).decode("latin-1")
        except ValueError:
            return
        cleaned = without_personal(text)
        if cleaned != text:
            request.body_base64 = base64.b64encode(cleaned.encode("latin-1")).decode()
    elif request.json:
        _clean_json(request)


def _clean_json(request: Request) -> None:
    raw = bytes(request.json)
    try:
        value = msgspec.json.decode(raw)
    except RecursionError:
        request.json = _NULL
        return
    except (msgspec.DecodeError, UnicodeError):
        # Such as half of a surrogate pair: it is sent as it stands, and so is looked through as it stands.
        text = raw.decode("utf-8", "replace")
        cleaned_text = without_personal(text)
        if cleaned_text != text:
            request.json, request.body = _NO_JSON, cleaned_text
        return
    cleaned = value_without_personal(value)
    if cleaned != value:
        request.json = msgspec.Raw(msgspec.json.encode(cleaned))


def value_without_personal(value: Any) -> Any:
    """A JSON value without personal data in its texts and names; None for one that is nested too deeply."""
    try:
        return _value(value, 0)
    except RecursionError:
        return None


def _value(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        raise RecursionError
    if isinstance(value, str):
        return _text(value, depth)
    if isinstance(value, dict):
        return {without_personal(name): _value(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [_value(inner, depth + 1) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool) and value > 0 and _is_card(str(value)):
        return 0
    return value


def _whole_text(text: str) -> str:
    """A text that stands in no JSON value; the word for one that is nested too deeply."""
    try:
        return _text(text, 0)
    except RecursionError:
        return REDACTED


def _text(text: str, depth: int) -> str:
    """A text, which may be JSON itself, as the arguments of tool calls are. Raises RecursionError."""
    if text[:1] in ("{", "[") and text[-1:] in ("}", "]"):
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError):
            return without_personal(text)
        cleaned = _value(value, depth + 1)
        return text if cleaned == value else msgspec.json.encode(cleaned).decode()
    return without_personal(text)


def _component(part: str) -> str:
    """A piece of a path, a form or a header; personal data also show when it is percent-decoded."""
    found = without_personal(part)
    if found == part and ("%" in part or "+" in part):
        decoded = unquote_plus(part)
        return part if without_personal(decoded) == decoded else REDACTED
    return found


def _without_addresses(text: str) -> str:
    pieces: list[str] = []
    end = 0
    at = text.find("@")
    while at >= 0:
        local = _LOCAL(text, max(end, at - _LOCAL_LENGTH), at)
        domain = _DOMAIN(text, at) if local else None
        if local and domain:
            pieces += [text[end : local.start()], REDACTED]
            end = domain.end()
        at = text.find("@", max(end, at + 1))
    return "".join([*pieces, text[end:]]) if pieces else text


def _account(found: re.Match[str]) -> str:
    text = found[0]
    length = _IBAN_LENGTHS.get(text[:2])
    taken, end = 0, 0
    while length is not None and taken < length and end < len(text):
        taken += text[end] != " "
        end += 1
    number = text[:end].replace(" ", "")
    if taken != length or text[end : end + 1].isalnum():
        return text
    digits = "".join(str(int(character, 36)) for character in number[4:] + number[:4])
    return REDACTED + text[end:] if int(digits) % 97 == 1 else text


def _card(found: re.Match[str]) -> str:
    text = found[0]
    if _is_card(re.sub(r"[ -]", "", text)):
        return REDACTED
    return "".join(REDACTED if _is_card(piece) else piece for piece in re.split(r"([ -])", text))


def _is_card(digits: str) -> bool:
    """Whether these are the digits of a card: as long, of a known issuer, and with the right check digit."""
    if not digits.isascii() or not _CARD(digits):
        return False
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def _phone(found: re.Match[str]) -> str:
    digits = sum(map(str.isdigit, found[0]))
    return REDACTED if digits in _PHONE_DIGITS else found[0]
