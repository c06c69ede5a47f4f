"""Every regular expression of ours takes time in proportion to the text, whatever stands in it.

Texts come from traces, recorded traffic, logs and answers, so none is to be trusted. For each pattern, texts are made
from its own parts: what leads to a repetition, with that repetition pumped up, again and again. Whether time grows with
the length or with its square is told from two lengths, and by processor time, as far apart as 4 and 16.
"""

import ast
import importlib
import pkgutil
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from re import _parser as parser
from typing import Any

import pytest

import replay
from replay.dialects.documents import read_cut_document
from replay.trace.redaction.requests import Redactor

PACKAGE = Path(replay.__file__).parent
SHORT, LONG = 1 << 11, 1 << 13
# Of 8 KiB, far more than any linear pattern takes: below this nothing is compared.
QUICK_S = 0.01
ANCHORED = ("match", "fullmatch")


def kept_patterns() -> Iterator[tuple[str, str, Any]]:
    """Those that modules keep: one of a pattern's methods, or a pattern with the methods that its module calls."""
    for info in pkgutil.walk_packages(replay.__path__, "replay."):
        if info.name.startswith(("replay.__main__", "replay.importers.captures.mitmproxy")):
            continue
        module = importlib.import_module(info.name)
        source = Path(module.__file__).read_text()
        for name, value in vars(module).items():
            for one in flat(value):
                if isinstance(getattr(one, "__self__", None), re.Pattern):
                    yield f"{info.name}.{name}", one.__name__, one.__self__
                elif isinstance(one, re.Pattern):
                    called = set(re.findall(rf"\b{name}\.(\w+)\(", source)) or {"sub"}
                    for how in {how if how in ANCHORED else "finditer" for how in called}:
                        yield f"{info.name}.{name}", how, one


def flat(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple | list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from flat(one)
    else:
        yield value


def patterns_in_calls() -> Iterator[tuple[str, str, Any]]:
    """Those that are written where they are used."""
    for path in PACKAGE.rglob("*.py"):
        source = path.read_text()
        # Each worker asks for this, of some eight hundred modules.
        if not re.search(r"\bre\.\w+\(", source):
            continue
        for node in ast.walk(ast.parse(source)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "re"
                and node.func.attr in ("match", "fullmatch", "search", "sub", "split", "findall", "finditer")
                and isinstance(node.args[0], ast.Constant)
            ):
                how = node.func.attr if node.func.attr in ANCHORED else "finditer"
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", how, re.compile(node.args[0].value)


PATTERNS = sorted(
    {*kept_patterns(), *patterns_in_calls()}, key=lambda found: (found[0], found[1], str(found[2].pattern))
)


def witnesses(parsed: Any) -> list[str]:
    """Short texts that a parsed pattern matches, looking around aside."""
    texts = [""]
    for operation, argument in parsed:
        texts = [text + more for text in texts[:6] for more in of_one(str(operation), argument)[:6]]
    return texts


def of_one(operation: str, argument: Any) -> list[str]:
    match operation:
        case "LITERAL":
            return [chr(argument)]
        case "NOT_LITERAL":
            return [c for c in 'a- "' if ord(c) != argument]
        case "ANY":
            return ["a", '"']
        case "IN":
            return list(of_class(argument))
        case "BRANCH":
            return [text for way in argument[1] for text in witnesses(way)[:2]]
        case "SUBPATTERN":
            return witnesses(argument[3])
        case "ATOMIC_GROUP":
            return witnesses(argument)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return [text * max(argument[0], 1) for text in witnesses(argument[2])]
    return [""]


def of_class(members: Any) -> Iterator[str]:
    names = [str(operation) for operation, _ in members]
    if names[0] == "NEGATE":
        taken = {chr(value) for operation, value in members[1:] if str(operation) == "LITERAL"}
        yield from (c for c in 'a-\\ "=' if c not in taken)
        return
    for operation, value in members:
        match str(operation), str(value):
            case "LITERAL", _:
                yield chr(value)
            case "RANGE", _:
                yield chr(value[0])
            case "CATEGORY", category:
                yield from {"CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " \n"}.get(category, "a")


def attacks(pattern: re.Pattern[Any]) -> Iterator[str]:
    """A few characters each, that repeat without end a place from which the pattern looks far."""
    parsed = parser.parse(
        pattern.pattern, pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
    )
    yield from leads(list(parsed), "")


def leads(parts: list[Any], before: str) -> Iterator[str]:
    for n, (operation, argument) in enumerate(parts):
        name = str(operation)
        if name.endswith("_REPEAT"):
            for lead in {before, *(before + text for text in witnesses(parts[:n])[:4])}:
                for unit in witnesses(argument[2])[:8]:
                    yield lead + unit
                    yield lead + unit * 9
                    yield unit
            yield from leads(list(argument[2]), before + witnesses(parts[:n])[0])
        elif name == "SUBPATTERN":
            yield from leads(list(argument[3]), before + witnesses(parts[:n])[0])
        elif name == "BRANCH":
            for way in argument[1]:
                yield from leads(list(way), before + witnesses(parts[:n])[0])
    yield before + witnesses(parts)[0]


def seconds(search: Callable[[Any], Any], text: str | bytes) -> float:
    began = time.process_time()
    found = search(text)
    if isinstance(found, Iterator):
        deque(found, 0)
    return time.process_time() - began


def slowness(search: Callable[[Any], Any], piece: str, *, is_bytes: bool) -> str | None:
    """What grows faster than the text, if it is seen three times in a row."""
    for end in ("", "\n", "\0"):

        def text(length: int, end: str = end) -> str | bytes:
            whole = (piece * (length // len(piece) + 1))[:length] + end
            return whole.encode("latin-1", "replace") if is_bytes else whole

        for _ in range(3):
            short, long = seconds(search, text(SHORT)), seconds(search, text(LONG))
            if long < QUICK_S or long < 8 * short:
                break
        else:
            return f"{piece!r} ... {end!r}: {short:.3f} s for {SHORT}, {long:.3f} s for {LONG} characters"
    return None


@pytest.mark.parametrize(
    ("where", "how", "pattern"), PATTERNS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_pattern_of_ours_takes_time_in_proportion_to_the_text(where, how, pattern):
    is_bytes = isinstance(pattern.pattern, bytes)
    for piece in {piece for piece in attacks(pattern) if piece}:
        assert slowness(getattr(pattern, how), piece, is_bytes=is_bytes) is None


@pytest.mark.parametrize(
    ("pattern", "how", "piece"),
    [
        (r"eyJ(?<!\weyJ)[A-Za-z0-9_\-]{8,}\.", "finditer", "eyJ-"),
        (r'name="[^"\r\n]*"\r\n(?:[^\r\n]+\r\n)*\r\n', "finditer", 'name="a"\r\n'),
        (r"[a-z]+[0-9a-z]*x", "fullmatch", "a"),
    ],
)
def test_a_pattern_that_takes_the_square_of_it_is_found(pattern, how, piece):
    assert slowness(getattr(re.compile(pattern), how), piece, is_bytes=False)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"eyJ-", "text/plain"),
        (b'name="a"\r\n', "multipart/form-data; boundary=x"),
        (b'\r\n--x\r\nname="password"\r\n', "multipart/form-data; boundary=x"),
        (b"\r\n--x", "multipart/form-data; boundary=x"),
        (b"\r\n--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n", "multipart/mixed; boundary=x"),
        (b'"a":', "text/plain"),
        (b'\\"a\\":\\"', "text/plain"),
        (b'{"a":"', "application/json"),
        (b"a=%41&", "application/x-www-form-urlencoded"),
        (b"bearer  ", "text/plain"),
        (b"-----BEGIN PRIVATE KEY-----", "text/plain"),
    ],
)
def test_redacting_a_body_takes_time_in_proportion_to_it(body, kind):
    redactor = Redactor().of_request([])

    def redact(text: bytes) -> None:
        redactor.body(text, kind)

    assert slowness(redact, body.decode(), is_bytes=True) is None


@pytest.mark.parametrize("piece", ['\\"', '"a', "{", '{"a":', "[1,", '"\\u'])
def test_reading_a_cut_answer_takes_time_in_proportion_to_it(piece):
    assert slowness(lambda text: read_cut_document(b'{"a":"' + text), piece, is_bytes=True) is None
    assert slowness(lambda text: read_cut_document(b"[" + text), piece, is_bytes=True) is None
