"""`replay trace correlate`: find values that later requests took from earlier responses, and put references there."""

from pathlib import Path

import click
import msgspec

from replay.cli.command import Command
from replay.cli.documents import print_json
from replay.cli.paths import OUTPUT_FILE, PATH, replace_trace
from replay.cli.units import Number
from replay.live.working import working
from replay.trace.correlation.correlating import Correlation, Written, find_correlation, write_correlated
from replay.trace.correlation.proposing import Proposal
from replay.trace.errors import shortened, shown_path
from replay.words.numbers import exact
from replay.words.phrases import counted, were

_LONGEST_STEP = 40
_DEFAULT_SHARE = 1.0
_MOST_REDACTED = 10


class _Document(msgspec.Struct, omit_defaults=True):
    """What --json prints."""

    found: Correlation
    written: Written | None = None


@click.command(
    cls=Command,
    examples=(
        "replay trace correlate trace.jsonl.zst",
        "replay trace correlate trace.jsonl.zst -o correlated.jsonl.zst",
    ),
)
@click.argument("path", metavar="TRACE", type=PATH)
@click.option(
    "-o",
    "--out",
    type=OUTPUT_FILE,
    help="Write the correlated trace to this file; .zst compresses.",
)
@click.option(
    "--min-share",
    type=Number(0.0, 1.0, min_open=True),
    default=_DEFAULT_SHARE,
    show_default=True,
    help="With --out: keep links that held in at least this share of the sessions where they could.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def correlate(path: Path, out: Path | None, min_share: float, as_json: bool) -> None:
    """Find values that differ from run to run, and take them from responses.

    Ids, tokens and cursors of a response that reappear in later requests of the session are proposed as `extract`
    and {{name}}. The recording must have kept responses: `--responses keep` of trace record, or of trace import for
    har and mitmproxy.
    """
    if out is not None:
        replace_trace(out, path)
    with working(f"looking for values in {path}", path) as work:
        found = find_correlation(path)
        work.now("writing the trace")
        written = None if out is None else write_correlated(path, out, found, min_share)
    if as_json:
        print_json(_Document(found, written))
        return
    for line in _table(found, min_share):
        click.echo(line)
    if written is not None:
        _report(out, written)


def _table(found: Correlation, min_share: float) -> list[str]:
    lines = _proposed(found, min_share)
    for place in found.redacted[:_MOST_REDACTED]:
        lines.append(
            f"not known: {_shown(place.step)}, {shortened(place.place)}, which the recording redacted in "
            f"{counted(place.sessions, 'session')}"
        )
    if len(found.redacted) > _MOST_REDACTED:
        lines.append(f"not known: {counted(len(found.redacted) - _MOST_REDACTED, 'more place')}")
    return lines


def _proposed(found: Correlation, min_share: float) -> list[str]:
    if not found.proposals:
        return [
            f"no value of {found.responses:,} kept responses reappears in a later request of "
            f"{counted(found.sessions, 'session')}{_constants(found)}"
        ]
    lines = []
    for proposal in found.proposals:
        lines.append(f"{{{{{proposal.name}}}}} from {_shown(proposal.step)}, {_where(proposal)}")
        lines.append(f"    such as {shortened(proposal.example, _LONGEST_STEP)}")
        for use in proposal.uses:
            place = f"{_shown(use.step)}, {shortened(use.place)}"
            held = f"{use.sessions:,} of {counted(use.possible, 'session')}"
            low = "" if use.share >= min_share else f"; below --min-share {exact(min_share)}"
            lines.append(f"    into {place}: {held}{low}")
    if found.sessions == 1:
        lines.append("one session only: a constant cannot be told from a value of one run")
    if found.constants:
        lines.append(f"left out{_constants(found)}")
    return lines


def _constants(found: Correlation) -> str:
    return f": {found.constants:,} that are the same in every session, or words" if found.constants else ""


def _where(proposal: Proposal) -> str:
    extract = proposal.extract
    return f"header {extract.header}" if extract.header is not None else f"json {shortened(extract.json or '')}"


def _shown(step: str) -> str:
    return shortened(step, _LONGEST_STEP)


def _report(out: Path | None, written: Written) -> None:
    if written.edges:
        click.echo(
            f"{counted(written.edges, 'edge')} added, so that a step waits for the one whose value it needs",
            err=True,
        )
    if written.with_braces:
        click.echo(
            f"{were(written.with_braces, 'session')} left unchanged: requests had {{{{...}}}} of their own already",
            err=True,
        )
    click.echo(
        f"{shown_path(out)}: {counted(written.sessions, 'session')}, {written.changed:,} of them changed: "
        f"{counted(written.extracts, 'value')} for {counted(written.places, 'place')}"
    )
