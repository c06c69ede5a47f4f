"""The interval log, read by HdrHistogram's own reader and by ours."""

import re

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from replay.results.histogram import HIGHEST, Histogram
from replay.results.hlog import UNIT_COMMENT, HlogWriter, escaped_tag, read_hlog, read_totals

# As in HistogramLogReader.java: an optional tag, then three numbers and the histogram, split at commas.
JAVA_LINE = re.compile(r"(Tag=[^, \r\n]+,)?[0-9.]+,[0-9.]+,[0-9.]+,[A-Za-z0-9+/=]+")


def histogram_of(*values_us):
    histogram = Histogram()
    histogram.record_many([value * 1000 for value in values_us])
    return histogram


def write_log(path, *intervals):
    with path.open("wb") as file:
        writer = HlogWriter(file.write)
        writer.begin(1_700_000_000.5)
        for interval in intervals:
            writer.interval(*interval)
    return path


def test_the_library_reads_tags_times_and_values(tmp_path):
    path = write_log(
        tmp_path / "latency.hlog",
        ("response", 0.0, 1.0, histogram_of(100, 200, 300)),
        ("service:tool:search", 1.0, 0.998, histogram_of(5_000_000)),
    )
    reader = HistogramLogReader(str(path), HdrHistogram(1, HIGHEST, 3))

    first, second = reader.get_next_interval_histogram(), reader.get_next_interval_histogram()

    assert (first.get_tag(), first.get_total_count()) == ("response", 3)
    assert first.get_start_time_stamp() == 1_700_000_000_500.0
    assert second.get_tag() == "service:tool:search"
    assert second.get_start_time_stamp() == 1_700_000_001_500.0
    assert abs(second.get_max_value() - 5_000_000) <= 5_000
    assert reader.get_next_interval_histogram() is None
    reader.close()


def test_the_log_says_its_unit_and_keeps_to_the_format(tmp_path):
    path = write_log(tmp_path / "x.hlog", ("response", 0.25, 1.0, histogram_of(1500)))
    lines = path.read_text().splitlines()

    assert lines[0] == "#[Histogram log format version 1.3]"
    assert UNIT_COMMENT in lines[1]
    assert lines[2].startswith("#[StartTime: 1700000000.500 (seconds since epoch), 2023-11-14T22:13:20.500")
    assert lines[3] == "#[BaseTime: 1700000000.500 (seconds since epoch)]"
    assert lines[4].startswith('"StartTimestamp"')
    assert JAVA_LINE.fullmatch(lines[5])
    assert lines[5].startswith("Tag=response,0.250,1.000,1.500,HIST")


def test_a_tag_from_a_hostile_name_breaks_no_line(tmp_path):
    tag = "response:tool:a,b c\r\n<x>\x00é\u202e%41"
    path = write_log(tmp_path / "x.hlog", (tag, 0.0, 1.0, histogram_of(1)))

    assert JAVA_LINE.fullmatch(path.read_text().splitlines()[-1])
    assert [interval.tag for interval in read_hlog(path)] == [tag]
    assert "," not in escaped_tag(tag)


def test_a_log_cut_anywhere_gives_its_whole_lines(tmp_path):
    path = write_log(
        tmp_path / "whole.hlog", ("a", 0.0, 1.0, histogram_of(1, 2)), ("a", 1.0, 1.0, histogram_of(3))
    )
    data = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == 0x0A]

    for cut in range(len(data)):
        short = tmp_path / "short.hlog"
        short.write_bytes(data[:cut])
        whole_lines = sum(1 for end in ends if end <= cut)
        assert len(list(read_hlog(short))) == max(0, whole_lines - 5)


def test_totals_add_the_intervals_of_a_series(tmp_path):
    path = write_log(
        tmp_path / "x.hlog",
        ("a", 0.0, 1.0, histogram_of(1, 2)),
        ("b", 0.0, 1.0, histogram_of(9)),
        ("a", 1.0, 1.0, histogram_of(3)),
    )

    totals = read_totals(path, {"a"})

    assert set(totals) == {"a"}
    assert totals["a"].n == 3
