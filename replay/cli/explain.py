"""`replay explain`: what a run's tail is made of, the critical path of its sessions, and drift."""

from pathlib import Path

import click

from replay.cli.documents import print_json
from replay.judge.tail.explain import explain_run, path_of_session
from replay.report.terminal.explain import print_explain
from replay.results.rundir import RunDir, RunDirError
from replay.results.types import STEPS_FILE, Manifest
from replay.target.sending import Connections
from replay.trials.evidence import read_evidence


@click.command()
@click.argument("run_dir", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--quantile",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.99,
    show_default=True,
    help="Where the tail begins.",
)
@click.option("--session", metavar="ID", help="Show the critical path of this session, step by step.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def explain(run_dir: Path, quantile: float, session: str | None, as_json: bool) -> None:
    """Say what the tail of RUN is made of, what its sessions waited for, and whether the target grew slower.

    Nothing is written. Example: replay explain runs/x --quantile 0.95
    """
    manifest = RunDir(run_dir).read_manifest()
    evidence = read_evidence(run_dir)
    verdict = explain_run(evidence, quantile, _connection_limit(manifest))
    if session is not None:
        verdict.session = path_of_session(evidence, session)
        if verdict.session is None:
            raise RunDirError(
                f"{run_dir}: has no session {session!r}. The field session in {STEPS_FILE} has their names."
            )
    if as_json:
        print_json(verdict)
    else:
        print_explain(verdict)


def _connection_limit(manifest: Manifest) -> int:
    """How many connections the run might open; the manifest leaves out what is at its default."""
    connections = manifest.target.get("connections") or {}
    return int(connections.get("max", Connections().max))
