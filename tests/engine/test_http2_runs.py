"""A whole run over HTTP/2: what its files say of how steps shared connections."""

import json

from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.results.record import read_steps
from replay.results.types import STEPS_FILE
from replay.target.sending import Connections, Tls
from replay.target.target import Target
from tests.support.nginx import nginx_serving


def test_a_run_over_http2_records_which_steps_shared_a_connection_and_by_which_plan(write_trace, tmp_path):
    (tmp_path / "nginx").mkdir()
    get = write_trace.get
    fan = [get("a"), *(get(f"b{n}", "/big", ["a"]) for n in range(6))]
    trace = write_trace(*((n * 40.0, fan) for n in range(5)))
    with nginx_serving(tmp_path / "nginx", keepalive_requests=8) as (url, ca_file):
        target = Target(
            url=url,
            name="t",
            http2=True,
            tls=Tls(ca_file=ca_file),
            connections=Connections(max=3, prepare=False),
        )
        outcome = replay_trace(trace, target, RunOptions(), tmp_path / "run")
    steps = [step for step in read_steps(tmp_path / "run" / STEPS_FILE) if step.final]
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    counts = outcome.summary.counts

    assert counts.ok == len(steps) == 35
    assert {step.connection for step in steps} == {"new", "reused", "shared"}
    assert counts.connections_shared == sum(step.connection == "shared" for step in steps) > 0
    assert counts.connections_new + counts.connections_reused + counts.connections_shared == 35
    # It takes leave after 8 requests.
    assert manifest["connections"]["opened"] >= 5
    assert manifest["notes"] == [
        "sent by HTTP/2, on each connection at most 100 at once (4, as the target allows); connections are for all, "
        "opened when the others are full, at most 3"
    ]
