"""One bad line, row or file among others costs itself only; with `strict` it ends the import."""

import json
import sys

import pytest

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.importers.datasets.burstgpt import BurstGpt
from replay.trace.errors import TraceError
from tests.support.recordings import FORMATS, in_place_of_mitmproxy

# Lists that somebody wrote, of which nothing may be missing.
LISTS = {"vegeta", "http-file", "postman"}
# Beside what they tell of requests, other lines are no damage.
WITH_OTHER_LINES = {"uvicorn-log", "framework-log", "uwsgi-log", "lambda-log", "gor", "curl", "k6-script"}


def steps_of(result):
    return sum(len(session.steps) for session in result.sessions())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for module, stand_in in in_place_of_mitmproxy().items():
        monkeypatch.setitem(sys.modules, module, stand_in)
    return tmp_path


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "damage", [b"\x1f\x8bcut", b"\x00\xff\x00\xff" * 9, b'{"cut": ["off'], ids=["no gzip", "zeros", "cut off"]
)
def test_a_damaged_file_among_others_costs_itself_only(folder, name, damage):
    suffix = FORMATS[name].suffix
    for n in range(4):
        (folder / f"access-{n}{suffix}").write_text(FORMATS[name].of(2))
    importer = IMPORTERS[name]
    whole = steps_of(importer.read([folder], ImportOptions()))
    (folder / f"access-9{suffix}").write_bytes(damage)

    if name in LISTS or (name in ("curl", "k6-script") and damage.startswith(b"\x1f")):
        with pytest.raises(TraceError):
            importer.read([folder], ImportOptions())
        return
    assert steps_of(importer.read([folder], ImportOptions())) == whole
    if name not in WITH_OTHER_LINES or damage.startswith(b"\x1f"):
        with pytest.raises(TraceError):
            importer.read([folder], ImportOptions(strict=True))


HEAD = "Timestamp,Model,Request tokens,Response tokens,Note"


def burst(tmp_path, *rows, **options):
    file = tmp_path / "b.csv"
    file.write_text("\n".join([HEAD, *rows]) + "\n", newline="")
    return BurstGpt().read([file], ImportOptions(**options))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_quoted_cell_may_hold_line_breaks(tmp_path, end):
    result = burst(tmp_path, "1,m,5,5,a", f'2,m,5,5,"said{end}""so"",{end}twice"', "3,m,5,5,b")

    assert (result.header.attributes["import"]["rows"], result.header.attributes["import"]["unreadable"]) == (
        3,
        0,
    )


def test_a_quote_that_is_never_closed_costs_its_line_only(tmp_path):
    result = burst(tmp_path, "1,m,5,5,a", '2,m,5,5,"open', "3,m,5,5,b", "4,m,5,5,c")

    assert (result.header.attributes["import"]["rows"], result.header.attributes["import"]["unreadable"]) == (
        3,
        1,
    )


def test_a_cell_that_cannot_be_costs_its_row_and_all_columns_stay_together(tmp_path):
    result = burst(tmp_path, "1,m,5,6,a", "2,m,5,no,a", "3,m,7,8,b")

    tokens = [(s.steps[0].llm.input_tokens, s.steps[0].llm.output_tokens) for s in result.sessions()]
    assert tokens == [(5, 6), (7, 8)]
    with pytest.raises(TraceError, match="line 3"):
        burst(tmp_path, "1,m,5,6,a", "2,m,5,no,a", "3,m,7,8,b", strict=True)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["access-log", "json-log", "har", "codex", "mooncake", "burstgpt", "langfuse"])
def test_how_a_file_is_encoded_does_no_harm(tmp_path, name, encoding):
    file = tmp_path / f"f{FORMATS[name].suffix}"
    file.write_text(FORMATS[name].of(3))
    steps = steps_of(IMPORTERS[name].read([file], ImportOptions()))
    file.write_bytes(FORMATS[name].of(3).encode(encoding))

    assert steps_of(IMPORTERS[name].read([file], ImportOptions())) == steps


@pytest.mark.parametrize("name", ["mooncake", "codex", "claude-code"])
def test_lines_may_stand_in_an_array_with_comments_between_them(tmp_path, name):
    lines = FORMATS[name].of(3).strip().split("\n")
    file = tmp_path / "f.jsonl"
    file.write_text("\n".join(lines))
    steps = steps_of(IMPORTERS[name].read([file], ImportOptions()))
    laid_out = json.dumps([json.loads(line) for line in lines], indent=1)
    for text in (
        laid_out,
        f"[{','.join(lines)}]",
        "[\n" + ",\n".join(lines) + "\n]",
        "# x\n" + "\n// y\n".join(lines),
    ):
        file.write_text(text)
        assert steps_of(IMPORTERS[name].read([file], ImportOptions())) == steps


def test_numbers_may_be_texts_or_floats(tmp_path):
    file = tmp_path / "f.jsonl"
    file.write_text(json.dumps({"timestamp": "5", "input_length": "7", "output_length": 3.0}) + "\n")

    (session,) = IMPORTERS["mooncake"].read([file], ImportOptions()).sessions()

    assert (session.steps[0].llm.input_tokens, session.steps[0].llm.output_tokens) == (7, 3)
