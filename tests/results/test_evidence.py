"""A run as evidence, from one reading."""

import msgspec
import numpy as np
from hypothesis import given, settings

from replay.results.columns import read_columns
from replay.results.evidence import read_evidence
from replay.results.manifest_types import Generator, Manifest, TraceFacts
from replay.results.summary import rebuild
from replay.results.types import STEPS_FILE, StepRecord
from tests.support.opened import count_openings
from tests.support.records import BLOCKS, MANIFEST


def a_run(directory):
    records = [
        StepRecord(
            f"s-{n // 2}", str(n), "tool", "search", "t", "ok", intended_ns=n, sent_ns=n + 1, end_ns=n + 9
        )
        for n in range(10)
    ]
    manifest = Manifest(
        "replay.run/1", "finished", "0", "", TraceFacts("t", "0", 5, 10), {}, {}, 1, {}, {},
        generator=Generator("ok", []),
    )  # fmt: skip
    (directory / STEPS_FILE).write_bytes(msgspec.json.Encoder().encode_lines(records) + b'{"cut')
    (directory / "run.json").write_bytes(msgspec.json.encode(manifest))
    return directory


def test_figures_and_steps_of_a_run_come_from_one_reading(tmp_path, monkeypatch):
    run = a_run(tmp_path)
    summary, columns = rebuild(run), read_columns(run)
    opened = count_openings(monkeypatch)

    found = read_evidence(run)

    assert opened[STEPS_FILE] == 1
    assert found.summary == summary
    assert summary.notes
    for value, expected in zip(found.columns, columns, strict=True):
        assert np.array_equal(value, expected) if isinstance(expected, np.ndarray) else value == expected


@settings(max_examples=40)
@given(BLOCKS)
def test_figures_from_the_columns_are_those_from_the_lines(tmp_path_factory, blocks):
    run = tmp_path_factory.mktemp("run")
    records = [record for records in blocks for record in records]
    (run / STEPS_FILE).write_bytes(msgspec.json.Encoder().encode_lines(records))
    (run / "run.json").write_bytes(msgspec.json.encode(MANIFEST))

    assert read_evidence(run).summary == rebuild(run)
