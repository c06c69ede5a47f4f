"""What collectors of logs write around each line: container runtimes, docker, compose, kubectl, syslog, journald,
Fluentd, Fluent Bit, Loki.

Pure. A frame is told by most of the first lines having it, and then taken off every line that has it; lines that a
runtime cut in pieces are put together. Frames may stand in one another, as syslog's in a container's.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from replay.importers.logs.json_keys import COLLECTED

TOLD_BY_LINES = 20
_DEEPEST = 3
_LONGEST_PIECES = 1 << 16

_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)"
_TAG = r"[\w./@\-]{1,100}(?:\[\d{1,10}\])?: ?"
_CRI = re.compile(rf"{_ISO} (?:stdout|stderr) (?P<part>[FP])(?::\S{{1,20}})? (?P<line>.*)", re.DOTALL).fullmatch
_COLOUR = r"(?:\x1b\[[\d;]{0,20}m)*"
_SYSLOG_TIME = rf"(?:[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d|{_ISO})"
_STRUCTURED = r"(?:-|(?:\[[^\]\n]{0,2000}\])+)"
# Behind the time of a Classic Load Balancer's line, which is no frame: its name, whom it served, and by whom.
_OF_ELB = r"[\w\-]{1,64} [\d.:a-fA-F\[\]]{3,60} (?:[\d.:a-fA-F\[\]]{3,60}|-) -?\d{1,9}(?:\.\d{1,9})? "
_LABELS = r"\{(?:[A-Za-z_]\w{0,100}=\"(?:[^\"\\]|\\.){0,500}\"(?:, ?)?){0,50}\}"
_PATTERNS = {
    "kubectl's prefix": rf"\[pod/[\w.\-]{{1,253}}(?:[/:][\w.\-]{{1,253}})*\] (?:{_ISO} )?",
    "docker compose's prefix": rf"{_COLOUR}[\w.\-]{{1,100}} *\|{_COLOUR} (?:{_ISO} )?",
    "syslog's prefix (RFC 5424)": rf"<\d{{1,3}}>1 (?:{_ISO}|-)(?: \S{{1,255}}){{4}} {_STRUCTURED} ?",
    "syslog's prefix": rf"(?:<\d{{1,3}}>)?{_SYSLOG_TIME} (?!{_OF_ELB})(?:[\w.:\-]{{1,255}} )?{_TAG}",
    "Loki's prefix": rf"{_ISO} {_LABELS} ",
    "a time in front": rf"{_ISO} (?=\S)(?!{_OF_ELB})",
}
_FOUND = {name: re.compile(pattern).match for name, pattern in _PATTERNS.items()}
_DOCKER = "docker's JSON"
_OBJECTS = {
    "log": _DOCKER,
    "MESSAGE": "journald's JSON",
    "message": "a collector's JSON",
    "msg": "a collector's JSON",
    "textPayload": "a collector's JSON",
    "line": "a collector's JSON",
}
# What these hold is a log of its own only where it tells of requests: every program's own log has messages.
_MAY_HOLD = frozenset({"message", "msg", "textPayload", "line"})
_TELLS_REQUESTS = re.compile(
    r"\"[A-Z]{1,20} [^\"\s]+ HTTP/\d|\A\s*\{|RequestId|\A(?:[A-Z][a-z]{2} [ \d]\d |<\d)"
).search
# An access log's own JSON may have a message beside the request.
_OF_A_REQUEST = re.compile(rb'"(?:status|method|request_method|response_code|DownstreamStatus)"\s*:').search
_CONTAINER = "a container runtime's prefix"
# A collector's time and tag, and the record that it parsed.
_RECORDS = {
    "Fluentd's prefix": re.compile(
        rf"(?P<time>{_ISO})\t[\w./@\-]{{1,255}}\t(?P<line>\{{.*\}})", re.DOTALL
    ).fullmatch,
    "Fluentd's prefix on stdout": re.compile(
        r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})? [+-]\d{4}) [\w./@\-]{1,255}: (?P<line>\{.*\})",
        re.DOTALL,
    ).fullmatch,
    "Fluent Bit's prefix": re.compile(
        r"(?:\[\d{1,9}\] )?[\w./@\-]{1,255}: \[(?:\[(?P<time>\d{1,11}(?:\.\d{1,9})?), \{[^{}]{0,1000}\}\]|"
        r"(?P<before>\d{1,11}(?:\.\d{1,9})?)), (?P<line>\{.*\})\]",
        re.DOTALL,
    ).fullmatch,
}

CLOUDWATCH = "CloudWatch's JSON"
# What `aws logs get-log-events` and `filter-log-events` print, and what a subscription brings.
_IS_CLOUDWATCH = re.compile(
    rb'\s*+\{\s*+"(?:events"\s*+:\s*+\[\s*+\{\s*+"(?:timestamp|ingestionTime|eventId|logStreamName|message)"'
    rb'|messageType"\s*+:\s*+"DATA_MESSAGE")'
).match
_MESSAGE = re.compile(rb'"message"\s*+:\s*+("(?:[^"\\\n]|\\.)*+")')

# What is left of a line; None where it goes on in the next.
Unframe = Callable[[str], str | None]


class Frames:
    """Takes off the frames that the first lines have. taken: their names, outermost first."""

    def __init__(self, first_lines: Sequence[str]) -> None:
        self.taken: list[str] = []
        self._unframes: list[Unframe] = []
        lines = list(first_lines[:TOLD_BY_LINES])
        while lines and len(self.taken) < _DEEPEST:
            found = _frame_of(lines)
            if found is None or found[0] in self.taken:
                return
            name, unframe = found
            self.taken.append(name)
            lines = [line for each in lines if (line := unframe(each))]
            self._unframes.append(_fresh(name) or unframe)

    def line(self, line: str) -> str | None:
        """The line without its frames; None where it goes on in the next, or holds nothing."""
        left: str | None = line
        for unframe in self._unframes:
            if not left:
                return None
            left = unframe(left)
        return left


def is_cloudwatch(first_bytes: bytes) -> bool:
    """Whether a file that begins so is a document of CloudWatch's, with a line of the log in each of its events."""
    return _IS_CLOUDWATCH(first_bytes) is not None


def unframed(first_bytes: bytes) -> list[str]:
    """The first lines of a file without their frames, the last one left out where it may be cut off."""
    if is_cloudwatch(first_bytes):
        lines = [line for text in _MESSAGE.findall(first_bytes) for line in _text_in(text).splitlines()]
    else:
        lines = first_bytes.decode("utf-8", "replace").splitlines()
        if len(lines) > 1 and not first_bytes.endswith(b"\n"):
            lines.pop()
    lines = [text for line in lines[: 2 * TOLD_BY_LINES] if (text := line.strip()) and len(text) < 10_000]
    lines = [line for line in lines if not line.startswith("#")][:TOLD_BY_LINES]
    frames = Frames(lines)
    return [text for line in lines if (text := (frames.line(line) or "").strip())]


def _text_in(raw: bytes) -> str:
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeError):
        return ""


def frames_of(first_lines: Sequence[str], fits: Callable[[str], bool] = lambda line: False) -> Frames:
    """The frames of a file. fits: whether a line needs nothing taken off; where most do not, there are none."""
    first = first_lines[:TOLD_BY_LINES]
    return Frames([] if 2 * sum(map(fits, first)) > len(first) else first)


def lines_without_frames(
    lines: Iterable[tuple[int, str]], frames: Frames, taken: list[str]
) -> Iterator[tuple[int, str]]:
    """The lines of a file, numbered, without their frames, whose names are added to taken."""
    if not frames.taken:
        yield from lines
        return
    taken += (name for name in frames.taken if name not in taken)
    for n, line in lines:
        left = frames.line(line)
        if left is not None and (text := left.strip()):
            yield n, text


def _frame_of(lines: Sequence[str]) -> tuple[str, Unframe] | None:
    """The frame that most of these lines have, with what takes it off."""
    enough = len(lines) // 2 + 1
    if sum(_CRI(line) is not None for line in lines) >= enough:
        return _CONTAINER, _Cri()
    for name, match in _RECORDS.items():
        if sum(match(line) is not None for line in lines) >= enough:
            return name, _Record(name)
    for key, name in _OBJECTS.items():
        texts = [text for line in lines if (text := _text_of(line, key)) is not None]
        if len(texts) >= enough and (key not in _MAY_HOLD or any(map(_TELLS_REQUESTS, texts))):
            return name, _Object(key)
    for name, match in _FOUND.items():
        if sum(match(line) is not None for line in lines) >= enough:
            return name, _Prefix(name)
    return None


def _fresh(name: str) -> Unframe | None:
    """One that has seen no line, of those that remember."""
    return _Cri() if name == _CONTAINER else _Object("log") if name == _DOCKER else None


class _Prefix:
    def __init__(self, name: str) -> None:
        self._match = _FOUND[name]

    def __call__(self, line: str) -> str:
        found = self._match(line)
        return line if found is None else line[found.end() :]


class _Record:
    """A record behind the time that its collector took out of it, and puts in again, for records that have none."""

    def __init__(self, name: str) -> None:
        self._match = _RECORDS[name]

    def __call__(self, line: str) -> str:
        found = self._match(line)
        if found is None:
            return line
        told = found.groupdict()
        time = told["time"] or told.get("before")
        inside = found["line"][1:]
        return f'{{"{COLLECTED}":"{time}"{"" if inside.strip() == "}" else ","}{inside}'


class _Cri:
    """Kubernetes' container runtime interface: a time, a stream, and whether the line goes on (P) or is full (F)."""

    def __init__(self) -> None:
        self._begun = ""

    def __call__(self, line: str) -> str | None:
        found = _CRI(line)
        if found is None:
            return line
        whole = self._begun + found["line"]
        self._begun = whole if found["part"] == "P" and len(whole) < _LONGEST_PIECES else ""
        return None if self._begun else whole


class _Object:
    """An object around each line; docker's writes a long line in pieces, of which only the last has its end."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._begun = ""

    def __call__(self, line: str) -> str | None:
        text = _text_of(line, self._key)
        if text is None:
            return line
        whole = self._begun + text
        is_piece = self._key == "log" and not text.endswith("\n") and '"stream"' in line
        self._begun = whole if is_piece and len(whole) < _LONGEST_PIECES else ""
        return None if self._begun else whole


def _text_of(line: str, key: str) -> str | None:
    if not line.startswith("{") or f'"{key}"' not in line:
        return None
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if not isinstance(found, dict) or (
        key in ("message", "msg") and _OF_A_REQUEST(line.encode("utf-8", "replace"))
    ):
        return None
    value = found.get(key)
    if isinstance(value, list) and all(isinstance(each, int) and 0 <= each < 256 for each in value):
        return bytes(value).decode("utf-8", "replace")  # as journald writes what is no text to it
    return value if isinstance(value, str) else None
