"""Requests of the `http-file` format: `.http` files, as REST clients of VS Code, Visual Studio and JetBrains read them.

Requests stand between lines that begin with `###`: a line `METHOD URL HTTP/1.1`, its headers, a blank line, its body.
A path alone is of the Host that stands among the headers, as in VS Code. A query of GraphQL (by the method GRAPHQL, or
X-REQUEST-TYPE) goes out as JSON, with the variables below its blank line.
`@name = value` sets what `{{name}}` stands for; what nothing sets is its name. Comments and scripts (`> {% %}`,
`< {% %}`) are dropped, and bodies out of files (`< path`) counted. The format is that of JetBrains'
http-request-in-editor-spec. What becomes of a request is said in replay/importers/captures/targets.py.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from replay.importers.captures.targets import Target, TargetLayout
from replay.reading.damage import Damage
from replay.reading.text_lines import read_lines
from replay.reading.written_values import absolute, filled_in, kept_value
from replay.trace.errors import TraceError, shown_path

_NONE = Damage(is_refused=True)
_METHODS = "GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|TRACE|CONNECT|GRAPHQL"
# A URL without its scheme, which may stand behind a method.
_HOST = r"(?:localhost|[\w\-]{1,100}(?:\.[\w\-]{1,100}){1,9}|[\w\-]{1,100}(?=:\d))(?::\d{1,5})?(?=[/?\s]|$)"
_REQUEST = re.compile(
    rf"(?:(?P<method>{_METHODS})\s{{1,20}})?(?P<url>(?:https?://|\{{\{{|/(?!/)|(?<=\s){_HOST})[^\n]*+)"
).fullmatch
_VERSION = re.compile(r"HTTP/[\d.]{1,5}").fullmatch
_VALUE = re.compile(r"@(?P<name>[\w.\-]{1,200})\s*=\s*(?P<value>.*)").fullmatch
_HEADER = re.compile(r"(?P<name>[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,200})\s*:\s*(?P<value>.*)").fullmatch
_SNIFFED = re.compile(
    rf"^(?:{_METHODS})[^\S\n]{{1,20}}(?:\S+(?P<version>\s+HTTP/[\d.]+)?\s*|(?:https?://|\{{\{{|/(?!/))[^\n]*)$".encode(),
    re.MULTILINE,
)
_PARTED = re.compile(rb"^(?:###|@[\w.\-]+\s*=)", re.MULTILINE).search
_COMMENTS = ("#", "//")
_IS_GRAPHQL = "x-request-type"
_IS_SELECTION = re.compile(r"\{\s*[A-Za-z_.#]").match
_TLS_PORTS = (":443", ":8443")
_SCRIPT = re.compile(r"[<>]\s+\{%").match


def _tells(first_bytes: bytes) -> bool:
    found = _SNIFFED.search(first_bytes)
    if found is None or not (found["version"] or _PARTED(first_bytes)):
        return False
    above = first_bytes[: found.start()].decode("utf-8-sig", "replace").splitlines()
    return all(_is_around(text.strip()) for _, text in _without_scripts(enumerate(above)))


def _is_around(text: str) -> bool:
    """Whether a line may stand above a request: a blank, a comment, a file with a script, a value."""
    return not text or text.startswith((*_COMMENTS, "< ")) or _VALUE(text) is not None


def _without_scripts(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The lines around `< {% ... %}` and `> {% ... %}`, and last the first line of one that is not closed."""
    script: tuple[int, str] | None = None
    for n, text in lines:
        if script is not None or _SCRIPT(text):
            script = None if "%}" in text else script or (n, text)
        else:
            yield n, text
    if script is not None:
        yield script


def _read(file: Path) -> Iterator[Target]:
    values: dict[str, str] = {}
    block: list[tuple[int, str]] = []
    for n, line in read_lines(file, _NONE):
        text = line.rstrip("\r\n")
        if text.startswith("###"):
            yield from _request(block, values, file)
            block = []
        else:
            block.append((n, text))
    yield from _request(block, values, file)


def _request(block: Sequence[tuple[int, str]], values: dict[str, str], file: Path) -> Iterator[Target]:
    block = list(_without_scripts(block))
    if block and _SCRIPT(block[-1][1]):
        raise TraceError(f"{shown_path(file)}, line {block[-1][0]}: a script that no %}} closes.")
    for n, text in block:
        value, found = _VALUE(text.strip()), _REQUEST(text.strip())
        if not _is_around(text.strip()) and found is None:
            raise TraceError(
                f"{shown_path(file)}, line {n}: neither a request, a comment nor a value (@name = value)."
            )
        if value is not None:
            values[value["name"]] = kept_value(value["name"], value["value"].strip())
        elif found is not None:
            written, _, last = found["url"].rpartition(" ")
            url = filled_in(
                (written.strip() if _VERSION(last) else found["url"]) + _continued(block, n), values
            )
            rest = [line for at, line in block if at > n]
            place = f"{shown_path(file)}, line {n}"
            headers, body, has_file_body = _parts(rest, values, place)
            url = f"{_origin(headers)}{url}" if url.startswith("/") else absolute(url)
            method = found["method"] or "GET"
            if method == "GRAPHQL" or _asks_graphql(headers):
                method = "POST" if method == "GRAPHQL" else method
                headers, body = _as_graphql(headers, body or b"", place)
            yield Target(place, method, url, headers, body, has_file_body)
            return


def _origin(headers: Sequence[tuple[str, str]]) -> str:
    """Where a path alone is asked for."""
    host = next((value for name, value in headers if name.lower() == "host"), "localhost")
    return f"http{'s' * host.endswith(_TLS_PORTS)}://{host}"


def _asks_graphql(headers: Sequence[tuple[str, str]]) -> bool:
    return (_IS_GRAPHQL, "graphql") in ((name.lower(), value.strip().lower()) for name, value in headers)


def _as_graphql(
    headers: Sequence[tuple[str, str]], body: bytes, place: str
) -> tuple[list[tuple[str, str]], bytes]:
    """The headers and the body as they are sent. Raises TraceError where the variables are no object."""
    query, below = _with_variables(body.decode("utf-8", "replace"))
    asked: dict[str, Any] = {"query": query}
    if below:
        try:
            asked["variables"] = msgspec.json.decode(below, type=dict[str, Any])
        except (msgspec.MsgspecError, RecursionError) as error:
            raise TraceError(f"{place}: the variables below a query of GraphQL are not an object.") from error
    kept = [(name, value) for name, value in headers if name.lower() != _IS_GRAPHQL]
    is_typed = any(name.lower() == "content-type" for name, _ in kept)
    typed = [] if is_typed else [("Content-Type", "application/json")]
    return [*kept, *typed], msgspec.json.encode(asked)


def _with_variables(text: str) -> tuple[str, str]:
    """A query, and the object that stands behind a blank line below it; empty where none does.

    A query has blank lines and braces of its own, too, behind which a field stands first, a fragment, or a comment.
    """
    lines = text.rstrip().splitlines(keepends=True)
    places = range(len(lines) - 1, 0, -1)
    begins = next((n for n in places if lines[n].lstrip().startswith("{") and not lines[n - 1].strip()), 0)
    query, below = "".join(lines[:begins]).rstrip(), "".join(lines[begins:]).strip()
    is_object = below.startswith("{") and not _IS_SELECTION(below)
    return (query, below) if query.endswith("}") and is_object else (text, "")


def _continued(block: Sequence[tuple[int, str]], n: int) -> str:
    """The query, where it goes on in lines below that begin with ? or &."""
    found = ""
    for at, text in block:
        if at > n:
            if not text.strip().startswith(("?", "&")):
                break
            found += text.strip()
    return found


def _parts(
    lines: Sequence[str], values: Mapping[str, str], place: str
) -> tuple[list[tuple[str, str]], bytes | None, bool]:
    """The headers, the body, and whether the body stands in another file."""
    headers: list[tuple[str, str]] = []
    body: list[str] | None = None
    has_file_body = False
    for text in lines:
        if body is None:
            header = _HEADER(text.strip())
            if not text.strip():
                body = []
            elif _SNIFFED.match(text.encode("utf-8", "replace")):
                raise TraceError(
                    f"{place}: another request stands in its headers. Separate them with a line ###."
                )
            elif header is not None and not text.startswith(_COMMENTS):
                name, value = filled_in(header["name"], values), filled_in(header["value"], values)
                headers.append((name, value))
        elif text.startswith("< "):
            has_file_body = True
        elif not text.startswith(("> ", ">> ", "<> ")):
            body.append(text)
    content = filled_in(_laid_out(body or (), headers), values)
    return headers, content.encode("utf-8", "replace") or None, has_file_body


def _laid_out(body: Sequence[str], headers: Sequence[tuple[str, str]]) -> str:
    """The body as clients send it: a form's lines as one, and parts of a form with the line ends that they need."""
    kind = next((value.lower() for name, value in headers if name.lower() == "content-type"), "")
    text = "\n".join(body).strip()
    if kind.startswith("application/x-www-form-urlencoded"):
        return "".join(line.strip() for line in text.split("\n")).replace(" ", "%20")
    return text.replace("\n", "\r\n") + "\r\n" if kind.startswith("multipart/") and text else text


HTTP_FILE = TargetLayout(
    "http-file",
    ".http files of editors' REST clients; they have no times",
    _tells,
    _read,
    "no requests.",
    ".http",
)
