"""`replay gate`: may this deploy go out?"""

import sys
from pathlib import Path
from typing import Any

import click

from replay.cli.documents import print_json
from replay.cli.hints import hint_at_columns
from replay.cli.options import (
    REPLAYING,
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
from replay.cli.slos import read_slos, slo_options
from replay.cli.units import Number
from replay.cli.verdict_files import VerdictCommand, leave_verdict_files, verdict_file_options
from replay.exit_codes import EXIT_CODES
from replay.judge.gate.judging import CONFIDENCE
from replay.live.live import open_view
from replay.live.working import working
from replay.report.ci.github import gate_annotations, is_github, write_job_summary
from replay.report.ci.junit import gate_junit
from replay.report.ci.markdown import gate_markdown
from replay.report.terminal.verdicts import print_gate
from replay.target.file import load_target
from replay.trials.bounds import check_slos
from replay.trials.endings import broken_off
from replay.trials.evidence import verdict_left_in
from replay.trials.gate.baselines import MOST_BASELINES
from replay.trials.gate.trial import GateOutcome, gate_run, gate_trace
from replay.trials.prices import check_currency


@click.command(
    cls=VerdictCommand,
    parts=REPLAYING,
    examples=(
        "replay gate traces/support-agent.jsonl -t targets/staging.toml --scale 10 \\\n    --slo 'p99 < 800ms' --slo "
        "'errors < 1%'",
        "replay gate --run runs/today --slo 'p99 < baseline * 1.1' --baseline runs/last",
        "replay gate traces/support-agent.jsonl -t targets/staging.toml --scale 10 \\\n    --slo "
        "'p99 < baseline * 1.1' --baseline baselines --keep",
    ),
    ends={
        "pass": "pass: every SLO holds",
        "fail": "fail: an SLO does not hold, or --abort or --budget ended the run",
        "inconclusive": "",
        "not_carried_out": "",
        "interrupted": "",
    },
)
@click.argument("trace", type=PATH, required=False)
@click.option("-t", "--target", help="A URL or a target file (TOML).")
@click.option(
    "--run",
    "run_dir",
    metavar="DIR",
    type=PATH,
    help="Judge this run instead of making one.",
)
@slo_options
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    metavar="RUN",
    type=PATH,
    help="A run to compare with ('p99 < baseline * 1.1'), or a folder of runs: its last 10 that passed.",
)
@click.option("--any-baseline", is_flag=True, help="Take baselines of another trace or load, too.")
@click.option(
    "--keep",
    is_flag=True,
    help="Keep the run in the folder of --baseline if it passes, or as its first one; made if need be.",
)
@click.option(
    "--keep-last",
    metavar="N",
    type=click.IntRange(1),
    default=MOST_BASELINES,
    show_default=True,
    help="How many runs --keep keeps, and compares with.",
)
@click.option("--early", is_flag=True, help="End the run once enough was seen for the verdict.")
@click.option(
    "--confidence",
    type=Number(0.5, 0.9999),
    default=CONFIDENCE,
    show_default=True,
    help="Confidence level.",
)
@fidelity_option
@click.option(
    "--dry-run", is_flag=True, help="Say what would be sent, and how many steps the SLOs need; send nothing."
)
@click.option("--strict", is_flag=True, help="Treat inconclusive as fail.")
@verdict_file_options
@run_options
@workers_options
@safety_options
@budget_option
@output_options
@click.pass_context
def gate(
    ctx: click.Context,
    /,
    trace: Path | None,
    target: str | None,
    run_dir: Path | None,
    slos: tuple[str, ...],
    slo_files: tuple[Path, ...],
    baselines: tuple[Path, ...],
    any_baseline: bool,
    keep: bool,
    keep_last: int,
    early: bool,
    confidence: float,
    least_fidelity: float,
    dry_run: bool,
    strict: bool,
    out: Path | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Replay TRACE against a target, or take a run, and judge it by SLOs: pass, fail or inconclusive."""
    if (trace is None) == (run_dir is None) or (run_dir is None) != (target is not None):
        raise click.UsageError("name a TRACE and a --target to replay it against, or a run with --run.")
    if keep and (run_dir is not None or len(baselines) != 1):
        raise click.UsageError("--keep keeps the run of a TRACE in the folder that one --baseline names.")
    if dry_run and trace is None:
        raise click.UsageError("--dry-run takes a TRACE and a --target; a finished run was already sent.")
    aim = None if target is None else load_target(target)
    bounds = read_slos(slos, slo_files, () if aim is None else aim.slo)
    if run_dir is not None:
        hint_at_columns(run_dir, *baselines)
        with verdict_left_in(out) as leave, working(f"judging {run_dir}", run_dir, *baselines):
            judged = gate_run(run_dir, bounds, baselines, confidence, least_fidelity, any_baseline=any_baseline)
            leave(judged)
        outcome = GateOutcome(judged, run_dir)
    else:
        assert trace is not None
        assert aim is not None
        options = options_from(chosen)
        check_currency(options.budget, [aim])
        if dry_run:
            from replay.cli.replaying.dry_run import show_forecast

            check_slos(bounds, trace, has_baseline=bool(baselines))
            show_forecast(trace, aim, options, bounds, confidence, as_json=as_json)
            return
        with open_view(is_quiet=as_json and not sys.stderr.isatty()) as view:
            outcome = gate_trace(
                trace,
                aim,
                bounds,
                options,
                out=out,
                baselines=baselines,
                confidence=confidence,
                least_fidelity=least_fidelity,
                any_baseline=any_baseline,
                early=early,
                keep_last=keep_last if keep else None,
                aborts=chosen["aborts"],
                on_progress=view.show,
            )
    verdict = outcome.verdict
    # Said before it is written: a file that cannot be written must not cost the answer of an hour's run.
    if as_json:
        print_json(verdict)
    else:
        print_gate(verdict, outcome.directory)
    conclusion = outcome.conclusion(strict=strict)
    why = broken_off(conclusion, outcome.directory)
    leave_verdict_files(ctx, gate_junit(verdict, strict), gate_markdown(verdict), why)
    if is_github():
        print_commands(gate_annotations(verdict), err=as_json)
        write_job_summary(gate_markdown(verdict))
    ctx.exit(EXIT_CODES[conclusion])
