"""What every importer keeps to, as checks for those who bring one of their own (entry points of `replay.importers`).

    import pytest
    from replay.testing import IMPORTER_CHECKS, Sample

    SAMPLE = Sample(".log", lambda steps, text: "".join(f"{n * 1000} /{text}\\n" for n in range(steps)).encode())

    @pytest.mark.parametrize("check", IMPORTER_CHECKS, ids=lambda check: check.__name__)
    def test_the_importer_keeps_to_the_contract(check, tmp_path):
        check(DoorLog(), SAMPLE, tmp_path)

A check raises AssertionError with a sentence that says what does not hold.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from replay.assembly.types import Importer, ImportOptions, ImportResult
from replay.importers import IMPORTERS
from replay.system.files import write_whole
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter, read_sessions
from replay.trace.types import Edge, Session, Step
from replay.words.numbers import milliseconds

_LONGEST_DESCRIPTION = 120
_LONGEST_NAME = 500
_LONGEST_SAID = 1_000
_HOSTILE = "\x1b[31m[/x]\u202e../../etc/passwd\u2028{{session}}\x7f"
_HUGE = "y" * (1500 << 10)
_SECRET = "sk-proj-" + "AbCdEf0123456789" * 3
_NO_RECORDINGS = (b"", b"null", b"[]", b"{}", b"\n", b"[" * 20_000, b'"', b"NaN", b"\xff\xfe", b"\x00" * 500)
_is_name = re.compile(r"[a-z0-9][a-z0-9_.-]{0,49}").fullmatch


class Sample(NamedTuple):
    """How recordings in a format are written. suffix: of their files, with its dot.

    of(steps, text): one with so many steps, in which the text stands wherever the format has free text, escaped as the
    format escapes it.
    """

    suffix: str
    of: Callable[[int, str], bytes]


Check = Callable[[Importer, Sample, Path], None]


def tells_its_name(importer: Importer, sample: Sample, folder: Path) -> None:
    """Its name can be typed, and it is described in a line."""
    _hold(
        _is_name(importer.name) is not None,
        f"{importer.name!r} is not a valid name: small letters, digits, -, _ and dots",
    )
    _hold(
        0 < len(importer.describe) < _LONGEST_DESCRIPTION and importer.describe.isprintable(),
        f"its description is not one line of at most {_LONGEST_DESCRIPTION} characters",
    )


def knows_its_own_format(importer: Importer, sample: Sample, folder: Path) -> None:
    """A recording is known by its beginning to be of this format, and of none that is built in."""
    for steps in (1, 5):
        start = sample.of(steps, "x")
        _hold(importer.sniff(start), f"it does not know a recording of {steps} steps")
        known = [name for name, other in IMPORTERS.items() if name != importer.name and other.sniff(start)]
        _hold(not known, f"its recordings are taken for {', '.join(known)}")


def knows_no_other(importer: Importer, sample: Sample, folder: Path) -> None:
    """What is no recording at all is not taken for one."""
    for data in _NO_RECORDINGS:
        _hold(not importer.sniff(data), f"it takes {data[:20]!r} for a recording")


def imports_every_step(importer: Importer, sample: Sample, folder: Path) -> None:
    """A recording becomes a valid trace of all its steps, and its notes are sentences."""
    result, out = _imported(importer, sample, folder, sample.of(6, "x"), ImportOptions(name="chosen"))
    steps = sum(len(session.steps) for session in read_sessions(out))
    _hold(steps == 6, f"of 6 steps {steps} are imported")
    _hold(result.header.name == "chosen", "the trace does not have the name that was chosen")
    _hold(bool(result.notes), "it says nothing of what it did: there are no notes")
    for note in result.notes:
        _hold(note.endswith("."), f"a note is not a sentence: {note!r}")


def imports_the_same_twice(importer: Importer, sample: Sample, folder: Path) -> None:
    """Whoever imports a recording again gets the same trace, and its sessions can be read more than once."""
    first, out = _imported(importer, sample, folder, sample.of(6, "x"))
    data = out.read_bytes()
    again, out = _imported(importer, sample, folder, sample.of(6, "x"))
    _hold(out.read_bytes() == data and again.notes == first.notes, "a second import gives another trace")
    _hold(list(first.sessions()) == list(first.sessions()), "its sessions are others when they are read again")


def takes_a_folder_for_its_files(importer: Importer, sample: Sample, folder: Path) -> None:
    """A folder stands for the files in it."""
    inside = folder / "files"
    inside.mkdir()
    path = inside / f"recording{sample.suffix}"
    write_whole(path, sample.of(3, "x"))
    options = ImportOptions(name="n")
    of_file = list(importer.read([path], options).sessions())
    try:
        of_folder = list(importer.read([inside], options).sessions())
    except TraceError as error:
        raise AssertionError(f"a folder with one file is refused: {error}") from error
    _hold(of_file == of_folder, "a folder with one file is imported otherwise than the file")


def starts_steps_when_they_were(importer: Importer, sample: Sample, folder: Path) -> None:
    """Steps that take as long as was recorded start when they did, by the edges between them."""
    result, out = _imported(importer, sample, folder, sample.of(12, "x"))
    resolution_ms = result.header.resolution_ms or 0.001
    for session in read_sessions(out):
        starts_ms = walked_starts_ms(session)
        for step in session.steps:
            off_ms = abs(starts_ms[step.id] - step.at_ms)
            _hold(
                off_ms < resolution_ms,
                f"step {step.id} of {session.id} would start {milliseconds(off_ms)} off its at_ms",
            )


def takes_out_secrets(importer: Importer, sample: Sample, folder: Path) -> None:
    """A key that stands in free text is in no trace, note or name."""
    result, out = _imported(importer, sample, folder, sample.of(3, _SECRET))
    said = out.read_text() + result.header.name + "".join(result.notes)
    _hold(_SECRET not in said, "a key that stands in the recording is in the trace, or in what is said of it")


def takes_any_text(importer: Importer, sample: Sample, folder: Path) -> None:
    """A field that is huge, or holds what moves a terminal's cursor, is imported, cut, or refused in a sentence."""
    for text in (_HUGE, _HOSTILE):
        try:
            result, out = _imported(importer, sample, folder, sample.of(3, text))
        except TraceError as error:
            said = [str(error)]
        else:
            said = [*result.notes, result.header.name]
            for step in _steps(out):
                _hold(len(step.name) <= _LONGEST_NAME, f"a step's name has {len(step.name)} characters")
                path = "/" if step.request is None else step.request.path
                _hold(path.startswith("/"), "a request's path does not begin with /")
        for each in said:
            _hold(
                len(each) < _LONGEST_SAID and each.isprintable(), f"it says what cannot be shown: {each[:80]!r}"
            )


def refuses_what_is_no_recording(importer: Importer, sample: Sample, folder: Path) -> None:
    """What is missing, empty, cut anywhere or no recording gives a trace or a TraceError of one line."""
    whole = sample.of(3, "x")
    empty = folder / "nothing"
    empty.mkdir()
    for path, what in ((folder / f"gone{sample.suffix}", "a missing file"), (empty, "an empty folder")):
        said = _refusal(importer, path)
        _hold(said is not None, f"{what} is not refused")
    cuts = [whole[:at] for at in range(0, len(whole), max(1, len(whole) // 50))]
    for data in (*_NO_RECORDINGS, *cuts, whole + b"\xff\xfe", b"\xff" + whole):
        path = folder / f"any{sample.suffix}"
        write_whole(path, data)
        said = _refusal(importer, path)
        _hold(bool(said) or data != b"", "an empty file is not refused")
        _hold(said is None or "\n" not in said, f"its refusal has several lines: {said!r}")


IMPORTER_CHECKS: tuple[Check, ...] = (
    tells_its_name,
    knows_its_own_format,
    knows_no_other,
    imports_every_step,
    imports_the_same_twice,
    takes_a_folder_for_its_files,
    starts_steps_when_they_were,
    takes_out_secrets,
    takes_any_text,
    refuses_what_is_no_recording,
)
"""All of them: each is told an importer, a sample of its format, and an empty folder that it may write in."""


def walked_starts_ms(session: Session) -> dict[str, float]:
    """When every step of a session is due if each takes what was recorded: the file's rule, told plainly."""
    steps = {step.id: step for step in session.steps}
    starts: dict[str, float] = {}

    def anchor_ms(edge: Edge) -> float:
        parent = steps[edge.step]
        start_ms = start_of(parent)
        if edge.anchor == "start":
            return start_ms
        if edge.anchor == "first_byte":
            assert parent.recorded is not None
            assert parent.recorded.ttft_ms is not None
            return start_ms + parent.recorded.ttft_ms
        return start_ms + (parent.took_ms or 0.0)

    def start_of(step: Step) -> float:
        if step.id not in starts:
            starts[step.id] = max((anchor_ms(edge) + edge.delay_ms for edge in step.after), default=step.at_ms)
        return starts[step.id]

    for step in session.steps:  # recorded order, so parents come first and this does not recurse deeply
        start_of(step)
    return starts


def _imported(
    importer: Importer, sample: Sample, folder: Path, recording: bytes, options: ImportOptions | None = None
) -> tuple[ImportResult, Path]:
    """What is imported of a recording, and the trace that it becomes. Raises TraceError."""
    path = folder / f"recording{sample.suffix}"
    write_whole(path, recording)
    result = importer.read([path], options or ImportOptions())
    return result, _written(result, folder / "out.jsonl")


def _written(result: ImportResult, out: Path) -> Path:
    with TraceWriter(out, result.header) as writer:
        for session in result.sessions():
            writer.write(session)
    return out


def _refusal(importer: Importer, path: Path) -> str | None:
    """Why a path is refused; None where it is imported. Raises AssertionError where it is neither."""
    try:
        _written(importer.read([path], ImportOptions()), path.with_name("refused.out"))
    except TraceError as error:
        return str(error)
    except Exception as error:
        raise AssertionError(
            f"it fails by {type(error).__name__} at what it should refuse: {error}."
        ) from error
    return None


def _steps(trace: Path) -> Iterator[Step]:
    for session in read_sessions(trace):
        yield from session.steps


def _hold(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(f"{otherwise}.")
