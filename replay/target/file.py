"""A target, from its TOML file or its URL."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from replay.keys import explained
from replay.system.files import read_small
from replay.target.errors import TargetError
from replay.target.target import Target, is_by_fast_path
from replay.target.urls import ASGI_PREFIX
from replay.toml import TomlError, read_toml
from replay.trace.redaction.shown_urls import problem_of, shown_url

_NO_URL = 'the key "url" is missing.'
_VERSION = re.compile(r"h(ttp)?[/-]?[123]", re.IGNORECASE)


def load_target(target: str) -> Target:
    """A target from what a user names: a URL (http, https, asgi:module:app) or the path of a TOML file.

    Raises TargetError, saying what is wrong, where, and what to do.
    """
    if not target:
        raise TargetError("the target is empty. Is a variable unset that should name it?")
    if "://" in target or target.startswith(ASGI_PREFIX):
        return _named(_converted({"url": target}, shown_url(target)), "")
    path = Path(target)
    try:
        content = read_small(path)
        written = read_toml(content)
    except FileNotFoundError as cause:
        raise TargetError(
            f"{target}: no such target file. Name a file, or a URL that begins with http:// or https://."
        ) from cause
    except IsADirectoryError as cause:
        raise TargetError(f"{target}: is a folder, not a target file. Name a file, or a URL.") from cause
    except OSError as cause:
        raise TargetError(f"{target}: the target file cannot be read ({cause.strerror}).") from cause
    except TomlError as cause:
        # No table, key or comment begins so, but every trace and every run's manifest does.
        hint = " It looks like JSON: is it a trace, in the target's place?" if content.startswith(b"{") else ""
        raise TargetError(f"{target}: {cause}.{hint}") from cause
    return _named(_converted(written, target), path.stem)


def mcp_server(url: str) -> Target:
    """A target that is one MCP server, by the whole URL at which it takes messages; without a path, /mcp.

    Raises TargetError.
    """
    try:
        parts = urlsplit(url)
    except ValueError as cause:
        raise TargetError(f"{shown_url(url)}: url cannot be read: {problem_of(url, cause)}.") from cause
    path = url[len(f"{parts.scheme}://{parts.netloc}") :]
    written = {
        "url": f"{parts.scheme}://{parts.netloc}",
        "mcp": {"path": path} if path not in ("", "/") else {},
    }
    return _named(_converted(written, shown_url(url)), "")


def _named(target: Target, name: str) -> Target:
    if target.name:
        return target
    return msgspec.structs.replace(target, name=name or urlsplit(target.url).netloc or target.url)


def _converted(written: dict[str, Any], where: str) -> Target:
    """The Target that was written, its transport chosen where the file leaves it open."""
    if "transport" not in written:
        url = written.get("url")
        proxy = written.get("proxy")
        needs_httpx = (isinstance(proxy, str) and not is_by_fast_path(proxy)) or str(url).startswith(
            ASGI_PREFIX
        )
        written = {**written, "transport": "httpx" if needs_httpx else "fast"}
    try:
        return msgspec.convert(written, Target)
    except msgspec.ValidationError as cause:
        why = explained(cause, Target, written)
        # Of all keys it is the only one that has to be there.
        hint = ' The shortest target file is url = "http://127.0.0.1:8080".' if why == _NO_URL else ""
        if why.startswith("transport:") and _VERSION.match(str(written["transport"])):
            why = "transport: chooses no version of HTTP. HTTP/1.1 is spoken, or HTTP/2 with http2 = true."
        raise TargetError(f"{where}: {why}{hint}") from cause
