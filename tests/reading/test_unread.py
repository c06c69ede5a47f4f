"""What is known and not read is named for what it is, with what to do instead, whether or not a format was named."""

import re

import pytest

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.importers.explained import Explained
from replay.importers.foreign import foreign
from replay.reading.unread import unread
from replay.trace.errors import TraceError
from tests.support.recordings import FORMATS

# Beginnings as the tools wrote them of requests to a server of ours; those below the line by their sources.
BEGINNINGS = {
    "what ab writes": "This is ApacheBench, Version 2.3 <$Revision: 1934973 $>\nCopyright 1996 Adam Twiss\n",
    "what ab writes, which": "starttime\tseconds\tctime\tdtime\tttime\twait\nMon Nov 30 17:16:57 2026\t1796059017\t0\t4\t4\t3\n",
    "what ab": "Percentage served,Time in ms\n0,3.630\n",
    "what wrk prints": "Running 1s test @ http://127.0.0.1:8080/a\n  1 threads and 2 connections\n",
    "what siege writes": '\n{\t"transactions":\t\t\t          30,\n\t"availability":\t\t\t      100.00,\n',
    "what siege": "      Date & Time,  Trans,  Elap Time,  Data Trans,  Resp Time\n2026-11-30 17:16:58,     30,       0.44\n",
    "a result of autocannon": '{"url":"http://127.0.0.1:8080/a","connections":2,"sampleInt":1000,"pipelining":1,"2xx":58}',
    "a report of Locust": '[\n    {\n        "name": "/b",\n        "method": "POST",\n        "num_requests": 33,\n        "response_times": {}\n    }\n]',
    "a table of Locust's": "Method,Name,Error,Occurrences,First Seen,Last Seen\n",
    "what loadtest prints": "\nTarget URL:          http://127.0.0.1:8080/a\nMax requests:        20\n\nCompleted requests:  20\n",
    "what h2load prints": "starting benchmark...\nspawning thread #0: 2 total client(s). 40 total requests\n",
    # ---
    "a report of Artillery": '{\n  "aggregate": {\n    "counters": {\n      "vusers.created": 5\n',
    "what hey or oha prints": "\nSummary:\n  Total:\t0.5432 secs\n  Slowest:\t0.0692 secs\n",
    "a report of oha": '{\n  "summary": {\n    "successRate": 1.0\n  },\n  "latencyPercentiles": {\n',
    "a summary of k6": '{"metrics":{"http_req_duration":{"avg":32.1,"p(95)":66.0}},"root_group":{}}',
    "a report of vegeta": "Requests      [total, rate, throughput]         10, 11.11, 10.99\n",
    "a result of bombardier": '{"spec":{"numberOfConnections":2,"testType":"number-of-requests"}}',
    "a result of Fortio": '{"RunType":"HTTP","RequestedQPS":"8","DurationHistogram":{"Count":40}}',
    "a log of Gatling": "RUN\tbasic\tbasic\t1796059017000\t \t3.9\nREQUEST\t\thome\t1796059017100\t1796059017160\tOK\t \n",
    "a file of Hurl": "GET http://127.0.0.1:8080/a\nX-A: 1\nHTTP 200\n[Asserts]\n",
    "a file of Hurl;": "# first\nGET http://127.0.0.1:8080/a\nHTTP/1.1 200\n",
    "an export of Insomnia": '{"_type":"export","__export_format":4,"resources":[{"url":"http://h/a","method":"GET"}]}',
    "an export of Insomnia;": "type: collection.insomnia.rest/5.0\nname: x\n",
    "a report of inference-perf": '{"benchmark_time_seconds": 9.0,"load_summary": {"count": 73},"successes": {"count": 73}}',
    "what tcpdump or tshark prints": "03:38:56.354 x\n03:38:56.354093 IP 10.0.0.1.5 > 10.0.0.2.80: Flags [S], seq 1\n",
    "what tcpdump or tshark prints for": "    1 0.000000000    127.0.0.1 \u2192 127.0.0.1    TCP 74 4 \u2192 8 [SYN] Seq=0\n",
    "a collection of Hoppscotch": '{"v":2,"name":"c","requests":[{"endpoint":"http://h/a","preRequestScript":""}]}',
    "a collection of Thunder Client": '{"client":"Thunder Client","requests":[{"url":"http://h/a","method":"GET"}]}',
    "commands of wget, HTTPie or xh": "# fetch\nwget -q http://h/a\n",
    "commands of wget, HTTPie or xh;": "http --form POST :8080/a x=1\n",
    "commands of curl to which xargs": "cat urls | xargs -n1 curl -s\n",
    "a collection of Bruno's": "opencollection: 1.0.0\nitems: []\n",
}  # fmt: skip


@pytest.mark.parametrize("what", BEGINNINGS)
def test_it_is_named_and_something_to_do_is_said(what):
    start = BEGINNINGS[what].encode()

    assert not [name for name, importer in IMPORTERS.items() if importer.sniff(start)]
    assert unread(start).startswith(f"looks like {what}")
    assert re.search(
        r"; .* (?:is|are) read\.$| Record such a run|which do not hold single requests\.$", unread(start)
    )


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"opencode"}))  # whose storage its exports resemble
def test_no_recording_is_taken_for_one(name):
    assert unread(FORMATS[name].of(3).encode()) == ""


def test_where_another_format_was_named_it_is_said_as_well(tmp_path):
    path = tmp_path / "k6.json"
    path.write_text(BEGINNINGS["a summary of k6"])

    with pytest.raises(TraceError) as refused:
        Explained(IMPORTERS["k6"], IMPORTERS).read([path], ImportOptions())
    said = "looks like a summary of k6, which does not tell of single requests; what --out json writes is read."
    assert str(refused.value) == f"{path}: {said}"


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (
            b'<!DOCTYPE html>\n<html lang="en" style="x">\n<head>\n  <meta charset="UTF-8">\n'
            b"  <title>Newman Summary Report</title>",
            "a page that shows results of a load test",
        ),
        (b"<!DOCTYPE html>\n<html>\n  <title>Locust</title>\n", "a page that shows results of a load test"),
        (
            b"\xff\x9b\xff\x81\x03\x01\x01\x06Result\x01\xff\x82\x00\x01\x0c\x01\x06Attack\x01\x0c\x00",
            "what vegeta itself writes",
        ),
    ],
)
def test_pages_and_bytes_of_load_tests_are_known(start, what):
    assert foreign(start).what == what
