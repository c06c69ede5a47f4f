"""Times that load generators of one URL write become requests at these times, and it is said what they do not tell."""

import pytest

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.trace.errors import TraceError

# As hey 0.1.4 and h2load 1.52 wrote them of requests to one server; oha's by its source.
HEY = """\
response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset
0.0055,0.0001,0.0000,0.0000,0.0053,0.0001,200,0.0081
0.0061,0.0004,0.0000,0.0001,0.0055,0.0000,200,0.0075
0.0170,0.0004,0.0000,0.0001,0.0163,0.0000,404,0.0002
"""
OHA = """\
request-start,DNS,DNS+dialup,Response-delay,request-duration,bytes,status
0.000215,0.00004,0.0003,0.0163,0.017000417,170,404
0.0075,0,0,0.0055,0.0061,12,200
0.0081,0,0,0.0053,0.0055,12,200
"""
H2LOAD = "1796059023368293\t200\t4099\n1796059023372405\t-1\t3420\n1796059023368299\t404\t15831\n"


@pytest.fixture
def imported(tmp_path):
    """Imports these files, which must be told to be of this format alone."""

    def run(*texts, **options):
        for n, text in enumerate(texts):
            told = [each for each, importer in IMPORTERS.items() if importer.sniff(text.encode())]
            assert told == ["load-times"]
            (tmp_path / f"{n}.csv").write_text(text)
        result = IMPORTERS["load-times"].read([tmp_path], ImportOptions(**options))
        return list(result.sessions()), result

    return run


@pytest.mark.parametrize(
    ("text", "starts_ms", "took_ms", "statuses", "resolution_ms"),
    [
        (HEY, [0.0, 7.3, 7.9], [17.0, 6.1, 5.5], [404, 200, 200], 0.1),
        (OHA, [0.0, 7.285, 7.885], [17.0, 6.1, 5.5], [404, 200, 200], 0.001),
        (H2LOAD, [0.0, 0.006, 4.112], [4.099, 15.831, 3.42], [200, 404, None], 0.001),
    ],
)
def test_requests_start_when_the_tool_says(imported, text, starts_ms, took_ms, statuses, resolution_ms):
    sessions, result = imported(text)

    assert [session.start_ms for session in sessions] == pytest.approx(starts_ms)
    steps = [step for session in sessions for step in session.steps]
    assert [step.took_ms for step in steps] == took_ms
    assert [step.recorded.status if step.recorded else None for step in steps] == statuses
    assert {(step.request.method, step.request.path) for step in steps} == {("GET", "/")}
    assert result.header.resolution_ms == resolution_ms


def test_it_is_said_that_what_was_asked_for_is_not_recorded(imported):
    _, result = imported(HEY)

    text = "request(s) of which neither path nor method is recorded: GET / (transform --rewrite-path)"
    assert result.header.attributes["import"]["inferred"] == {text: 3}


def test_the_run_of_hey_and_oha_has_no_date_and_that_of_h2load_has(imported):
    """What counts from the start of a run is no recording of 1970."""
    assert "first_unix_ns" not in imported(OHA)[1].header.attributes["import"]
    assert imported(H2LOAD)[1].header.attributes["import"]["first_unix_ns"] == 1_796_059_023_368_293_000


def test_files_that_count_from_different_starts_are_not_laid_over_one_another(imported):
    text = r"counts its times from the start of its run, which it does not tell\. Import one file at a time\.$"
    with pytest.raises(TraceError, match=text):
        imported(HEY, HEY)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEY + "0.1,0,0,0,0,0,200,soon\n", 'line 5: the column "offset" holds "soon", not a number'),
        (HEY + "0.1,0,0,0,0,0,200,\n", 'line 5: the column "offset" holds "", not a number'),
        (H2LOAD + "1796059023368299\t404\n", "line 4: not a start, a status and a duration, as h2load writes"),
    ],
)
def test_a_line_that_says_nothing_costs_itself_only(imported, text, said):
    sessions, result = imported(text)

    assert len(sessions) == 3
    assert any(said in note for note in result.notes)
    with pytest.raises(TraceError, match="line"):
        imported(text, strict=True)
