"""Secrets that commands are given: what an option, a place among the words or the standard input takes for one. Pure.

Each search begins at the name of a program or an option and is bounded, so that it takes time with the length of the
text. Names that a command gives its own values (`--token ...`, `API_KEY=...`) are texts.py's.
"""

import re

from replay.trace.redaction.names import REDACTED, is_secret_member
from replay.trace.redaction.references import is_reference, is_word

# -u ada:secret of curl and its like, and the options that programs read a password from.
_USER = (
    r"(?<!\S)(?P<head>(?:-u|-U|--user|--proxy-user)[ =]?[\"']?[^\s:\"'/]{1,200}+:)(?P<value>[^\s\"'@]{1,1000}+)"
)
_ADDS_USER = (
    r"\b(?P<head>(?:https?|xh|ab|hey)\s(?:[^\n|;&]{0,300}?\s)?(?:-a|-A|--auth)[ =][\"']?(?:[^\s:\"'/]{1,200}+:)?)"
    r"(?P<value>(?!-)[^\s\"'@/]{1,1000}+)(?=[\"']?(?:\s|\Z))"
)
_PROGRAM = (
    r"\b(?P<head>(?:sshpass|mysql\w*|mariadb\w*|mongo\w*|redis-cli|docker\s+login|podman\s+login|az\s+login|unzip|7z|ldap\w+|zip"
    r"|sqlcmd|bcp|twine|useradd|usermod)"
    r"\b[^\n|;&]{0,300}?\s-(?:p|a|w|P)[ =]?[\"']?)(?P<value>(?!-)[^\s\"']{1,1000}+)"
)
_OF_ONE = (
    r"\b(?P<head>(?:doctl\s+auth\b[^\n|;&]{0,100}?\s-t|openssl\s+(?:enc|aes\S{0,20}|des\S{0,20})\b[^\n|;&]{0,300}?\s-[kK]"
    r"|gh\s+secret\s+set\b[^\n|;&]{0,300}?\s(?:-b|--body)|curl\b[^\n|;&]{0,300}?\s-b|ab\b[^\n|;&]{0,300}?\s-C"
    r"|(?:cargo|vault|npm|hf|huggingface-cli)\s+login(?:\s+token=)?|htpasswd\s+-\w{0,10}b\w{0,10}\s+\S{1,300}+\s+\S{1,200}+"
    r"|net\s+use\s+\S{1,100}+\s+\S{1,300}+)(?:[ \t]++|(?<=-[bk])=?)[\"']?)(?P<value>(?![-/])[^\s\"']{1,1000}+)"
)
_JOINED = (
    r"\b(?P<head>(?:(?:sqlplus|sqlldr|impdp|expdp)\s+(?:-\w{1,10}\s+){0,3}[\"']?[\w$#]{1,100}+/"
    r"|(?:smbclient|rpcclient)\b[^\n|;&]{0,300}?\s-U[ =]?[\"']?[^\s%\"']{1,100}+%))(?P<value>[^\s\"'@]{1,1000}+)"
)
# fly secrets set A=..., heroku config:set A=..., whatever the names.
_STORED = (
    r"\b(?P<head>(?:secrets?\s+(?:set|put)|config:set)\s+(?:-{1,2}[\w\-]{1,30}(?:[ =]\S{1,100})?\s+){0,3}[\w\-]{1,100}="
    r"[\"']?)"
    r"(?P<value>[^\s\"']{1,1000}+)"
)
_PIPED = (
    r"\b(?P<head>(?:echo|printf)\s+(?:-n\s+)?[\"']?)(?P<value>[^\s\"'$|]{1,1000}+)(?=[\"']?\s*\|[^|\n]{0,200}?"
    r"(?:--password-stdin|--with-token|sudo\s+-S|passwd|chpasswd|--stdin|secrets?\s+(?:set|put)))"
)
_HERE = (
    r"(?P<head>(?:--password-stdin|--with-token|--stdin|\bsudo\s+-S|\bpasswd|\bread\s+-\w{0,5}s|\bsecrets?\s+(?:set|put)|\blogin)"
    r"\b[^\n|;&<]{0,200}+<<<\s*[\"']?)(?P<value>[^\s\"'$]{1,1000}+)"
)
_EXPECTED = (
    r"(?P<head>assword[: ]{0,3}[\"'*]{0,3}[^\n]{0,20}?\bsend\s+(?:--\s+)?[\"']?)(?P<value>[^\s\"'\\]{1,1000}+)"
)
_OPENSSL = r"(?<![\w.])(?P<head>pass:)(?P<value>[^\s\"']{1,1000}+)"
_NETRC = r"(?<!\S)(?P<head>login\s+\S{1,200}+\s+password\s+)(?P<value>\S{1,1000}+)"
_SQL = r"(?i:(?P<head>\b(?:identified\s+by|password)\s+'))(?P<value>[^'\n]{1,1000}+)"
_SECURE = r"(?i:(?P<head>\bConvertTo-SecureString\s+(?:-String\s+)?[\"']))(?P<value>[^\"'\n]{1,1000}+)"
# Each with words without which it finds nothing.
_PLACES = tuple(
    (words, re.compile(pattern))
    for words, pattern in (
        (("-u", "-U", "-user"), _USER),
        (("-a", "-A"), _ADDS_USER),
        (("-p", "-a", "-w", "-P"), _PROGRAM),
        (("-t", "-k", "-K", "-b", "-C", "login", "net use"), _OF_ONE),
        (("/", "%"), _JOINED),
        (("secret", ":set"), _STORED),
        (("|",), _PIPED),
        (("<<<",), _HERE),
        (("assword",), _EXPECTED),
        (("pass:",), _OPENSSL),
        (("login",), _NETRC),
        (("'",), _SQL),
        (("-", ), _SECURE),
    )
)  # fmt: skip
# setx API_TOKEN ..., npm config set //host/:_authToken ..., aws configure set aws_secret_access_key ...
_SET = re.compile(
    r"(?<![\w\-.])(?P<head>(?:set|setx|setenv|Set-Item|(?<=config )--(?:global|local|system))\s+"
    r"(?:-{1,2}\w{1,20}\s+){0,4}(?P<name>[\w./:@\-]{1,200}+)[ \t]++[\"']?)(?P<value>(?![-=:])[^\s\"']{1,1000}+)",
    re.IGNORECASE,
)
_IS_WRITTEN = re.compile(r"[a-z]+").fullmatch


def without_given_secrets(text: str) -> str:
    """The text with what commands in it are given as a secret replaced."""
    for words, pattern in _PLACES:
        for word in words:
            if word in text:
                text = pattern.sub(_value, text)
                break
    return _SET.sub(_set_value, text) if "set" in text or "Set" in text or "config" in text else text


def command_without_secrets(words: list[str]) -> list[str]:
    """The words of one command, as a program is given them, without what it takes for a secret."""
    text = without_given_secrets(" ".join(words))
    found = text.split(" ")
    return found if len(found) == len(words) else words


def _value(found: "re.Match[str]") -> str:
    return found[0] if is_reference(found["value"]) else f"{found['head']}{REDACTED}"


def _set_value(found: "re.Match[str]") -> str:
    """A name of small letters only may be a word of a sentence."""
    name = found["name"]
    if _IS_WRITTEN(name) or not is_secret_member(name) or is_word(found["value"]):
        return found[0]
    return _value(found)
