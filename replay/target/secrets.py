"""The secrets of a target: taken from the environment, and shown in no file."""

import os
from collections.abc import Iterable
from typing import Any

import msgspec

from replay.target.errors import TargetError
from replay.target.target import Target
from replay.trace.redaction.secrets import may_be_secret
from replay.trace.redaction.shown_urls import REDACTED, shown_url


def secret_from_env(variable: str) -> str:
    """The value of an environment variable that a target file names; raises TargetError where it is not set."""
    value = os.environ.get(variable, "")
    if not value:
        raise TargetError(f"the environment variable {variable} is not set; the target takes a secret from it.")
    if not value.strip():
        raise TargetError(
            f"the environment variable {variable} holds blanks alone; the target takes a secret from it."
        )
    if not value.isprintable():
        raise TargetError(
            f"the environment variable {variable} holds a line end, another control character, or bytes that are not "
            "UTF-8."
        )
    return value


def lacks(places: Iterable[Target]) -> list[str]:
    """What these need of this machine and do not find: secrets in the environment, and files; each once, in words."""
    missing: dict[str, None] = {}
    for place in places:
        logins = () if place.login is None else place.login.variables
        for variable in (*place.auth.variables, *logins):
            try:
                secret_from_env(variable)
            except TargetError as error:
                missing[str(error)] = None
        for name in ("ca_file", "client_cert", "client_key"):
            path = getattr(place.tls, name)
            if path is not None and not os.access(path, os.R_OK):
                missing[f"{name} {path} under [tls] cannot be read."] = None
    return list(missing)


def redacted(target: Target) -> dict[str, Any]:
    """The target as it may be written to a file: no secret in it."""
    shown: dict[str, Any] = msgspec.to_builtins(target)
    if target.headers:
        shown["headers"] = {
            name: REDACTED if may_be_secret(name, value) else value for name, value in target.headers.items()
        }
    for part in (shown, *shown.get("routes", ())):
        if isinstance(auth := part.get("auth"), dict):
            for keeper in (auth, auth.get("aws", {})):
                if "command" in keeper:
                    keeper["command"] = REDACTED
            if "oauth" in auth:
                auth["oauth"]["token_url"] = shown_url(auth["oauth"]["token_url"])
    if target.login is not None:
        shown["login"] = target.login.redacted()
    for route, part in zip(target.routes, shown.get("routes", ()), strict=True):
        if route.login is not None:
            part["login"] = route.login.redacted()
    for name in ("proxy", "observe"):
        if name in shown:
            shown[name] = shown_url(shown[name])
    return shown
