"""Invocations of the `azure-functions` format, CSV or Parquet: a call a row, as Azure published them for 2021.

The format is that of Azure/AzurePublicDataset, `AzureFunctionsInvocationTrace2021.md`. What becomes what:

- A row becomes a session of one `http` step. `end_timestamp` and `duration` are seconds: the call started at
  their difference and took `duration`, which is execution only, without queueing and cold start.
- The request is POST /functions/NAME without a body, where NAME is a pseudonym of `func`: "f-" and the first
  48 bits of its SHA-256 in hex. It is the same in every import, and short. The session's attribute `app` is the
  same kind of pseudonym of `app`, "a-". Methods, paths and bodies are not recorded.
- Times count from the first start; rows are sorted by it, as the files are in order of their ends. They are
  kept to 100 ns. The resolution is the coarsest power of ten that divides all durations: ends are written with
  the noise of floating point, so they tell nothing.

Memory holds 24 bytes a row.
"""

from array import array
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from replay.assembly.starts import Starts, refuse_arrivals
from replay.assembly.types import ImportOptions, ImportResult
from replay.reading.csv_rows import Row
from replay.reading.damage import Damage
from replay.reading.inputs import input_files, trace_name
from replay.reading.table_rows import names_columns, take_rows
from replay.reading.timestamps import Grain
from replay.trace.errors import TraceError, shown_path
from replay.trace.types import FORMAT, VERSION, Header, Request, Session, Step
from replay.words.numbers import exact, milliseconds, seconds
from replay.words.phrases import counted

_COLUMNS = ("app", "func", "end_timestamp", "duration")
_TICK_NS = 100
_TICKS_A_SECOND = 10_000_000
_LONGEST_S = 1e9  # as long as a trace may be; ticks of it fit an int64


class AzureFunctions:
    """The importer; see the head of this module."""

    name = "azure-functions"
    describe = "Azure's function invocations of 2021, CSV or Parquet: end and duration of each call"

    def sniff(self, first_bytes: bytes) -> bool:
        return names_columns(first_bytes, _COLUMNS)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        files = input_files(paths, ".csv")
        refuse_arrivals(self.name, options)
        damage = Damage(is_refused=options.strict)
        starts, took_ticks, names = Starts(_TICK_NS), array("q"), array("q")
        index_of: dict[tuple[str, str], int] = {}
        grain = Grain(_TICK_NS)

        def take(row: Row) -> None:
            times_s = [row.number(column) for column in ("end_timestamp", "duration")]
            for column, value in zip(("end_timestamp", "duration"), times_s, strict=True):
                if value is None or value > _LONGEST_S:
                    raise row.error(column, f"not a number of seconds from 0 to {exact(_LONGEST_S)}")
            end, took = (round((value or 0.0) * _TICKS_A_SECOND) for value in times_s)
            starts.add(end - took)
            took_ticks.append(took)
            grain.add(took)
            key = (row.text("app"), row.text("func"))
            names.append(index_of.setdefault(key, len(index_of)))

        take_rows(files, _COLUMNS, damage, take)
        if not starts:
            raise TraceError(f"{shown_path(paths[0])}: no rows below the header.")
        pseudonyms = [(_pseudonym("a", app), _pseudonym("f", function)) for app, function in index_of]

        def sessions() -> Iterator[Session]:
            for index in starts.order:
                app, function = pseudonyms[names[index]]
                step = Step(
                    "1",
                    "http",
                    function,
                    took_ms=took_ticks[index] * _TICK_NS / 1e6,
                    request=Request("POST", f"/functions/{function}"),
                )
                yield Session(f"r{index + 1}", starts.ms(index), [step], {"app": app})

        apps, functions = ({pair[n] for pair in pseudonyms} for n in (0, 1))
        inferred: dict[str, Any] = {
            "format": self.name,
            "rows": len(starts),
            **damage.told(),
            "apps": len(apps),
            "functions": len(functions),
            "sorted": not starts.is_sorted,
            "pseudonym": "f- (func) or a- (app), and the first 12 hex digits of the SHA-256",
            "first_start_s": starts.first_ns / 1e9,
        }
        header = Header(
            format=FORMAT,
            version=VERSION,
            name=options.name or trace_name(paths),
            source=f"{self.name}: {counted(len(starts), 'row')}",
            resolution_ms=grain.ms,
            attributes={"import": inferred},
        )
        notes = (
            f"{counted(len(starts), 'call')} of {counted(len(functions), 'function')} "
            f"in {counted(len(apps), 'app')} over {seconds(starts.span_s)}.",
            f"Durations are recorded to {milliseconds(grain.ms)}, and so are starts, which are ends minus durations.",
            "Not recorded: methods, paths and bodies. Calls are POST /functions/NAME, NAME a pseudonym of func.",
            *damage.notes(),
        )
        return ImportResult(header, sessions, notes)


def _pseudonym(prefix: str, value: str) -> str:
    return f"{prefix}-{sha256(value.encode()).hexdigest()[:12]}"
