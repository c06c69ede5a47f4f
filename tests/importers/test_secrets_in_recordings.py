"""No secret outlives an import: a canary stands in every place that a format has for one, and is looked for after."""

import sys

import pytest

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.trace.file.stream import TraceWriter
from tests.support.planted_recordings import CANARY, PLANTED, SESSIONS, holds
from tests.support.recordings import FORMATS, in_place_of_mitmproxy


@pytest.fixture(autouse=True)
def _library(monkeypatch):
    for name, module in in_place_of_mitmproxy().items():
        monkeypatch.setitem(sys.modules, name, module)


def trace_of(name, recording, folder, **options):
    """All that an import says and writes."""
    path = folder / f"recording{FORMATS[name].suffix}"
    path.write_text(recording)
    result = IMPORTERS[name].read([path], ImportOptions(**options))
    out = folder / "out.jsonl"
    with TraceWriter(out, result.header) as writer:
        for session in result.sessions():
            writer.write(session)
    assert writer.steps
    return out.read_text() + "\n".join(result.notes)


def test_a_secret_is_planted_in_every_format():
    assert PLANTED.keys() == IMPORTERS.keys()


@pytest.mark.parametrize(
    ("name", "recording"),
    [(name, recording) for name, recordings in PLANTED.items() for recording in recordings],
)
def test_no_secret_outlives_an_import(name, recording, tmp_path):
    assert CANARY in recording or name in ("vegeta", "tshark")  # which hold it in base64, in hexadecimal
    assert not holds(trace_of(name, recording, tmp_path, responses="keep"))


@pytest.mark.parametrize(
    ("name", "recording"),
    [(name, recording) for name, (_, recordings) in SESSIONS.items() for recording in recordings],
)
def test_a_secret_that_tells_sessions_apart_names_none(name, recording, tmp_path):
    assert not holds(trace_of(name, recording, tmp_path, session_by=SESSIONS[name][0]))


@pytest.mark.parametrize("name", ["access-log", "har"])
def test_a_file_that_is_named_like_a_secret_does_not_name_its_trace(name, tmp_path):
    path = tmp_path / f"ghp_{'aB3x' * 9}{FORMATS[name].suffix}"
    path.write_text(FORMATS[name].of(3))

    assert IMPORTERS[name].read([path], ImportOptions()).header.name == "redacted"
