"""Making a run directory, and refusing to use one twice."""

import os

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


@pytest.mark.parametrize(
    ("inside", "advice"),
    [
        ([], "Name a run directory."),
        (["levels/1"], "A run is in it: levels/1. Name that."),
        (
            ["steady/b", "steady/a", "ceiling/levels/x1"],
            "3 runs are in it, each of which can be read by itself: ceiling/levels/x1, steady/a, steady/b.",
        ),
        (
            [f"x{n}" for n in range(9)],
            "9 runs are in it, each of which can be read by itself: x0, x1, x2, x3, x4, x5 and 3 more.",
        ),
    ],
)
def test_a_folder_of_runs_that_broke_off_names_those_that_are_there(tmp_path, inside, advice):
    """A ceiling, a comparison or a pilot that was killed was said to hold nothing, though its levels are whole."""
    for name in inside:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "run.json").write_text("{}")

    with pytest.raises(RunDirError) as refused:
        RunDir(tmp_path).read_manifest()

    assert str(refused.value) == f"{tmp_path}: no run is recorded here (run.json is missing). {advice}"


@pytest.mark.parametrize("name", ["run.json", "steps.jsonl", "latency.hlog", "summary.json"])
@pytest.mark.parametrize("what", ["a pipe", "a device", "a folder"])
def test_what_is_no_file_in_the_place_of_one_is_refused_and_not_read_for_ever(name, what, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / name).unlink(missing_ok=True)
    if what == "a pipe":
        os.mkfifo(tmp_path / name)
    elif what == "a device":
        (tmp_path / name).symlink_to("/dev/zero")
    else:
        (tmp_path / name).mkdir()

    with pytest.raises(RunDirError, match=rf"{name}: is not a regular file, as a run's files are\."):
        RunDir(tmp_path).read_manifest()


@pytest.mark.parametrize(
    ("links", "out"), [({"a": "none/x"}, "a"), ({"a": "a"}, "a"), ({"a": "none/x"}, "a/b")]
)
def test_a_link_that_leads_nowhere_is_no_file(links, out, tmp_path):
    for name, where in links.items():
        (tmp_path / name).symlink_to(where)

    with pytest.raises(RunDirError, match="a: is a link that leads nowhere"):
        RunDir.create(tmp_path / out, "t", "x")
