"""Making a run directory, and refusing to use one twice."""

import pytest

from replay.results.rundir import RunDir, RunDirError, name_in_path


def test_a_directory_is_named_after_time_trace_and_target(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    first = RunDir.create(None, "support agent", "http://x:1/../y")
    second = RunDir.create(None, "support agent", "http://x:1/../y")

    assert first.path.parent.name == "runs"
    assert first.path.name.endswith("-support-agent-http-x-1-..-y")
    assert first.path != second.path


@pytest.mark.parametrize(
    ("name", "safe"),
    [("../../etc", "etc"), ("", "unnamed"), ("a/b\\c", "a-b-c"), ("\x1b[31m", "31m"), ("x" * 99, "x" * 40)],
)
def test_no_path_is_taken_from_a_name(name, safe):
    assert name_in_path(name) == safe


def test_a_directory_that_holds_something_is_refused(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RunDirError, match=r"holds a run already\. Choose another --out"):
        RunDir.create(tmp_path, "t", "x")

    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("")
    with pytest.raises(RunDirError, match="is not empty"):
        RunDir.create(other, "t", "x")

    with pytest.raises(RunDirError, match="is a file"):
        RunDir.create(other / "file", "t", "x")


def test_a_directory_without_a_run_says_so(tmp_path):
    with pytest.raises(RunDirError, match="no run is recorded here"):
        RunDir(tmp_path).read_manifest()
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunDirError, match="is not a run's manifest"):
        RunDir(tmp_path).read_manifest()
