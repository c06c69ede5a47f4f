"""Secrets in what a recording calls things: names, models, ids of sessions, attributes, names of headers. Pure.

Importers take paths, bodies and values of headers through their own redactors. These short texts come from anywhere in
a recording (a user agent, an id of a request, a span's name), and are gone through at the end, whoever made the
session.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from replay.trace.redaction.names import REDACTED
from replay.trace.redaction.secrets import without_secrets
from replay.trace.remembered import remembered
from replay.trace.types import Session, Step

_MOST_LABELS = 4096
# No secret is told in so few letters, nor in a hexadecimal id.
_IS_HARMLESS = re.compile(r"[\w.\-/ *]{0,14}+|[0-9a-fA-F\-]{0,64}+").fullmatch


def sessions_without_secrets(sessions: Iterable[Session]) -> Iterator[Session]:
    """The sessions, with such texts replaced; a session whose id holds a secret is numbered."""
    numbered = 0
    for session in sessions:
        if label_without_secrets(session.id) != session.id:
            numbered += 1
            session.id = f"{REDACTED}-{numbered}"
        session.attributes = _clean_all(session.attributes)
        for step in session.steps:
            _clean_labels(step)
        yield session


def _clean_labels(step: Step) -> None:
    step.name = label_without_secrets(step.name)
    if step.attributes:
        step.attributes = _clean_all(step.attributes)
    if step.llm is not None and step.llm.model is not None:
        step.llm.model = label_without_secrets(step.llm.model)
    if step.request is not None and step.request.headers:
        headers = step.request.headers
        step.request.headers = {
            name: label_without_secrets(text)
            for name, text in headers.items()
            if label_without_secrets(name) == name
        }


def _clean_all(labels: Mapping[str, str]) -> dict[str, str]:
    return {label_without_secrets(name): label_without_secrets(text) for name, text in labels.items()}


def label_without_secrets(text: str) -> str:
    """One such text, with everything in it replaced that is a secret."""
    return text if _IS_HARMLESS(text) else _without(text)


@remembered(_MOST_LABELS)
def _without(text: str) -> str:
    return without_secrets(text)
