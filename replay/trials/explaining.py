"""Explaining the tail of a run that was made, from its directory."""

from pathlib import Path

from replay.judge.tail.explain import ExplainVerdict, explain_run, path_of_session
from replay.results.evidence import read_evidence
from replay.results.manifest_types import Manifest
from replay.results.merging.whole import make_whole
from replay.results.rundir import RunDir, no_such_session
from replay.target.sending import Connections


def explain_directory(run_dir: Path, quantile: float = 0.99, session: str | None = None) -> ExplainVerdict:
    """What the tail of a run is made of. session: also the critical path of that one, step by step.

    Raises RunDirError where there is no run, or it has no such session; ValueError for a quantile outside 0..1.
    """
    make_whole(run_dir)
    manifest = RunDir(run_dir).read_manifest()
    evidence = read_evidence(run_dir)
    verdict = explain_run(evidence, quantile, _connection_limit(manifest))
    if session is not None:
        verdict.session = path_of_session(evidence, session)
        if verdict.session is None:
            raise no_such_session(run_dir, session, evidence.columns.sessions)
    return verdict


def _connection_limit(manifest: Manifest) -> int:
    """How many connections the run might open; the manifest leaves out what is at its default."""
    connections = manifest.target.get("connections") or {}
    return int(connections.get("max", Connections().max))
