"""`replay init`: what it writes loads, passes a dry run, and replaces nothing unasked."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from replay.cli.failures import failure_of
from replay.cli.main import cli
from replay.cli.setup.starters import JOBS, Wish, job_text, target_text
from replay.errors import InputError
from replay.target.file import load_target

URL = "https://staging.example.com/agent"
GATED = ("--slo", "p99 < 800ms", "--slo", "errors < 1%")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    (tmp_path / "traces").mkdir()
    shipped = Path(__file__).parents[3] / "traces" / "support-agent.jsonl"
    (tmp_path / "traces" / "day one.jsonl").write_bytes(shipped.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STAGING_TOKEN", raising=False)
    return tmp_path


def init(*words):
    return CliRunner().invoke(cli, ["init", *words])


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def scripts_in(job):
    """The lines of a job that a shell gets."""
    return [line.strip() for line in job.splitlines() if line.strip().startswith(("replay ", "pip "))]


def test_a_url_alone_gives_a_target_file(repository):
    result = init(URL, "--plane", "serverless")

    assert result.exit_code == 0, result.output
    target = load_target("target.toml")
    assert (target.url, target.plane) == (URL, "serverless")
    assert result.stdout.splitlines() == [
        "target.toml written",
        "try it: replay run TRACE -t target.toml --check",
    ]


@pytest.mark.parametrize("ci", JOBS)
def test_a_job_gates_by_the_trace_as_a_dry_run_shows(repository, ci, monkeypatch):
    result = init(URL, *GATED, "--token-env", "STAGING_TOKEN", "--trace", "traces/day one.jsonl", "--ci", ci)

    assert result.exit_code == 0, result.output
    assert load_target("target.toml").auth.bearer_env == "STAGING_TOKEN"
    job = (repository / JOBS[ci]).read_text()
    (command,) = [line for line in scripts_in(job) if line.startswith("replay ")]
    assert "try it: replay gate -t target.toml --scale 2 -- 'traces/day one.jsonl'" in result.stdout
    monkeypatch.setenv("STAGING_TOKEN", "secret")
    words = shlex.split(command)
    dry = CliRunner().invoke(cli, [*words[1 : words.index("--")], "--dry-run", *words[words.index("--") :]])
    assert dry.exit_code == 0, dry.output
    assert (
        "needs at least 368 steps" not in dry.output or "--scale" not in dry.output.split("needs at least")[1]
    )
    assert job.count("STAGING_TOKEN") >= 1


def test_nothing_is_replaced_without_force(repository):
    init(URL)
    (repository / "target.toml").write_text("url = 'http://mine'\n")

    refused = init(URL)
    assert refused.exit_code == 2
    assert "target.toml would be replaced. Add --force to do that." in refused.stderr
    assert (repository / "target.toml").read_text() == "url = 'http://mine'\n"

    assert init(URL, "--force").exit_code == 0
    assert load_target("target.toml").url == URL


def test_one_file_that_is_there_keeps_the_other_from_being_written(repository):
    path = repository / JOBS["github"]
    path.parent.mkdir(parents=True)
    path.write_text("mine")

    assert init(URL, *GATED, "--trace", "traces/day one.jsonl", "--ci", "github").exit_code == 2
    assert not (repository / "target.toml").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("staging.example.com",), "has to begin with http:// or https://"),
        (("https://user:pw@staging.example.com",), "user"),
        ((URL, "--ci", "github"), "--ci needs the --trace that the job replays, and an --slo"),
        ((URL, "--slo", "p99 <"), "p99 <"),
        ((URL, "--token-env", "eyJhbGciOi.J9"), "the name of an environment variable"),
        ((URL, "--trace", "no.jsonl", *GATED, "--ci", "github"), "no.jsonl"),
        ((URL, "--trace", "/etc/passwd", *GATED, "--ci", "github"), "is not below"),
        ((URL, "--slo", "p99 < 1s\nx"), "cannot be printed"),
        ((URL, "--package", "${{ secrets.X }}"), "a CI system would fill in"),
    ],
)
def test_what_would_not_work_is_refused_and_leaves_nothing(repository, words, said):
    before = files(repository)
    result = init(*words)

    failure = failure_of(result.exception)
    told = failure.sentence if isinstance(result.exception, InputError) else result.stderr
    assert (failure.exit_code if isinstance(result.exception, InputError) else result.exit_code) == 2, (
        result.output
    )
    assert said in " ".join(told.split())
    assert "pw@" not in told
    assert files(repository) == before


plain = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1).filter(
    lambda text: "${{" not in text
)


@given(plain, plain, plain)
def test_values_stay_values_in_every_file(slo, trace, package):
    wish = Wish(URL, "vm", [slo], "TOKEN", trace, package=package)

    assert tomllib.loads(target_text(wish)) == {
        "url": URL,
        "plane": "vm",
        "slo": [slo],
        "auth": {"bearer_env": "TOKEN"},
    }
    for ci in JOBS:
        text = job_text(wish, ci)
        # Only these: a line end within a word would have made more.
        install, command = re.findall(r"^ +((?:pip|replay gate) .*)$", text, re.MULTILINE)
        if ci == "cloud-build":
            install, command = install.replace("$$", "$"), command.replace("$$", "$")
        assert shlex.split(install)[-1] == package
        assert shlex.split(command)[-1] == trace
