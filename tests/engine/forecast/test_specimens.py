"""Requests of a dry run as commands for curl: whole, safe to paste, and without secrets."""

import shlex

import pytest

from replay.engine.forecast.dryrun import foresee
from replay.engine.types import RunOptions
from replay.target.auth import Auth
from replay.target.sending import Tls
from replay.target.target import Target


def forecast_of(trace, **fields):
    return foresee(trace, Target(url="https://a.example/root", name="a", **fields), RunOptions())


def step(id, method, path, **request):
    return {
        "id": id,
        "kind": "tool",
        "name": id,
        "request": {"method": method, "path": path, **request},
    }


@pytest.fixture
def trace(write_trace):
    posted = step("b", "POST", "/b", headers={"x-api-key": "k3y", "x-colour": "it's red"}, body="x" * 500)
    return write_trace((0.0, [step("a", "GET", "/a?q=1&token=s3cret"), posted]))


def test_the_first_requests_are_commands_that_a_shell_takes_apart_as_they_were_meant(trace):
    first, second = (shlex.split(command) for command in forecast_of(trace).first)

    assert first[:2] == ["curl", "https://a.example/root/a?q=1&token=redacted"]
    assert second[:4] == ["curl", "-X", "POST", "https://a.example/root/b"]
    assert "x-colour: it's red" in second
    assert len(second[-1]) == 200


def test_no_secret_is_in_them_but_where_it_comes_from(trace, monkeypatch):
    monkeypatch.setenv("STAGING_TOKEN", "CANARY")
    auth = Auth(bearer_env="STAGING_TOKEN", header_env={"x-tenant": "STAGING_TOKEN"})

    said = " ".join(forecast_of(trace, auth=auth, headers={"x-auth-key": "s3cret", "x-env": "staging"}).first)

    assert "CANARY" not in said
    assert "s3cret" not in said
    assert "k3y" not in said
    assert "authorization: Bearer (from STAGING_TOKEN)" in said
    assert "x-tenant: (from STAGING_TOKEN)" in said
    assert "x-env: staging" in said


def test_at_most_five_are_shown_of_all_that_are_counted(write_trace):
    trace = write_trace((0.0, [step(f"s{n}", "GET" if n % 2 else "DELETE", "/x") for n in range(12)]))

    found = forecast_of(trace)

    assert len(found.first) == 5
    assert [(each.method, each.to, each.requests) for each in found.destinations] == [
        ("DELETE", "https://a.example", 6),
        ("GET", "https://a.example", 6),
    ]


def test_what_a_run_would_miss_is_said(trace, monkeypatch, tmp_path):
    monkeypatch.delenv("STAGING_TOKEN", raising=False)
    missing = tmp_path / "none.pem"

    notes = forecast_of(trace, auth=Auth(bearer_env="STAGING_TOKEN"), tls=Tls(ca_file=str(missing))).notes

    assert [note for note in notes if "ends before" in note] == [
        "a run ends before its first request: the environment variable STAGING_TOKEN is not set; the target takes a "
        "secret from it.",
        f"a run ends before its first request: ca_file {missing} under [tls] cannot be read.",
    ]
