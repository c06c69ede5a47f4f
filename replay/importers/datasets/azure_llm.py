"""Model requests of the `azure-llm` format, CSV or Parquet: one a row, as Azure publishes its LLM inference traces.

The format is that of Azure/AzurePublicDataset, `AzureLLMInferenceDataset2023.md` and `...2024.md`. What becomes
what:

- A row becomes a session of one `llm` step: TIMESTAMP its start, ContextTokens and GeneratedTokens its tokens.
  Other columns are not used. The recording has neither models, durations, nor whether calls were streamed:
  steps are streamed unless `stream` is False.
- TIMESTAMP has seven digits, so 100 ns. It is kept to that: `start_ms` has four. Times count from the first.
- Rows that are out of order are sorted. The resolution is the coarsest power of ten that divides all times.

Memory holds 24 bytes a row.
"""

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from replay.assembly.starts import Starts, refuse_arrivals
from replay.assembly.types import ImportOptions, ImportResult
from replay.reading.csv_rows import Row
from replay.reading.damage import Damage
from replay.reading.inputs import input_files, trace_name
from replay.reading.table_rows import names_columns, take_rows
from replay.reading.timestamps import unix_ns
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.rules import MOST_TOKENS
from replay.trace.types import FORMAT, VERSION, Header, LlmCall, Session, Step
from replay.words.numbers import milliseconds, seconds
from replay.words.phrases import counted

_COLUMNS = ("timestamp", "contexttokens", "generatedtokens")
_TICK_NS = 100


class AzureLlm:
    """The importer; see the head of this module."""

    name = "azure-llm"
    describe = "Azure's LLM inference traces, CSV or Parquet: timestamps and token counts"

    def sniff(self, first_bytes: bytes) -> bool:
        return names_columns(first_bytes, _COLUMNS)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        files = input_files(paths, ".csv")
        refuse_arrivals(self.name, options)
        damage = Damage(is_refused=options.strict)
        starts, inputs, outputs = Starts(_TICK_NS), array("q"), array("q")

        def take(row: Row) -> None:
            at_ns = unix_ns(row.text("timestamp"))
            if at_ns is None:
                raise row.error("timestamp", "not a time like 2023-11-16 18:17:03.9799600")
            tokens = [row.count(column, MOST_TOKENS) or 0 for column in ("contexttokens", "generatedtokens")]
            starts.add(at_ns // _TICK_NS)
            inputs.append(tokens[0])
            outputs.append(tokens[1])

        take_rows(files, _COLUMNS, damage, take)
        if not starts:
            raise TraceError(f"{shown_path(paths[0])}: no rows below the header.")

        def sessions() -> Iterator[Session]:
            for index in starts.order:
                llm = LlmCall(inputs[index], outputs[index], stream=options.stream)
                yield Session(f"r{index + 1}", starts.ms(index), [Step("1", "llm", "request", llm=llm)])

        inferred: dict[str, Any] = {
            "format": self.name,
            "stream": options.stream,
            "rows": len(starts),
            **damage.told(),
            "sorted": not starts.is_sorted,
            "first_unix_ns": starts.first_ns,
        }
        header = Header(
            format=FORMAT,
            version=VERSION,
            name=options.name or trace_name(paths),
            source=f"{self.name}: {counted(len(starts), 'row')}",
            resolution_ms=starts.resolution_ms,
            attributes={"import": inferred},
        )
        streamed = "are streamed" if options.stream else "are not streamed"
        notes = [
            f"{len(starts)} model calls over {seconds(starts.span_s)}.",
            f"Start times are recorded to {milliseconds(starts.resolution_ms)}. Durations and models are not recorded.",
            f"Not recorded, and assumed: calls {streamed}.",
        ]
        notes += damage.notes()
        if not starts.is_sorted:
            notes.append("The rows were out of order, and were sorted.")
        return ImportResult(header, sessions, tuple(notes))
