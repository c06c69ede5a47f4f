"""What an interval gathered under each tag is what its line says, whichever tags have the same durations."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from replay.results.folding import IntervalFold
from replay.results.histogram import Histogram
from replay.results.hlog import HlogWriter, parse_interval

# A few durations, so that tags share them; and more than are looked at for that.
DURATIONS_NS = st.lists(st.sampled_from([0, 1_500_000, 40_000_000]), max_size=3) | st.just([7_000_000] * 40)
GATHERED = st.fixed_dictionaries(
    dict.fromkeys(("response", "service", "failed", "ttfb", "ttft", "itl", "makespan"), DURATIONS_NS)
)


@given(gathered=st.lists(GATHERED, min_size=1, max_size=2), further=st.sampled_from([{}, {1_500_000: 3}]))
def test_each_line_has_the_durations_of_its_tag(gathered, further):
    lines: list[bytes] = []
    fold = IntervalFold(HlogWriter(lines.append))
    expected = []
    for second, of_second in enumerate(gathered):
        told = {tag: Counter(durations) for tag, durations in of_second.items() if durations}
        series = fold.series("tool", "search")
        for measure in ("response", "service", "failed"):
            for duration_ns in of_second[measure]:
                getattr(series, measure)(duration_ns)
            if of_second[measure]:
                told[f"{measure}:tool:search"] = told[measure]
        for tag in ("ttfb", "ttft", "makespan"):
            for duration_ns in of_second[tag]:
                getattr(fold, tag)(duration_ns)
        fold.itl(of_second["itl"])
        if of_second["itl"]:
            fold.further_itl(further)
            told["itl"] = told["itl"] + Counter(further)
        list(fold.close_interval(float(second), 1.0))
        expected.append(told)

    for second, told in enumerate(expected):
        found = {
            each.tag: each.histogram for each in map(parse_interval, lines) if each and each.start_s == second
        }
        assert set(found) == set(told)
        for tag, durations in told.items():
            alone = Histogram()
            alone.record_many(np.array(list(durations.elements()), np.int64))
            assert found[tag].encode() == alone.encode()
