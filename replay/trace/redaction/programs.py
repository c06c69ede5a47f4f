"""Secrets that a program takes by the place at which they stand, or that sentences and tables call one. Pure.

What a program stores under a name that its user chose (`vault kv put`, `--from-literal`) is one, whatever the name.
Each search is bounded, and is made only where a word stands in the text without which it finds nothing.
"""

import re

from replay.trace.redaction.names import REDACTED, is_secret_member
from replay.trace.redaction.references import is_reference, is_word

_VALUE = r"[\"']?(?P<value>(?![-/&|])[^\s\"'&|;]{1,1000}+)"
_IN = r"\b[^\n|;&]{0,300}?\s"
_OPTIONS = r"(?:-\S{1,50}\s+){0,3}"
_PLACES = tuple(
    (word, re.compile(rf"\b(?P<head>{pattern}){_VALUE}"))
    for word, pattern in (
        ("cqlsh", rf"cqlsh{_IN}-p[ =]?"),
        ("ipmitool", rf"ipmitool{_IN}-P[ =]?"),
        ("snmp", rf"snmp\w{{2,12}}{_IN}-c\s+"),
        ("freerdp", rf"[xw]l?freerdp{_IN}/p:"),
        ("lftp", rf"lftp{_IN}-u\s+[\"']?[^\s,\"']{{1,200}},"),
        (
            "rabbitmqctl",
            rf"rabbitmqctl\s+{_OPTIONS}(?:add|change|authenticate)_(?:user|password)\s+\S{{1,200}}\s+",
        ),
        ("nmcli", rf"nmcli{_IN}(?:password|wifi-sec\.psk)\s+"),
        ("pypi-token", rf"poetry\s+config\s+{_OPTIONS}pypi-token\.\S{{1,100}}\s+"),
        ("http-basic", rf"poetry\s+config\s+{_OPTIONS}http-basic\.\S{{1,100}}\s+\S{{1,200}}\s+"),
        ("nuget", r"nuget\s+(?:push\s+\S{1,300}|setapikey)\s+"),
        ("refresh-token", r"auth\s+activate-refresh-token\s+\S{1,200}\s+"),
        ("mc ", r"mc\s+(?:alias\s+set|config\s+host\s+add)\s+\S{1,100}\s+\S{1,300}\s+\S{1,200}\s+"),
        ("bundle", r"bundle\s+config\s+(?:set\s+)?(?:--\w{1,10}\s+)?[\w.\-]{1,100}\s+[\w.\-]{1,100}:"),
        ("pgpass", r"[\w.\-*]{1,200}:(?:\d{2,5}|\*):[^:\s]{1,100}:[^:\s]{1,100}:"),
        ("configure", r"aws\s+configure\b[^\n]{0,100}<<[^\n]{1,40}\n[^\n]{0,200}\n"),
        ("encrypt_string", r"ansible-vault\s+encrypt_string\s+(?:--?\S{1,50}[ =]\S{1,200}\s+){0,4}?"),
        ("ENV ", r"ENV\s+(?P<name>\w{1,100})[ \t]+"),
        ("auth=(", r"auth=\(\s*[\"'][^\"'\n]{1,200}[\"'],\s*(?=[\"'])"),
        ("Auth(", r"(?:Basic|Digest)Auth\(\s*[\"'][^\"'\n]{1,200}[\"'],\s*(?=[\"'])"),
        ("getConnection(", r"getConnection\(\s*[^\s,()]{1,300},\s*\"[^\"\n]{1,200}\",\s*(?=\")"),
    )
)
# Several such pairs stand in one command: each search takes one more.
_PAIR = r"[\w.\-]{1,253}=[\"']?)(?P<value>(?!redacted|@)[^\s\"'@]{1,4000}+)"
_MORE = r"(?:[^\s|;&]{1,300}\s+)"
_STORED = tuple(
    (word, re.compile(rf"(?P<head>{pattern}{_PAIR}"))
    for word, pattern in (
        ("from-literal", r"--from-literal[ =][\"']?"),
        ("vault ", rf"\bvault\s+(?:kv\s+(?:put|patch)|write)\s+{_MORE}{{1,8}}?"),
        ("secrets ", rf"\bsecrets\s+(?:set|put)\s+{_MORE}{{0,8}}?"),
        ("config:set", rf"\bconfig:set\s+{_MORE}{{0,8}}?"),
    )
)
_MOST_STORED = 9
# A word that a sentence or a table calls one: letters of both kinds and digits.
_SAYS = ("passw", "passcode", "passphrase", "token", "secret", " key", "-key", "_key", "apikey")
_SAID = re.compile(
    r"(?P<head>\b(?:password|passwd|passcode|passphrase|(?:api|access|secret)[ _-]?key|token|secret)"
    r"(?:\s(?:is|was)|\s?[:=])?\s{1,3}[\"'`*]{0,3})(?P<value>[A-Za-z0-9!@#$%^&*+=~\-]{8,200}+)(?![\w./:(\[])",
    re.IGNORECASE,
)
_CELL = re.compile(
    r"(?P<head>\|[ \t*`]{0,10}+(?P<name>[A-Za-z][\w.\-]{1,60}+)[ \t*`]{0,10}+\|[ \t*`]{0,10}+)"
    r"(?P<value>[^\s|*`]{8,1000}+)"
)
# The name of a class, as code has them, is of whole words. A password may be, too; a key or a token is not.
_WORDS = re.compile(r"[A-Z]*[a-z]+|[A-Z]+|\d+|[^A-Za-z\d]+")
_WHOLE_WORD = re.compile(r"[A-Z]?(?P<word>[a-z]{3,40})|[A-Z]{2,5}|\d{1,2}")
_LEAST_OF_WORDS = 0.5


def without_placed_secrets(text: str, lower: str) -> str:
    """The text with what programs, sentences and tables take for a secret replaced. lower: in small letters."""
    for word, pattern in _PLACES:
        if word in text:
            text = pattern.sub(_value, text)
    for word, pattern in _STORED:
        if word in text:
            for _ in range(_MOST_STORED):
                before, text = text, pattern.sub(_value, text)
                if text == before:
                    break
    for word in _SAYS:
        if word in lower:
            text = _SAID.sub(_likely, text)
            return _CELL.sub(_likely, text) if "|" in text else text
    return text


def _value(found: "re.Match[str]") -> str:
    name = found.groupdict().get("name")
    is_other = name is not None and (not is_secret_member(name) or is_word(found["value"]))
    if is_other or is_reference(found["value"]):
        return found[0]
    return found[0][: found.start("value") - found.start()] + REDACTED


def _likely(found: "re.Match[str]") -> str:
    """A value, where no word, number, name of a version or name of code looks like it."""
    value = found["value"]
    is_likely = any(map(str.islower, value)) and any(map(str.isupper, value)) and any(map(str.isdigit, value))
    if is_likely and "pass" not in found["head"].lower():
        is_likely = not is_name_of_code(value)
    return _value(found) if is_likely else found[0]


def is_name_of_code(value: str) -> bool:
    """Whether it looks like the name of a class. Of random letters and digits, one in 150 of twelve, and one in 2,500
    of twenty, is taken for one."""
    parts = _WORDS.findall(value)
    if len(parts) > 1 and len(parts[-1]) == 1 and parts[-1].isupper():  # as in ClassName2X
        parts = parts[:-1]
    words = [_WHOLE_WORD.fullmatch(part) for part in parts]
    in_words = sum(len(word["word"] or "") for word in words if word is not None)
    return None not in words and in_words >= _LEAST_OF_WORDS * len(value)
