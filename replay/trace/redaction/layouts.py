"""Secrets that the layout of a text tells: elements of XML, blocks and pairs of YAML, columns of tables. Pure."""

import re

from replay.trace.redaction.names import REDACTED, is_secret_header, is_secret_member
from replay.trace.redaction.references import is_reference

_ELEMENT = re.compile(
    r"<(?P<name>[A-Za-z_][\w.\-:]{0,100}+)(?P<rest>[^<>]{0,1000}+)>"
    r"(?P<value>\s{0,100}+<!\[CDATA\[(?:[^\]<]|\](?!\]>)|<(?!!)){1,8000}+\]\]>\s{0,100}+|[^<>]{1,8000}+)(?=</)"
)
_PAIR = re.compile(
    r"(?P<head>\b(?:key|name)=[\"'](?P<name>[\w.\-:]{1,100}+)[\"']\s+value=[\"'])(?P<value>[^\"'\n]{1,8000}+)",
    re.IGNORECASE,
)
# https://developer.apple.com/library/archive/documentation/Cocoa/Conceptual/PropertyLists: of a property list.
_PLIST_PAIR = re.compile(
    r"(?P<head><key>(?P<name>[\w .\-]{1,100}+)</key>\s{0,100}+<(?:string|data)>)(?P<value>[^<>]{1,8000}+)"
)
# variable "db_password" { default = "..." }, of Terraform.
_DEFAULT = re.compile(
    r"(?P<head>\bvariable\s{1,10}\"(?P<name>[\w\-]{1,100}+)\"\s{0,10}\{[^{}]{0,1000}?\bdefault\s{0,20}=\s{0,20}\")"
    r"(?P<value>[^\"\n]{1,4000}+)"
)
_YAML_PAIR = re.compile(
    r"(?P<head>\b(?:name|key):[ \t]*+[\"']?(?P<name>[\w.\-]{1,100}+)[\"']?[ \t]*+\n[ \t]*+value:[ \t]*+[\"']?)"
    r"(?P<value>[^\s\"'][^\n\"']{0,4000}+)"
)
# https://kubernetes.io/docs/concepts/configuration/secret/: all that data and stringData hold.
_IS_SECRET_OBJECT = re.compile(r"\bkind:[ \t]*+[\"']?(?:Sealed)?Secret\b").search
_DATA = re.compile(
    r"^(?P<head>(?P<indent>[ \t]*+)(?:data|stringData):[ \t]*+\n)(?P<block>(?:(?P=indent)[ \t][^\n]*+(?:\n|\Z))++)",
    re.MULTILINE,
)
_LINE_OF_DATA = re.compile(
    r"^(?P<head>[ \t]*+(?:[\w.\-]{1,253}+:[ \t]*+)?)(?P<value>[^\s|>][^\n]*+|[|>][^\n]+)$", re.MULTILINE
)
_INSERT = re.compile(
    r"\binsert\s+into\s+\S{1,200}?\s*+\((?P<names>[^()]{1,4000}+)\)\s*+values\s*+"
    r"(?P<rows>\((?:[^()']|'(?:[^']|'')*+')*+\)(?:\s*+,\s*+\((?:[^()']|'(?:[^']|'')*+')*+\))*+)",
    re.IGNORECASE,
)
_VALUE_OF_ROW = re.compile(r"(?P<before>\A|,)(?P<cell>(?:[^,']|'(?:[^']|'')*+')*+)")
_ROW = re.compile(r"[^(),']*+'(?:[^']|'')*+'[^(),']*+|[^(),']++")
_ROW = re.compile(r"\((?:[^()']|'(?:[^']|'')*+')*+\)")
_COLUMNS = re.compile(
    r"\s*+[\w .\-\"]{1,60}+(?:(?P<mark>[,;\t])[\w .\-\"]{1,60}+)(?:(?P=mark)[\w .\-\"]{0,60}+)*+\r?\n"
).match


def without_laid_out_secrets(text: str) -> str:
    """The text with what its layout tells to be a secret replaced."""
    if "</" in text:
        text = _ELEMENT.sub(_element, text)
    if "value=" in text.lower():
        text = _PAIR.sub(_named_value, text)
    if "</key>" in text:
        text = _PLIST_PAIR.sub(_named_value, text)
    if "variable" in text and "default" in text:
        text = _DEFAULT.sub(_named_value, text)
    if "value:" in text:
        text = _YAML_PAIR.sub(_named_value, text)
    if "ecret" in text and _IS_SECRET_OBJECT(text):
        text = _DATA.sub(lambda found: found["head"] + _LINE_OF_DATA.sub(_of_data, found["block"]), text)
    if "nsert" in text or "NSERT" in text:
        text = _INSERT.sub(_inserted, text)
    columns = _COLUMNS(text)
    return text if columns is None else _without_columns(text, columns.end(), columns["mark"])


def _element(found: "re.Match[str]") -> str:
    name = found["name"].rpartition(":")[2]
    if not is_secret_member(name) or not found["value"].strip():
        return found[0]
    return f"<{found['name']}{found['rest']}>{REDACTED}"


def _named_value(found: "re.Match[str]") -> str:
    return (
        f"{found['head']}{REDACTED}"
        if is_secret_header(found["name"]) and not is_reference(found["value"])
        else found[0]
    )


def _of_data(found: "re.Match[str]") -> str:
    return found[0] if is_reference(found["value"]) else f"{found['head']}{REDACTED}"


def _inserted(found: "re.Match[str]") -> str:
    """The values of columns that are named like secrets go, in every row."""
    secret = _secret_columns(found["names"].split(","))
    if not secret:
        return found[0]

    def row(told: "re.Match[str]") -> str:
        return "(" + _without_cells(told[0][1:-1], _VALUE_OF_ROW, secret, f"'{REDACTED}'") + ")"

    begin = found.start("rows") - found.start()
    return found[0][:begin] + _ROW.sub(row, found["rows"])


def _without_columns(text: str, begin: int, mark: str) -> str:
    """A table, a row a line, without the values of columns that are named like secrets."""
    names = text[:begin].strip().split(mark)
    secret = _secret_columns(names)
    if not secret:
        return text
    cell = re.compile(rf'(?P<before>\A|{mark})(?P<cell>"(?:[^"]|"")*+"|[^{mark}\r\n]*+)')
    rows = (
        _without_cells(row, cell, secret, REDACTED) if row.count(mark) >= len(names) - 1 else row
        for row in text[begin:].split("\n")
    )
    return text[:begin] + "\n".join(rows)


def _secret_columns(names: list[str]) -> set[int]:
    return {n for n, name in enumerate(names) if is_secret_member(name.strip().strip("\"'`[]"))}


def _without_cells(row: str, cells: "re.Pattern[str]", secret: set[int], put: str) -> str:
    pieces: list[str] = []
    end = 0
    for n, found in enumerate(cells.finditer(row)):
        held = found["cell"].strip().strip("\"'")
        if n in secret and held and not is_reference(held):
            pieces += (row[end : found.start("cell")], put)
            end = found.end()
    return "".join([*pieces, row[end:]])
