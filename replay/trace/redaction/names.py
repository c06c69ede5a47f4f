"""Names of headers, query parameters, form fields and JSON members that are taken to hold a secret. Pure.

One list for all of them, with what is said besides by where a name stands: a query's `key` and `sig` are credentials,
a JSON member's `sort_key` is none. Names that secrets share with harmless fields (`code`, `state`, `invite`, `pin`,
`dsn`, `mnemonic`) are told by their value.
"""

import re
from collections.abc import Callable

from replay.trace.redaction.references import is_random
from replay.trace.remembered import remembered

REDACTED = "redacted"
"""What takes a secret's place."""

# The same few names come again with every request.
_MOST_NAMES = 4096

_SECRET_HEADERS = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization"})
# What is only said of one, as its number, or what it is called.
_SAID_OF_IT = (
    r"[-_. ]?(?:id|type|name|ref|kind|format|count|length|size|provider|index|status|valid|version)s?(?![a-z])"
)
# "author" and "authority" name no secret; "authorization" and "authorisation" do.
_HOLDS = re.compile(
    r"auth(?!or(?!i[sz]))|token|secret|password|credential|pass[-_ ]?(?:wd|word|phrase|code)|psw|pwd|jwt|bearer|[cx]srf"
    # As people write it in other languages.
    r"|passwort|kennwort|mot[-_ ]?de[-_ ]?passe|contrase[nñ]a|senha|wachtwoord|пароль|密码|口令|パスワード|비밀번호"
    r"|(?:api|private|access|licen[sc]e|account|subscription|signing|encryption|master|shared)[-_. ]?key"
    r"|shared[-_]?access|origin[-_]?verify|protection[-_]?bypass|saml|relay[-_]?state|assertion"
    r"|(?:^|[^a-z])code[-_]?verifier"
    r"|(?:device|user|verification|security|one[-_]?time|confirmation|recovery|backup|sms|reset|access|mfa|2fa|pin|login)[-_]?code"
    r"|invit(?:e|ation)[-_]?code|(?:seed|recovery|mnemonic)[-_ ]?phrase|social[-_ ]?security"
    # What connects to a database, in which the password stands in many ways; what WS-Federation calls SAML's token.
    rf"|conn(?:ection)?[-_ ]?str(?:ing)?s?(?![a-z]|{_SAID_OF_IT})|(?:^|[^a-z])wresult$"
    r"|(?:captcha|turnstile)[-_]?(?:response|answer|solution)"
    r"|client[-_]key[-_]data|sonar\.login|security[-_ ]?answer|^(?:set[-_]?)?cookies?2?$"
    # How frameworks call their sessions: PHP, Java, ASP, ColdFusion, Laravel, Rails, Express, Play, Django's is below.
    r"|php[-_]?sess|jsessionid|asp(?:\.net_|_net_)?sessionid|sessid|cf(?:id|token)$|connect\.sid|laravel_session|ci_session"
    r"|rack\.session|play_session|koa[.:]sess|express[.:]sess|(?:^|[^a-z])_session_id$|wordpress_(?:sec|logged)",
    re.IGNORECASE,
).search
_IS_WORD = re.compile(
    r"(?<![a-z0-9])(?:psk|creds?|sas|t?otp|cvv2?|cvc2?|hmac|mdp|storepass|keypass)\d*(?![a-z0-9])"
    rf"|(?<![a-z0-9])ssn\d*(?![a-z0-9]|{_SAID_OF_IT})|(?:pg|db|sql|user|admin|root|smtp|mail|ftp|ssh)pass$",
    re.IGNORECASE,
).search
_IS_PASS = re.compile(
    r"(?:(?<![A-Za-z])(?:[Pp]ass|[Pp]w)|(?<=[a-z0-9])(?:Pass|Pw)|(?<![A-Za-z])(?:PASS|PW))\d*$"
).search
_IS_KEY = re.compile(r"[a-z0-9](?:[-_. ]*)key\d*$", re.IGNORECASE).search
_HARMLESS_KEY = re.compile(
    r"(?:^|[-_. ])(?:mon|don|tur|joc|hoc|whis|lac|hot|dis)key$"
    r"|(?:idempotency|sec[-_]websocket|surrogate|cache|partition|routing|shard|primary|foreign|sort|range|public|group"
    r"|dedup(?:lication)?|press)[-_. ]*keys?$",
    re.IGNORECASE,
).search
# Fields of documents that are named for what they look up.
_HARMLESS_MEMBER_KEY = re.compile(
    r"(?:row|hash|object|unique|natural|composite|dict|map|arrow|query|translation|i18n|locale|issue|project|parent|node"
    r"|item|lookup|index|field|property|column|label|tag|context|event|order|message|entity|document|page|next|start|end"
    r"|last|first|min|max|by|config|feature|flag|metric|state|search|join|s3|file|home|any|no)[-_. ]*key$",
    re.IGNORECASE,
).search
_HARMLESS_MEMBER = re.compile(
    r"tokeni[sz]e|(?:max|min|num|total|prompt|completion|input|output)[-_]?tokens?|authenticated|authored",
    re.IGNORECASE,
).search
_IS_COUNT = re.compile(r"tokens$|count|limit|^pass$", re.IGNORECASE).search
# How URLs carry keys, signatures and sessions besides: Google's key, Azure's sig, X-Goog-Signature, Django's.
_SECRET_PARAMETER = re.compile(r"(?i:.*signature|sig|key|hmac|(?:.*[-_.])?sid)|sessionid", re.DOTALL).fullmatch
# Signatures of webhooks are of one body at one time: X-Hub-Signature-256, Stripe-Signature.
# Sessions that log in are those of Airtable, Appwrite, VMware, Metabase and Qlik. Any other (X-Opencode-Session) tells
# runs apart, and is what routers hold them together by.
_SECRET_HEADER = re.compile(
    r"key|(?:x-)?sid|.*-signature(?:-[\w.]+)?|x-(?:airtable|appwrite|dr|metabase|qlik)-session|vmware-api-session-id",
    re.IGNORECASE,
).fullmatch
_HARMLESS_VALUE = re.compile(
    r"|[a-z][a-z_]{0,19}|[A-Za-z]{1,3}|[a-z]{2}[-_][A-Za-z]{2}|\d{1,4}|true|false"
).fullmatch
_IS_PIN = re.compile(r"\d{4,8}").fullmatch
# Of parameters: what OAuth calls so others do too, with a word or a short number in it.
_OF_OAUTH = frozenset({"code", "state", "ticket"})
# A flag, a number or a name is no invitation, and a place on a map or a pin of a board no PIN.
_BY_VALUE: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(("magic", "invite", "invitation"), is_random),
    **dict.fromkeys(("pin", "pin_number", "pinnumber"), _IS_PIN),
}
# A data source has a name that is none, and mail calls its notices so; a mnemonic is an instruction's, too. One that
# opens a wallet has 12 words or more (BIP 39).
_BY_FORM: tuple[tuple[Callable[[str], object], Callable[[str], object]], ...] = (
    (
        re.compile(r"(?<![A-Za-z0-9])(?i:dsn)\d*(?![A-Za-z0-9])|(?<=[a-z0-9])D(?:sn|SN)(?![a-z])").search,
        re.compile(r"://|[;=@]").search,
    ),
    (
        re.compile("mnemonic(?!s)", re.IGNORECASE).search,
        re.compile(r"\s*+(?:[^\W\d_]{2,}+[\s,]++){11,}+[^\W\d_]{2,}+\s*+").fullmatch,
    ),
)


@remembered(_MOST_NAMES)
def is_secret_name(name: str) -> bool:
    """Whether something of this name is taken to hold a secret, wherever it stands."""
    if name.lower() in _SECRET_HEADERS or _HOLDS(name) or _IS_WORD(name) or _IS_PASS(name):
        return True
    return _IS_KEY(name) is not None and _HARMLESS_KEY(name) is None


@remembered(_MOST_NAMES)
def is_secret_header(name: str) -> bool:
    """Whether a header of this name is taken to hold a secret, so that no trace holds it."""
    return is_secret_name(name) or _SECRET_HEADER(name) is not None


def is_secret_parameter(name: str, value: str | None = None) -> bool:
    """Whether a query's or form's parameter of this name is taken to hold a secret.

    value: decoded. Where it is None, names that are told by their value are none.
    """
    if _names_secret_parameter(name):
        return True
    if value is None:
        return False
    if name.lower() in _OF_OAUTH:
        return _HARMLESS_VALUE(value) is None
    return is_secret_by_value(name, value)


def is_told_by_value(name: str) -> bool:
    """Whether a parameter of this name may be a secret or none, by its value."""
    return name.lower() in _OF_OAUTH or name.lower() in _BY_VALUE or is_told_by_form(name)


def is_secret_by_value(name: str, value: str) -> bool:
    """Whether what stands under a name that many things have is a secret: a PIN, the token of an invitation."""
    told = _BY_VALUE.get(name.lower()) or _form(name)
    return told is not None and bool(told(value))


def is_told_by_form(name: str) -> bool:
    """Whether a value of this name that is a secret has a form of its own, in a text as well."""
    return _form(name) is not None


def is_secret_value(name: str, value: str) -> bool:
    """Whether a text is a secret by the name that it is given, or by that and its form."""
    if is_secret_member(name):
        return True
    told = _form(name)
    return told is not None and bool(told(value))


@remembered(_MOST_NAMES)
def _form(name: str) -> Callable[[str], object] | None:
    return next((has_form for is_one, has_form in _BY_FORM if is_one(name)), None)


@remembered(_MOST_NAMES)
def _names_secret_parameter(name: str) -> bool:
    return is_secret_name(name) or _SECRET_PARAMETER(name) is not None


@remembered(_MOST_NAMES)
def is_secret_member(name: str) -> bool:
    """Whether a member of a JSON object, or a part of a form, of this name is taken to hold a secret."""
    return is_secret_name(name) and not _HARMLESS_MEMBER(name) and not _HARMLESS_MEMBER_KEY(name)


def is_count(name: str) -> bool:
    """Whether a number of this name is a count, though the name is a secret's, as of `input_tokens`."""
    return _IS_COUNT(name) is not None
