"""The dashboard in containers, as far as it can be looked at without an engine for them."""

import json
import re
from pathlib import Path

import pytest
import yaml

from replay.cli.planes.plane_serve import serve
from replay.cli.replaying.run import run
from replay.planes.serving.metrics import metrics

FOLDER = Path(__file__).parent.parent / "examples" / "dashboard"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
DASHBOARD = json.loads((FOLDER / "grafana" / "plane.json").read_text())
COUNTS = ("waiting", "running", "requests", "booted", "refused", "timed_out", "lost", "cold", "fresh")


STATE = {
    "instances": {"idle": 1},
    "requests": dict.fromkeys(COUNTS, 0),
    "seconds": {"idle": 1.0},
    "outgoing": 0,
}


def served():
    """What a plane serves under /metrics: its names, with their labels."""
    return dict(re.findall(r"^(\w+)(?:\{(\w+)=.*\})? ", metrics(STATE), re.MULTILINE))


def queries():
    return [target for panel in DASHBOARD["panels"] for target in panel["targets"]]


@pytest.mark.parametrize("query", queries(), ids=lambda query: query["expr"])
def test_each_query_asks_for_what_a_plane_serves(query):
    (name,) = re.findall(r"replay_\w+", query["expr"])
    labels = re.findall(r"\{\{(\w+)\}\}", query["legendFormat"])

    assert name in served()
    assert labels in ([], [served()[name]])
    assert ("rate(" in query["expr"]) == name.endswith("_total")


def test_every_figure_of_a_plane_but_one_is_shown():
    shown = {name for query in queries() for name in re.findall(r"replay_\w+", query["expr"])}

    assert served().keys() - shown == {"replay_plane_outgoing"}


def test_each_metric_says_what_it_is_and_of_which_kind():
    lines = metrics(STATE).splitlines()
    helped = [line.split()[2] for line in lines if line.startswith("# HELP ") and len(line.split()) > 4]

    assert helped == [line.split()[2] for line in lines if line.startswith("# TYPE ")] == list(served())


def test_panels_lie_beside_one_another():
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]

    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


def test_images_are_named_by_version_and_ours_is_built():
    images = {name: service["image"] for name, service in SERVICES.items()}

    assert images.pop("plane") == images.pop("replay") == "replay"
    assert (FOLDER / SERVICES["plane"]["build"] / "Dockerfile").resolve().exists()
    assert all(re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+", image) for image in images.values())


def test_nothing_is_open_to_other_machines_and_no_container_has_a_privilege():
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["plane"]["ports"])
    for name, service in SERVICES.items():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert name == "plane" or (service["network_mode"] == "service:plane" and "ports" not in service)


def test_our_commands_are_those_that_the_program_takes(monkeypatch):
    monkeypatch.chdir(FOLDER.parents[1])
    plane, load = SERVICES["plane"]["command"], SERVICES["replay"]["command"]

    asked = serve.make_context("serve", plane[2:]).params
    assert plane[:2] == ["plane", "serve"]
    assert run.make_context("run", load[1:])
    (scraped,) = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    assert scraped["static_configs"] == [{"targets": [f"127.0.0.1:{asked['control_port']}"]}]


def test_every_file_that_is_mounted_is_there_and_the_dashboard_finds_its_source():
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source, _, access = volume.split(":")
            assert (FOLDER / source).resolve().exists()
            assert access == "ro"
    (source,) = yaml.safe_load((FOLDER / "grafana" / "datasource.yml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}
    (provider,) = yaml.safe_load((FOLDER / "grafana" / "dashboards.yml").read_text())["providers"]
    assert any(
        f":{provider['options']['path']}/plane.json:" in volume for volume in SERVICES["grafana"]["volumes"]
    )
