"""`replay report`: show a run again, also one that was killed; or several, or a verdict, as a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from replay.choice.types import PilotVerdict
from replay.cli.documents import print_json
from replay.cli.hints import hint_at_columns
from replay.cli.paths import OUTPUT_FILE, PATH
from replay.cli.pilot_report import material_of
from replay.cli.verdict_files import VerdictCommand, leave_verdict_files, verdict_file_options, verdict_files
from replay.exit_codes import Conclusion
from replay.live.working import working
from replay.report.page.charts import ChartError
from replay.report.page.page import run_page
from replay.report.page.pilot import PilotMaterial
from replay.report.terminal.run import print_summary
from replay.report.terminal.story import print_story
from replay.report.verdicts import renderers_of
from replay.results.evidence import Evidence, read_evidence
from replay.results.exporting import EXPORTS
from replay.results.manifest_types import Manifest
from replay.results.merging.whole import make_whole
from replay.results.record import read_steps, steps_of_session
from replay.results.rundir import RunDir, RunDirError, no_such_session
from replay.results.summary import rebuild
from replay.results.summary_types import Summary
from replay.results.types import MANIFEST_FILE, STEPS_FILE
from replay.system.files import write_whole
from replay.trace.errors import shown_path
from replay.trials.endings import broken_off, concluded
from replay.trials.evidence import read_verdict


@click.command(
    cls=VerdictCommand,
    examples=(
        "replay report runs/today",
        "replay report runs/today runs/yesterday --html page.html",
    ),
)
@click.argument("paths", metavar="RUN...", nargs=-1, required=True, type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Print the summary, or the verdict, as JSON on stdout.")
@click.option(
    "--html",
    type=OUTPUT_FILE,
    help="Write a page with charts to this file; several runs are drawn over one another.",
)
@click.option(
    "--parquet",
    type=OUTPUT_FILE,
    help="Write the run's steps to this Parquet file (extra: parquet).",
)
@click.option("--csv", type=OUTPUT_FILE, help="Write the run's steps to this CSV file.")
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
    """Show RUN, a run directory, rebuilt from what was recorded; or the verdict of a folder that holds one."""
    with working("reading", *paths):
        for path in paths:
            make_whole(path)
    hint_at_columns(*paths)
    known: dict[Path, Summary] = {}
    if html is not None:
        try:
            with working("making the page", *paths):
                text = _page(paths, known)
            write_whole(html, text)
            _say_written(html)
        except ChartError as error:
            raise click.UsageError(str(error)) from error
    _export(paths, {"parquet": parquet, "csv": csv})
    if any(verdict_files(ctx)):
        _write_verdict(ctx, paths[0])
    for path in paths:
        if session is None:
            _show(path, as_json, known.get(path))
        else:
            _tell(path, session, as_json)


def _export(paths: tuple[Path, ...], files: dict[str, Path | None]) -> None:
    for form, file in files.items():
        if file is not None:
            if len(paths) > 1:
                raise click.UsageError(f"--{form} writes the steps of one run; {len(paths)} are named.")
            RunDir(paths[0]).read_manifest()
            with working(f"writing {file}", paths[0]):
                EXPORTS[form](paths[0], file)
            _say_written(file)


def _say_written(file: Path) -> None:
    click.echo(f"{shown_path(file)}: written", err=True)


def _show(path: Path, as_json: bool, summary: Summary | None) -> None:
    """A run or a verdict on stdout. summary: of a run that was read already, as a long one takes a while."""
    verdict = read_verdict(path)
    is_run = (path / MANIFEST_FILE).exists()
    if not is_run and verdict is None:
        RunDir(path).read_manifest()  # says what is missing
    if is_run and summary is None:
        with working(f"reading {path}", path):
            summary = rebuild(path, keeps=True)
    if as_json:
        print_json(verdict if summary is None else summary)
        return
    if summary is not None:
        print_summary(summary, path)
    if verdict is not None:
        renderers_of(verdict).terminal(verdict, path)


def _tell(path: Path, session: str, as_json: bool) -> None:
    """One session of a run, as a story or as the lines of its record."""
    RunDir(path).read_manifest()
    steps = path / STEPS_FILE
    records = steps_of_session(steps, session) if steps.exists() else []
    if not records:
        known = (record.session for record in read_steps(steps)) if steps.exists() else ()
        raise no_such_session(path, session, known)
    if as_json:
        print_json(records)
    else:
        print_story(session, records)


class _Folder(NamedTuple):
    """The folders that were named, for a page. path: that of the verdict. known: gets the figures of what was read."""

    paths: tuple[Path, ...]
    path: Path
    known: dict[Path, Summary]

    def runs(self, names: Sequence[str]) -> tuple[list[Evidence], list[Manifest]]:
        found = [path for path in self.paths if (path / MANIFEST_FILE).exists()]
        found = found or [self.path / name for name in names if (self.path / name / MANIFEST_FILE).exists()]
        runs = [read_evidence(path) for path in found]
        self.known.update((path, run.summary) for path, run in zip(found, runs, strict=True))
        return runs, [RunDir(path).read_manifest() for path in found]

    def pilot(self, verdict: PilotVerdict) -> PilotMaterial:
        return material_of(verdict, self.path)


def _page(paths: tuple[Path, ...], known: dict[Path, Summary]) -> str:
    """One page of the runs named and of the first verdict among them; or of a verdict, with the runs it is of. known:
    gets the figures of these runs.
    """
    for path in paths:
        if (verdict := read_verdict(path)) is not None:
            return renderers_of(verdict).page(verdict, _Folder(paths, path, known))
        RunDir(path).read_manifest()  # says what is missing
    return run_page(*_Folder(paths, paths[0], known).runs(()))


def _write_verdict(ctx: click.Context, path: Path) -> None:
    """The verdict of this folder to the files that were asked for, or that its run has none."""
    verdict = read_verdict(path)
    if verdict is None:
        raise RunDirError(f"{path}: holds no verdict. Name a folder that does.")
    has_failed = (path / MANIFEST_FILE).exists() and RunDir(path).read_manifest().status == "failed"
    answer: Conclusion = "fail" if getattr(verdict, "verdict", "") == "fail" else "done"
    why = broken_off(concluded("failed", answer), path) if has_failed else None
    show = renderers_of(verdict)
    leave_verdict_files(ctx, show.junit(verdict, False), show.markdown(verdict), why)
