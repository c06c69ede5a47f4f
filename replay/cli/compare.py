"""`replay compare`: the same trace against several targets, side by side."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from replay.cli.options import answers_option, options_from, output_options, run_options
from replay.cli.units import DURATION, PERCENT
from replay.judge.answers.again import AGAIN_SHARE
from replay.judge.answers.judge import ANSWERS_MARGIN_PERCENT
from replay.judge.compare import MARGIN_PERCENT, MetricError, parse_metric
from replay.judge.gate import CONFIDENCE
from replay.report.github import annotations, is_github, write_job_summary
from replay.report.junit import compare_junit
from replay.report.live import open_view
from replay.report.markdown import compare_markdown
from replay.report.verdicts import print_compare
from replay.results.types import AnswersKept
from replay.target import load_target
from replay.trials.answers import AnswersQuestion
from replay.trials.compare import Question, compare_runs, compare_targets

EXIT_SLOWER = 1
EXIT_DIFFERENT = 1
EXIT_INCONCLUSIVE = 3


@click.command()
@click.argument("trace", type=click.Path(path_type=Path), required=False)
@click.option(
    "-t", "--target", "targets", multiple=True, help="A URL or a target file (TOML); name two or more."
)
@click.option(
    "--run",
    "run_dirs",
    multiple=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Compare runs that were made, instead of making them; name two or more.",
)
@click.option(
    "--mode",
    type=click.Choice(["paired", "interleaved", "sequential"]),
    default="paired",
    show_default=True,
    help="paired: each session to all targets at once. interleaved: sessions dealt out, for targets that share a "
    "backend. sequential: one run after the other, A-B-B-A.",
)
@click.option(
    "--aa", is_flag=True, help="Hold one target against itself: the least difference that could be seen."
)
@click.option(
    "--metric", default="p99", show_default=True, help="What decides, for example p50, p95(ttft), errors."
)
@click.option(
    "--margin",
    type=PERCENT,
    default=f"{MARGIN_PERCENT:g}%",
    show_default=True,
    help="A difference within this either way is none that matters.",
)
@click.option(
    "--phase",
    type=DURATION,
    default="5ms",
    show_default=True,
    help="paired: how far apart a session reaches the targets, in an order drawn anew for each.",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 0.9999),
    default=CONFIDENCE,
    show_default=True,
    help="Of the verdicts.",
)
@answers_option
@click.option(
    "--answers-margin",
    type=PERCENT,
    default=f"{ANSWERS_MARGIN_PERCENT:g}%",
    show_default=True,
    help="Call answers the same only if fewer sessions than this can differ.",
)
@click.option(
    "--answers-again",
    type=PERCENT,
    default=f"{100 * AGAIN_SHARE:g}%",
    show_default=True,
    help="Ask the first target again for this share of the sessions that do not differ (but for at least 200 in all), "
    "to learn what is random in its answers.",
)
@click.option(
    "--fail-if-different", is_flag=True, help="Exit with 1 if a later target's answers are different."
)
@click.option("--fail-if-slower", is_flag=True, help="Exit with 1 if a later target is slower than the first.")
@click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the verdict as JUnit XML to this file.",
)
@click.option(
    "--markdown",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the verdict as Markdown to this file.",
)
@run_options
@output_options
@click.pass_context
def compare(
    ctx: click.Context,
    /,
    trace: Path | None,
    targets: tuple[str, ...],
    run_dirs: tuple[Path, ...],
    mode: Any,
    aa: bool,
    metric: str,
    margin: float,
    phase: float,
    confidence: float,
    answers: AnswersKept | None,
    answers_margin: float,
    answers_again: float,
    fail_if_different: bool,
    fail_if_slower: bool,
    junit: Path | None,
    markdown: Path | None,
    out: Path | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Replay TRACE against several targets at the same times, and say which is faster, and how sure that is.

    Example: replay compare traces/support-agent.jsonl -t targets/local.toml -t targets/staging.toml

    Are the answers the same, too? Add --answers.
    """
    if fail_if_different and answers is None:
        raise click.UsageError("--fail-if-different asks for the answers to be compared: add --answers.")
    try:
        of_answers = AnswersQuestion(answers, answers_margin, answers_again / 100) if answers else None
        question = Question(parse_metric(metric), margin, confidence, phase * 1_000, of_answers)
    except MetricError as error:
        raise click.BadParameter(str(error), param_hint="'--metric'") from error
    _check_usage(trace, targets, run_dirs, aa)
    status = "finished"
    directory: Path | None = None
    if run_dirs:
        verdict = compare_runs(run_dirs, question)
    else:
        assert trace is not None
        aims = [load_target(target) for target in targets]
        with open_view(is_quiet=as_json and not sys.stderr.isatty()) as view:
            verdict, directory, status = compare_targets(
                trace, aims, options_from(chosen), mode, question, out=out, on_progress=view.show
            )
    # Said before it is written: a file that cannot be written must not cost the answer of an hour's run.
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(verdict)).decode())
    else:
        print_compare(verdict, directory)
    for file in filter(None, (junit, markdown)):
        file.parent.mkdir(parents=True, exist_ok=True)
    if junit is not None:
        junit.write_text(compare_junit(verdict), encoding="utf-8")
    if markdown is not None:
        markdown.write_text(compare_markdown(verdict), encoding="utf-8")
    if is_github():
        for line in annotations(verdict):
            click.echo(line, err=as_json)
        write_job_summary(compare_markdown(verdict))
    if status != "finished":
        ctx.exit(130 if status == "interrupted" else 4)
    verdicts = [verdict.verdict, *(further.verdict for further in verdict.further)]
    of_answers_found = [one.answers.verdict for one in (verdict, *verdict.further) if one.answers is not None]
    if fail_if_slower and "a_faster" in verdicts:
        ctx.exit(EXIT_SLOWER)
    if fail_if_different and "different" in of_answers_found:
        ctx.exit(EXIT_DIFFERENT)
    ctx.exit(EXIT_INCONCLUSIVE if "inconclusive" in [*verdicts, *of_answers_found] and not aa else 0)


def _check_usage(trace: Path | None, targets: tuple[str, ...], run_dirs: tuple[Path, ...], aa: bool) -> None:
    if run_dirs:
        if trace is not None or targets or aa:
            raise click.UsageError("compare either runs (--run twice), or a TRACE against targets.")
        if len(run_dirs) < 2:
            raise click.UsageError("name at least two runs, each with --run.")
        return
    if trace is None:
        raise click.UsageError("name a TRACE and targets to replay it against, or runs with --run.")
    if aa and len(targets) != 1:
        raise click.UsageError("--aa holds one target against itself: name exactly one.")
    if not aa and len(targets) < 2:
        raise click.UsageError("name at least two targets, each with -t; or one with --aa.")
