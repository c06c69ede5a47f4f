"""A secret in a recording is shown by no command on the way: neither on the terminal nor in a report of the trace."""

from pathlib import Path

import pytest

from replay.importers import IMPORTERS
from tests.support.commands import replay
from tests.support.planted_recordings import PLANTED, holds
from tests.support.recordings import FORMATS

TARGET = Path(__file__).parents[3] / "targets" / "simulated.toml"
# Its library is a stand-in that a command of its own does not have.
COMMANDED = [name for name in IMPORTERS if name != "mitmproxy"]


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    """Of each format a recording with secrets, imported: its trace, and what the command printed."""
    folder = tmp_path_factory.mktemp("traces")
    found = {}
    for name in COMMANDED:
        source, out = folder / f"source{FORMATS[name].suffix}", folder / f"{name}.jsonl"
        source.write_text(PLANTED[name][0])
        done = replay("trace", "import", name, source, "-o", out)
        assert done.returncode == 0, done.stderr
        found[name] = (out, done.stdout + done.stderr)
    return found


@pytest.mark.parametrize("name", COMMANDED)
def test_importing_shows_none(traces, name):
    out, printed = traces[name]

    assert not holds(printed + out.read_text())


def test_reports_of_the_traces_show_none(traces, tmp_path):
    whole = tmp_path / "all.jsonl"
    shown = [replay("trace", "transform", *(out for out, _ in traces.values()), "-o", whole)]
    shown += [replay("trace", "info", whole), replay("trace", "validate", whole)]
    run = tmp_path / "run"
    shown += [replay("plane", "simulate", whole, "-t", TARGET, "--out", run, "--speed", "1000")]
    pages = [tmp_path / "page.html", tmp_path / "steps.csv"]
    shown += [replay("report", run, "--html", pages[0], "--csv", pages[1])]
    shown += [replay("report", run), replay("report", run, "--json")]

    assert [done.stderr for done in shown if done.returncode != 0] == []
    written = [path for path in [*run.rglob("*"), *pages] if path.is_file()]
    assert not holds("".join(done.stdout + done.stderr for done in shown))
    assert [path.name for path in written if holds(path.read_text("latin-1"))] == []
