"""Instants that are kept: the same whether they stay in memory or not, and few of them there."""

import io
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.engine.records.writer import FileWriter
from replay.results.instants import Instants, KeptInstants


class Shelf:
    """Keeps bytes until it has so many pieces."""

    def __init__(self, most):
        self.pieces, self.most = [], most

    def append(self, data):
        if len(self.pieces) >= self.most:
            return False
        self.pieces.append(data)
        return True

    def taken(self):
        return io.BytesIO(b"".join(self.pieces))


def blocks_of(sizes):
    at = 0
    for size in sizes:
        numbers = np.arange(at, at + size, dtype=np.int64)
        yield Instants(numbers, numbers * 2 - 1, numbers * 3, numbers % 3 == 0)
        at += size


def same(found, told):
    return all(
        np.array_equal(column, np.concatenate(parts))
        for column, parts in zip(found, zip(*told, strict=True), strict=True)
    )


@given(sizes=st.lists(st.integers(0, 40), min_size=1), block=st.integers(1, 30), most=st.integers(0, 5))
def test_what_is_put_away_comes_back_in_order(sizes, block, most):
    told = list(blocks_of(sizes))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("replay.results.instants._BLOCK_STEPS", block)
        kept = KeptInstants(Shelf(most))
        for steps in told:
            kept.add(steps)

        assert same(kept.taken(), told)


def test_a_long_run_keeps_few_in_memory(tmp_path):
    writer = FileWriter()
    kept = KeptInstants(writer.open_unnamed(tmp_path))
    told, most = list(blocks_of([1000] * 300)), 0
    for steps in told:
        kept.add(steps)
        most = max(most, kept.in_memory)
    writer.close()

    assert most < 10_000
    assert list(tmp_path.iterdir()) == []
    assert same(kept.taken(), told)


def test_what_has_no_name_is_not_waited_for_until_it_is_on_the_disk(tmp_path, monkeypatch):
    synced, real = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.fstat(fd).st_nlink), real(fd)))
    writer = FileWriter()
    writer.open(tmp_path / "steps.jsonl")
    kept = KeptInstants(writer.open_unnamed(tmp_path))
    kept.add(next(blocks_of([20_000])))
    writer.close()

    assert synced == [1]


def test_what_comes_after_the_end_of_the_files_stays_in_memory(tmp_path):
    writer = FileWriter()
    kept = KeptInstants(writer.open_unnamed(tmp_path))
    told = list(blocks_of([20_000, 20_000]))
    kept.add(told[0])
    writer.close()
    kept.add(told[1])

    assert kept.in_memory == 20_000
    assert same(kept.taken(), told)
