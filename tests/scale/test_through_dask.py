"""Workers in a Dask cluster, whose scheduler and workers are threads of this process; their engines are processes."""

import logging

import pytest

from replay.engine.run import Job
from replay.engine.types import RunOptions
from replay.results.summary import rebuild
from replay.scale.conductor import NotStarted
from replay.scale.replaying import replay_dealt
from replay.scale.through_dask import work
from replay.target.target import Target
from tests.support.later import later

distributed = later("distributed")


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, processes=False, dashboard_address=None
    ) as made:
        yield made


def test_a_run_on_dask_workers_is_one_run(cluster, truth, write_trace, tmp_path):
    get = write_trace.get
    trace = write_trace(*[(n * 10.0, [get("a", f"/{n}"), get("b", f"/{n}/b", ["a"])]) for n in range(20)])
    options = RunOptions(workers=2, cluster=cluster.scheduler_address)
    logged_from = logging.getLogger("distributed.client").level

    (outcome,) = replay_dealt(trace, [Job(Target(url=truth.url), tmp_path / "run")], options)

    assert (outcome.summary.status, outcome.summary.counts.ok) == ("finished", 40)
    assert len({seen["path"] for seen in truth.arrivals}) == 40
    assert [worker.steps for worker in outcome.summary.workers] == [20, 20]
    assert rebuild(outcome.directory) == outcome.summary
    assert logging.getLogger("distributed.client").level == logged_from


def test_a_share_that_dask_begins_anew_is_not_done_again(cluster):
    """Its ticket is gone: whoever takes none does nothing, and starts no engine."""
    with distributed.Client(cluster, set_as_default=False) as client:
        ticket = distributed.Queue("replay-once-ticket-0", client=client)
        ticket.put(0)
        ticket.get()

        assert client.submit(work, "once", 0, 0.1, retries=0).result(timeout=20) is None


def test_too_few_dask_workers_are_told(cluster, write_trace, tmp_path):
    trace = write_trace((0.0, [write_trace.get("a", "/a")]))
    options = RunOptions(workers=3, cluster=cluster.scheduler_address)

    with pytest.raises(NotStarted, match=r"has 2 Dask workers, and 3 are asked for"):
        replay_dealt(trace, [Job(Target(url="http://127.0.0.1:9"), tmp_path / "run")], options)


def test_a_scheduler_that_is_not_there_is_told(monkeypatch, write_trace, tmp_path):
    monkeypatch.setattr("replay.scale.through_dask._CONNECT_S", 0.2)
    trace = write_trace((0.0, [write_trace.get("a", "/a")]))
    options = RunOptions(workers=2, cluster="tcp://127.0.0.1:9")

    with pytest.raises(NotStarted, match=r"^tcp://127\.0\.0\.1:9: no Dask scheduler answers there"):
        replay_dealt(trace, [Job(Target(url="http://127.0.0.1:9"), tmp_path / "run")], options)
