"""A run's times beside the recorded ones."""

import pytest

from replay.report.words.beside import RECORDED_HEADS, ratio, recorded_cells
from replay.results.summary_types import Quantiles


def test_each_percentile_stands_beside_the_recorded_one_with_their_ratio():
    cells = recorded_cells(Quantiles(n=400, p50=120.0, p99=900.0), Quantiles(n=400, p50=100.0, p99=300.0))

    assert dict(zip(enumerate(RECORDED_HEADS), cells, strict=True)) == {
        (0, "p50"): "120 ms",
        (1, "recorded"): "100 ms",
        (2, "ratio"): "1.2×",
        (3, "p99"): "900 ms",
        (4, "recorded"): "300 ms",
        (5, "ratio"): "3×",
    }


def test_a_percentile_of_too_few_values_is_marked():
    cells = recorded_cells(Quantiles(n=99, p50=1.0, p99=2.0), Quantiles(n=99, p50=1.0, p99=2.0))

    assert [cells[3], cells[4]] == ["2 ms*", "2 ms*"]


def test_a_recording_of_other_steps_gives_no_ratio():
    cells = recorded_cells(Quantiles(n=400, p50=120.0, p99=900.0), Quantiles(n=300, p50=100.0, p99=300.0))

    assert [cells[2], cells[5]] == ["–", "–"]
    assert recorded_cells(Quantiles(n=5, p50=1.0, p99=2.0), None)[1:3] == ("–", "–")


@pytest.mark.parametrize(
    ("ours", "recorded", "said"),
    [
        (0.00234, 1.0, "0.00234×"),
        (1.0, 3.0, "0.333×"),
        (1.2, 1.0, "1.2×"),
        (12.16, 1.0, "12.2×"),
        (1234.0, 1.0, "1,234×"),
        (1.0, 0.0, "–"),
        (None, 1.0, "–"),
    ],
)
def test_ratios_read_at_a_glance(ours, recorded, said):
    assert ratio(ours, recorded) == said
