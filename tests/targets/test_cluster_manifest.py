"""The manifest of an indexed job says what the same run by hand would: as many workers, one secret, nothing twice."""

from pathlib import Path

import click
import pytest

from replay.cli.main import cli
from replay.scale.secrets import TOKEN_VARIABLE

yaml = pytest.importorskip("yaml")
MANIFEST = Path(__file__).parent.parent.parent / "targets" / "cluster" / "indexed-job.yaml"


@pytest.fixture(scope="module")
def parts():
    return {(part["kind"], part["metadata"]["name"]): part for part in yaml.safe_load_all(MANIFEST.read_text())}


@pytest.fixture(scope="module")
def jobs(parts):
    return parts["Job", "replay-conductor"], parts["Job", "replay-worker"]


def container_of(job):
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return container


def parsed(container):
    """What our command line makes of a container's arguments."""
    name, *given = container["args"]
    command = cli.get_command(click.Context(cli), name)
    return command.make_context(name, list(given)).params


@pytest.fixture(autouse=True)
def index(monkeypatch):
    """As Kubernetes sets it in each pod of an indexed job."""
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "7")


def test_there_are_as_many_workers_as_are_waited_for(jobs):
    conductor, worker = jobs

    waits, comes = parsed(container_of(conductor)), parsed(container_of(worker))

    spec = worker["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"] == waits["workers"]
    assert comes["index"] == 7


def test_nothing_is_begun_again_by_itself(jobs):
    for job in jobs:
        assert job["apiVersion"] == "batch/v1"
        assert job["spec"]["backoffLimit"] == 0
        assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_workers_come_to_the_port_that_is_open_to_them_alone(parts, jobs):
    conductor, worker = jobs
    service, policy = parts["Service", "replay-conductor"], parts["NetworkPolicy", "replay-conductor"]
    labels = [job["spec"]["template"]["metadata"]["labels"] for job in jobs]
    listens, comes_to = parsed(container_of(conductor))["listen"], parsed(container_of(worker))["conductor"]

    host, _, port = comes_to.partition(":")
    (ingress,) = policy["spec"]["ingress"]
    assert (host, port) == (service["metadata"]["name"], listens.rpartition(":")[2])
    assert service["spec"]["selector"] == policy["spec"]["podSelector"]["matchLabels"] == labels[0]
    assert [each["podSelector"]["matchLabels"] for each in ingress["from"]] == [labels[1]]
    assert service["spec"]["ports"] == ingress["ports"] == [{"port": int(port)}]


def test_both_have_the_secret_from_one_place_and_no_value_of_it(jobs):
    places = []
    for job in jobs:
        held = {each["name"]: each for each in container_of(job)["env"]}[TOKEN_VARIABLE]
        assert "value" not in held
        places.append(held["valueFrom"])

    assert places[0] == places[1]


def test_what_is_mounted_is_there(jobs):
    for job in jobs:
        mounted = {each["name"] for each in container_of(job).get("volumeMounts", ())}
        assert mounted == {each["name"] for each in job["spec"]["template"]["spec"].get("volumes", ())}
