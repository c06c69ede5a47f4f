"""Published load data sets in CSV: each row becomes the call that it tells of."""

import io
import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv, parquet

from replay.assembly.types import ImportOptions
from replay.importers.datasets.azure_functions import AzureFunctions
from replay.importers.datasets.azure_llm import AzureLlm
from replay.importers.datasets.burstgpt import BurstGpt
from replay.reading.opened import open_recording
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter, scan
from replay.trace.types import Edge

AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
FUNCTIONS = "app,func,end_timestamp,duration\n"
OLD_BURST = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
BURST = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"


@pytest.fixture
def imported(tmp_path):
    def read(importer, text, **options):
        path = tmp_path / "in.csv"
        path.write_text(text)
        assert importer.sniff(path.read_bytes())
        result = importer.read([path], ImportOptions(**options))
        with TraceWriter(tmp_path / "out.jsonl", result.header) as writer:
            for session in result.sessions():
                writer.write(session)
        return result, list(result.sessions())

    return read


def test_azure_requests_keep_their_hundreds_of_nanoseconds(imported):
    result, sessions = imported(
        AzureLlm(), f"{AZURE}2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.0319601,3180,8\n"
    )
    assert [session.start_ms for session in sessions] == [0.0, 52.0001]
    llm = sessions[0].steps[0].llm
    assert (llm.input_tokens, llm.output_tokens, llm.stream) == (4808, 10, True)
    assert result.header.resolution_ms == pytest.approx(0.0001)


TABLES = {
    AzureLlm: AZURE + "2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.0319601,3180,8\n",
    BurstGpt: f"{BURST}5,1,0.79,ChatGPT,472,18,490,Conversation log\n45.5,,,GPT-4,1087,0,1317,API log\n",
    AzureFunctions: f"{FUNCTIONS}a1,f1,0.079,0.078\na1,f2,7.25,0.5\n",
}


@pytest.mark.parametrize("importer", TABLES, ids=lambda importer: importer.name)
def test_a_table_in_parquet_or_json_lines_gives_the_steps_that_its_csv_gives(importer, imported, tmp_path):
    text = TABLES[importer]
    _, expected = imported(importer(), text)
    folder = tmp_path / "hub"
    folder.mkdir()
    parquet.write_table(csv.read_csv(io.BytesIO(text.encode())), folder / "train-0.parquet")
    header, *rows = text.splitlines()
    records = [dict(zip(header.split(","), row.split(","), strict=True)) for row in rows]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))

    for path in (folder, tmp_path / "rows.jsonl"):
        with open_recording(next(iter(path.glob("*")), path)) as source:
            assert importer().sniff(source.read(1 << 12))
        result = importer().read([path], ImportOptions())
        assert [session.steps for session in result.sessions()] == [session.steps for session in expected]
        assert [session.start_ms for session in result.sessions()] == [each.start_ms for each in expected]


@pytest.mark.parametrize("importer", TABLES, ids=lambda importer: importer.name)
def test_rows_that_could_not_be_read_are_told_of_all(importer, imported):
    header, *rows = TABLES[importer].splitlines()
    damaged = ",".join("?" for _ in header.split(","))
    result, _ = imported(importer(), "\n".join([header, *rows, damaged, *rows]) + "\n")

    told = result.header.attributes["import"]
    assert (told["lines"], told["unreadable"]) == (5, 1)


def test_of_a_table_in_parquet_without_the_columns_it_is_said_which(tmp_path):
    parquet.write_table(pa.table({"TIMESTAMP": ["x"], "ContextTokens": [1]}), tmp_path / "a.parquet")
    with pytest.raises(TraceError, match=r'a\.parquet, line 1: has no column "generatedtokens"'):
        AzureLlm().read([tmp_path / "a.parquet"], ImportOptions())


def test_azure_requests_out_of_order_are_sorted_and_said_to_be(imported):
    rows = "2023-11-16 18:17:05.0,2,2\n2023-11-16 18:17:03.0,1,1\n"
    result, sessions = imported(AzureLlm(), AZURE + rows, stream=False)
    assert [(session.id, session.start_ms) for session in sessions] == [("r2", 0.0), ("r1", 2000.0)]
    assert not sessions[0].steps[0].llm.stream
    assert result.notes == (
        "2 model calls over 2 s.",
        "Start times are recorded to 1 s. Durations and models are not recorded.",
        "Not recorded, and assumed: calls are not streamed.",
        "The rows were out of order, and were sorted.",
    )


@pytest.mark.parametrize(
    ("importer", "text", "message"),
    [
        (AzureLlm(), AZURE, "in.csv: no rows below the header."),
        (AzureLlm(), f"{AZURE}yesterday,1,1\n", 'line 2: the column "timestamp" holds "yesterday", not a time like 2023-11-16 18:17:03.9799600.'),
        (AzureLlm(), f"{AZURE}2023-11-16 18:17:03.97,-1,1\n", 'line 2: the column "contexttokens" holds "-1", not a number from 0 to 1,000,000,000,000.'),
        (AzureLlm(), f"{AZURE}2023-11-16 18:17:03.97,1,1e9\n", 'line 2: the column "generatedtokens" holds "1e9", not a whole number from 0 to 100,000,000.'),
        (AzureFunctions(), f"{FUNCTIONS}a,f,,1\n", 'line 2: the column "end_timestamp" holds "", not a number of seconds from 0 to 1,000,000,000.'),
        (AzureFunctions(), f"{FUNCTIONS}a,f,1,nan\n", 'line 2: the column "duration" holds "nan", not a number from 0 to 1,000,000,000,000.'),
        (AzureFunctions(), f"{FUNCTIONS}a,f,1e10,1\n", 'line 2: the column "end_timestamp" holds "1e10", not a number of seconds from 0 to 1,000,000,000.'),
        (BurstGpt(), f"{OLD_BURST},ChatGPT,1,1,2,API log\n", 'line 2: the column "timestamp" holds "", not a number of seconds.'),
        (BurstGpt(), f"{OLD_BURST}1,ChatGPT,1,1\n", "line 2: 4 fields, where the header names 6."),
    ],
)  # fmt: skip
def test_rows_that_make_no_sense_are_refused_with_their_place(imported, importer, text, message):
    with pytest.raises(TraceError) as caught:
        imported(importer, text)
    assert str(caught.value).endswith(message)


@pytest.mark.parametrize(
    ("importer", "text"), [(AzureLlm(), AZURE), (AzureFunctions(), FUNCTIONS), (BurstGpt(), BURST)]
)
def test_arrivals_cannot_be_chosen_where_they_are_recorded(imported, importer, text):
    with pytest.raises(TraceError, match=f"the {importer.name} format records when requests arrive"):
        imported(importer, text, arrivals="every:1s")


def test_a_function_call_started_its_duration_before_its_end(imported):
    result, sessions = imported(AzureFunctions(), f"{FUNCTIONS}app,f,10.5,0.25\napp,g,10.6,2.001\n")
    assert [(s.id, s.start_ms, s.steps[0].took_ms) for s in sessions] == [
        ("r2", 0.0, 2001.0),
        ("r1", 1651.0, 250.0),
    ]
    assert result.header.resolution_ms == 1.0


def test_a_function_is_named_by_a_pseudonym_that_every_import_gives_it(imported):
    _, sessions = imported(AzureFunctions(), f"{FUNCTIONS}app,f,1,0.1\napp,../../etc,2,0.1\n")
    first, second = (session.steps[0] for session in sessions)
    assert first.request.path == "/functions/f-252f10c83610"
    assert (first.request.method, first.name) == ("POST", "f-252f10c83610")
    assert second.request.path.startswith("/functions/f-")
    assert ".." not in second.request.path
    assert {session.attributes["app"] for session in sessions} == {"a-a172cedcae47"}


def test_a_function_call_may_have_begun_before_the_recording(imported):
    _, sessions = imported(AzureFunctions(), f"{FUNCTIONS}app,f,1,5\napp,f,2,0\n")
    assert [session.start_ms for session in sessions] == [0.0, 6000.0]


def test_burstgpt_rows_of_one_session_follow_one_another(imported):
    rows = "5,,,ChatGPT,472,18,490,Conversation log\n6,7,3,GPT-4,10,20,30,Conversation log\n11,7,2,GPT-4,40,0,40,API log\n"
    result, sessions = imported(BurstGpt(), BURST + rows)
    assert [(session.id, session.start_ms, len(session.steps)) for session in sessions] == [
        ("r1", 0.0, 1),
        ("s7", 1000.0, 2),
    ]
    first, second = sessions[1].steps
    assert (first.llm.model, first.took_ms, first.name) == ("GPT-4", 3000.0, "Conversation log")
    assert second.after == (Edge("1", "end", 2000.0),)
    assert result.header.attributes["import"]["failed"] == 1
    assert result.header.resolution_ms == 1000.0


def test_older_burstgpt_files_have_neither_sessions_nor_durations(imported):
    result, sessions = imported(
        BurstGpt(), f"{OLD_BURST}5,ChatGPT,472,18,490,Conversation log\n5.5,GPT-4,1,2,3,API log\n"
    )
    assert [(s.id, s.start_ms, s.steps[0].took_ms) for s in sessions] == [
        ("r1", 0.0, None),
        ("r2", 500.0, None),
    ]
    assert result.header.resolution_ms == 100.0
    assert "2 call(s) have no recorded duration." in result.notes


rows = st.tuples(
    st.integers(0, 60_000).map(lambda n: n / 100),
    st.sampled_from(["", "1", "2"]),
    st.none() | st.integers(0, 3_000).map(lambda n: n / 100),
)


@settings(deadline=None, max_examples=60)
@given(found=st.lists(rows, min_size=1, max_size=12))
def test_whatever_was_recorded_a_walk_starts_every_call_when_it_started(
    tmp_path_factory, walked_starts_ms, found
):
    path = tmp_path_factory.getbasetemp() / "burst.csv"
    lines = (
        f"{start},{session},{'' if took is None else took},GPT-4,5,5,10,API log\n"
        for start, session, took in found
    )
    path.write_text(BURST + "".join(lines))
    result = BurstGpt().read([path], ImportOptions())
    sessions = list(result.sessions())
    assert sum(len(session.steps) for session in sessions) == len(found)
    assert sessions == sorted(sessions, key=lambda session: session.start_ms)
    for session in sessions:
        walked = walked_starts_ms(session)
        for step in session.steps:
            assert abs(walked[step.id] - step.at_ms) <= result.header.resolution_ms


def test_every_row_of_the_published_azure_traces_is_imported(data, tmp_path):
    for importer, path, rows in (
        (AzureLlm(), data / "azure-llm-2023" / "AzureLLMInferenceTrace_code.csv", 8819),
        (AzureFunctions(), data / "azure-functions" / "Azure2021_200.csv", 199),
    ):
        result = importer.read([path], ImportOptions())
        trace = tmp_path / f"{importer.name}.jsonl"
        with TraceWriter(trace, result.header) as writer:
            for session in result.sessions():
                writer.write(session)
        found = scan(trace)
        assert (found.sessions, found.requests) == (rows, rows)
    assert result.header.resolution_ms == 1.0
    assert result.header.attributes["import"]["functions"] == 31
