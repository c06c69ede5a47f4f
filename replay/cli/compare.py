"""`replay compare`: the same trace against several targets, side by side."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from replay.cli.documents import print_json
from replay.cli.hints import hint_at_columns
from replay.cli.options import (
    REPLAYING,
    answers_option,
    budget_option,
    fidelity_option,
    options_from,
    output_options,
    run_options,
    safety_options,
    workers_options,
)
from replay.cli.outlets import print_commands
from replay.cli.paths import PATH
from replay.cli.units import DURATION, PERCENT, Number, Percent
from replay.cli.verdict_files import VerdictCommand, leave_verdict_files, verdict_file_options
from replay.exit_codes import EXIT_CODES, Conclusion
from replay.judge.answers.again import AGAIN_SHARE
from replay.judge.answers.judge import ANSWERS_MARGIN_PERCENT
from replay.judge.comparison.difference import MARGIN_PERCENT
from replay.judge.comparison.metric import MetricError, parse_metric
from replay.judge.gate.judging import CONFIDENCE
from replay.judge.types import CompareVerdict
from replay.live.live import open_view
from replay.live.working import working
from replay.report.ci.github import compare_annotations, is_github, write_job_summary
from replay.report.ci.junit import compare_junit
from replay.report.ci.markdown import compare_markdown
from replay.report.terminal.verdicts import print_compare
from replay.results.answer_types import AnswersKept
from replay.results.manifest_types import Ended, RunStatus
from replay.target.file import load_target
from replay.trials.answers import AnswersQuestion
from replay.trials.compare import (
    Question,
    compare_recorded,
    compare_run_recorded,
    compare_runs,
    compare_targets,
)
from replay.trials.endings import broken_off, concluded
from replay.trials.evidence import verdict_left_in
from replay.trials.prices import check_currency
from replay.words.numbers import exact, percent


@click.command(
    cls=VerdictCommand,
    parts=REPLAYING,
    examples=(
        "replay compare traces/support-agent.jsonl \\\n    -t targets/local.toml -t targets/staging.toml --scale 10",
        "replay compare --run runs/old --run runs/new --fail-if-slower",
    ),
    ends={
        "done": "compared; with --aa also where nothing is settled",
        "fail": "slower or different, with --fail-if-slower or --fail-if-different",
        "inconclusive": "",
        "not_carried_out": "",
        "interrupted": "",
    },
)
@click.argument("trace", type=PATH, required=False)
@click.option(
    "-t", "--target", "targets", multiple=True, help="A URL or a target file (TOML); give two or more."
)
@click.option(
    "--run",
    "run_dirs",
    multiple=True,
    metavar="DIR",
    type=PATH,
    help="Compare finished runs instead of making new ones; give two or more.",
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
    "--recorded",
    is_flag=True,
    help="Compare one run, or one target, with the recording itself, as if that were another target.",
)
@click.option(
    "--aa",
    is_flag=True,
    help="Compare one target with itself: the smallest difference that could be seen. Exits with 0 even if that is "
    "inconclusive.",
)
@click.option(
    "--metric",
    default="p99",
    show_default=True,
    help="The metric that decides, for example p50, p95(ttft), errors.",
)
@click.option(
    "--margin",
    type=Percent(most=100.0),
    default=f"{exact(MARGIN_PERCENT)}%",
    show_default=True,
    help="Differences within ± this count as equal.",
)
@click.option(
    "--phase",
    type=DURATION,
    default="5ms",
    show_default=True,
    help="paired: how far apart the targets get the same session, in an order drawn anew for each.",
)
@click.option(
    "--confidence",
    type=Number(0.5, 0.9999),
    default=CONFIDENCE,
    show_default=True,
    help="Confidence, of all verdicts together where there are several targets.",
)
@fidelity_option
@answers_option
@click.option(
    "--answers-margin",
    type=Percent(most=100.0),
    default=f"{exact(ANSWERS_MARGIN_PERCENT)}%",
    show_default=True,
    help="Call answers the same only if fewer than this share of sessions can differ.",
)
@click.option(
    "--answers-again",
    type=PERCENT,
    default=percent(AGAIN_SHARE),
    show_default=True,
    help="Ask the first target again for this share of the sessions that do not differ (but for at least 200 in all), "
    "to learn what is random in its answers.",
)
@click.option("--fail-if-different", is_flag=True, help="Exit with 1 if the answers of a later target differ.")
@click.option("--fail-if-slower", is_flag=True, help="Exit with 1 if a later target is slower than the first.")
@verdict_file_options
@run_options
@workers_options
@safety_options
@budget_option
@output_options
@click.pass_context
def compare(
    ctx: click.Context,
    /,
    trace: Path | None,
    targets: tuple[str, ...],
    run_dirs: tuple[Path, ...],
    mode: Any,
    recorded: bool,
    aa: bool,
    metric: str,
    margin: float,
    phase: float,
    confidence: float,
    least_fidelity: float,
    answers: AnswersKept | None,
    answers_margin: float,
    answers_again: float,
    fail_if_different: bool,
    fail_if_slower: bool,
    out: Path | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Replay TRACE against several targets at the same times, and say which is faster, and how sure that is.

    Are the answers the same, too? Add --answers.
    """
    if fail_if_different and answers is None:
        raise click.UsageError("--fail-if-different needs the answers to be compared: add --answers.")
    try:
        of_answers = AnswersQuestion(answers, answers_margin, answers_again / 100) if answers else None
        question = Question(parse_metric(metric), margin, confidence, phase * 1_000, least_fidelity, of_answers)
    except MetricError as error:
        raise click.BadParameter(str(error), param_hint="'--metric'") from error
    _check_usage(trace, targets, run_dirs, aa=aa, recorded=recorded)
    status: RunStatus = "finished"
    directory: Path | None = None
    ended: Ended | None = None
    if run_dirs:
        hint_at_columns(*run_dirs)
        with verdict_left_in(out) as leave, working("comparing", *run_dirs):
            verdict = (
                compare_run_recorded(run_dirs[0], question) if recorded else compare_runs(run_dirs, question)
            )
            leave(verdict)
    else:
        assert trace is not None
        aims = [load_target(target) for target in targets]
        options = options_from(chosen)
        check_currency(options.budget, aims)
        with open_view(is_quiet=as_json and not sys.stderr.isatty()) as view:
            verdict, directory, status, ended = (
                compare_recorded(
                    trace, aims[0], options, question, out=out, on_progress=view.show, aborts=chosen["aborts"]
                )
                if recorded
                else compare_targets(
                    trace,
                    aims,
                    options,
                    mode,
                    question,
                    out=out,
                    on_progress=view.show,
                    aborts=chosen["aborts"],
                )
            )
    # Said before it is written: a file that cannot be written must not cost the answer of an hour's run.
    if as_json:
        print_json(verdict)
    else:
        print_compare(verdict, directory)
    answer = _answer(verdict, fail_if_slower=fail_if_slower, fail_if_different=fail_if_different, is_aa=aa)
    conclusion = concluded(status, answer, ended=ended)
    leave_verdict_files(
        ctx, compare_junit(verdict), compare_markdown(verdict), broken_off(conclusion, directory)
    )
    if is_github():
        print_commands(compare_annotations(verdict), err=as_json)
        write_job_summary(compare_markdown(verdict))
    ctx.exit(EXIT_CODES[conclusion])


def _answer(
    verdict: CompareVerdict, *, fail_if_slower: bool, fail_if_different: bool, is_aa: bool
) -> Conclusion:
    """Slower, or different, is a failure only if that was asked for; a target that is compared with itself need not
    settle anything.
    """
    pairs = (verdict, *verdict.further)
    verdicts = [pair.verdict for pair in pairs]
    answers = [pair.answers.verdict for pair in pairs if pair.answers is not None]
    if (fail_if_slower and "a_faster" in verdicts) or (fail_if_different and "different" in answers):
        return "fail"
    return "inconclusive" if "inconclusive" in [*verdicts, *answers] and not is_aa else "done"


def _check_usage(
    trace: Path | None, targets: tuple[str, ...], run_dirs: tuple[Path, ...], *, aa: bool, recorded: bool
) -> None:
    if aa and recorded:
        raise click.UsageError("--aa and --recorded exclude each other: choose one of them.")
    if run_dirs:
        if trace is not None or targets or aa:
            raise click.UsageError("compare either runs (--run twice), or a TRACE against targets.")
        if recorded and len(run_dirs) != 1:
            raise click.UsageError("--recorded compares one run with its recording: name exactly one.")
        if not recorded and len(run_dirs) < 2:
            raise click.UsageError("name at least two runs, each with --run; or one with --recorded.")
        if len({os.path.realpath(run_dir) for run_dir in run_dirs}) < len(run_dirs):
            raise click.UsageError("a run is named twice with --run, and does not differ from itself.")
        return
    if trace is None:
        raise click.UsageError("name a TRACE and targets to replay it against, or runs with --run.")
    if (aa or recorded) and len(targets) != 1:
        what = (
            "--aa compares one target with itself"
            if aa
            else "--recorded compares one target with the recording"
        )
        raise click.UsageError(f"{what}: name exactly one.")
    if not (aa or recorded) and len(targets) < 2:
        raise click.UsageError("name at least two targets, each with -t; or one with --aa or --recorded.")
