"""`replay trace info --plot`: the load of a trace as a picture."""

from pathlib import Path

import pytest

from tests.support.commands import replay

TRACE = Path(__file__).parents[3] / "traces" / "triage-burst.jsonl"


def info(*arguments, cwd):
    return replay("trace", "info", TRACE, *arguments, cwd=cwd, timeout=120)


@pytest.mark.parametrize(
    ("name", "begins"), [("a.svg", b"<svg"), ("a.png", b"\x89PNG"), ("a.html", b"<!doctype html>")]
)
def test_the_load_is_drawn_in_the_form_that_the_name_asks_for(tmp_path, name, begins):
    ran = info("--plot", name, cwd=tmp_path)

    assert ran.returncode == 0
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_another_form_is_refused_before_the_trace_is_read(tmp_path):
    ran = info("--plot", "a.pdf", cwd=tmp_path)

    assert ran.returncode == 2
    assert "must end in .svg, .png, .html" in ran.stderr
