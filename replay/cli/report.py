"""`replay report`: show a run again, also one that was killed; or several, or a verdict, as a page."""

from pathlib import Path

import click

from replay.choice.types import PilotVerdict
from replay.cli.documents import print_json
from replay.cli.pilot_report import material_of
from replay.cli.verdict_files import VerdictCommand, leave_verdict_files, verdict_file_options, verdict_files
from replay.judge.load.ceiling import CeilingVerdict
from replay.judge.load.recovery import RecoveryVerdict
from replay.judge.tail.coldstart import ColdVerdict
from replay.judge.types import CompareVerdict, GateVerdict
from replay.report.ci.junit import compare_junit, gate_junit
from replay.report.ci.markdown import compare_markdown, gate_markdown
from replay.report.ci.pilot import pilot_markdown
from replay.report.page.charts import ChartError
from replay.report.page.page import run_page, verdict_page
from replay.report.page.pilot import pilot_page
from replay.report.terminal.load import print_ceiling, print_coldstart
from replay.report.terminal.pilot import print_pilot
from replay.report.terminal.recovery import print_recovery
from replay.report.terminal.run import print_summary
from replay.report.terminal.story import print_story
from replay.report.terminal.verdicts import print_compare, print_gate
from replay.results.exporting import EXPORTS
from replay.results.record import read_steps
from replay.results.rundir import RunDir, RunDirError
from replay.results.summary import rebuild
from replay.results.types import MANIFEST_FILE, STEPS_FILE
from replay.system.files import write_whole
from replay.trials.endings import broken_off, concluded
from replay.trials.evidence import AnyVerdict, read_evidence, read_verdict


@click.command(cls=VerdictCommand)
@click.argument("paths", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the summary, or the verdict, as JSON on stdout.")
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    help="Write a page with charts to this file; several runs over one another.",
)
@click.option(
    "--parquet",
    type=click.Path(path_type=Path),
    help="Write the run's steps to this Parquet file (extra: parquet).",
)
@click.option("--csv", type=click.Path(path_type=Path), help="Write the run's steps to this CSV file.")
@click.option("--session", metavar="ID", help="Tell one session's story: every attempt of its steps.")
@verdict_file_options
@click.pass_context
def report(
    ctx: click.Context,
    /,
    paths: tuple[Path, ...],
    as_json: bool,
    html: Path | None,
    parquet: Path | None,
    csv: Path | None,
    session: str | None,
) -> None:
    """Show RUN, a run directory, rebuilt from what was recorded; or the verdict of a folder that holds one.

    Example: replay report runs/x --html x.html
    """
    if html is not None:
        try:
            write_whole(html, _page(paths))
        except ChartError as error:
            raise click.UsageError(str(error)) from error
    _export(paths, {"parquet": parquet, "csv": csv})
    if any(verdict_files(ctx)):
        _write_verdict(ctx, paths[0])
    for path in paths:
        if session is None:
            _show(path, as_json)
        else:
            _tell(path, session, as_json)


def _export(paths: tuple[Path, ...], files: dict[str, Path | None]) -> None:
    for form, file in files.items():
        if file is not None:
            if len(paths) > 1:
                raise click.UsageError(f"--{form} writes the steps of one run; {len(paths)} are named.")
            RunDir(paths[0]).read_manifest()
            EXPORTS[form](paths[0], file)


def _show(path: Path, as_json: bool) -> None:
    verdict = read_verdict(path)
    is_run = (path / MANIFEST_FILE).exists()
    if not is_run and verdict is None:
        RunDir(path).read_manifest()  # says what is missing
    if as_json:
        document = rebuild(path) if is_run else verdict
        print_json(document)
        return
    if is_run:
        print_summary(rebuild(path), path)
    _show_verdict(verdict, path)


def _show_verdict(verdict: AnyVerdict | None, path: Path) -> None:
    match verdict:
        case GateVerdict():
            print_gate(verdict, None)
        case CompareVerdict():
            print_compare(verdict, None)
        case CeilingVerdict():
            print_ceiling(verdict)
        case ColdVerdict():
            print_coldstart(verdict)
        case RecoveryVerdict():
            print_recovery(verdict)
        case PilotVerdict():
            print_pilot(verdict, path, has_assumptions=True)


def _tell(path: Path, session: str, as_json: bool) -> None:
    """One session of a run, as a story or as the lines of its record."""
    RunDir(path).read_manifest()
    steps = path / STEPS_FILE
    records = [record for record in read_steps(steps) if record.session == session] if steps.exists() else []
    if not records:
        raise RunDirError(
            f"{path}: has no session {session!r}. The field session in {STEPS_FILE} has their names."
        )
    if as_json:
        print_json(records)
    else:
        print_story(session, records)


def _page(paths: tuple[Path, ...]) -> str:
    """One page of the runs named, or of the runs in the folders named; or of a verdict that has none of its own."""
    found: list[Path] = []
    verdict: AnyVerdict | None = None
    for path in paths:
        verdict = verdict or read_verdict(path)
        if (path / MANIFEST_FILE).exists():
            found.append(path)
        elif isinstance(verdict, CompareVerdict):
            # Not the run in which the first target was asked again, if there is one.
            compared = {run for one in (verdict, *verdict.further) for side in one.targets for run in side.runs}
            found += sorted(path / run for run in compared if (path / run / MANIFEST_FILE).exists())
        elif verdict is None:
            RunDir(path).read_manifest()  # says what is missing
    if isinstance(verdict, PilotVerdict):
        return pilot_page(verdict, material_of(verdict, paths[0]))
    if isinstance(verdict, RecoveryVerdict):
        verdict = None
    if not found:
        assert verdict is not None
        return verdict_page(verdict)
    runs = [read_evidence(path) for path in found]
    return run_page(runs, [RunDir(path).read_manifest() for path in found], verdict)


def _write_verdict(ctx: click.Context, path: Path) -> None:
    """The verdict of this folder to the files that were asked for, or that its run has none."""
    verdict = read_verdict(path)
    if isinstance(verdict, PilotVerdict) and verdict_files(ctx).junit is None:
        leave_verdict_files(ctx, "", pilot_markdown(verdict))
    elif isinstance(verdict, CompareVerdict):
        leave_verdict_files(ctx, compare_junit(verdict), compare_markdown(verdict))
    elif isinstance(verdict, GateVerdict):
        has_failed = (path / MANIFEST_FILE).exists() and RunDir(path).read_manifest().status == "failed"
        why = broken_off(concluded("failed", verdict.verdict), path) if has_failed else None
        leave_verdict_files(ctx, gate_junit(verdict), gate_markdown(verdict), why)
    else:
        raise RunDirError(
            f"{path}: holds no verdict of a gate or a comparison (or of a pilot, for Markdown). Name one that does."
        )
