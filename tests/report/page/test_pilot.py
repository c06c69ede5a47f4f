"""A pilot as a page: the answer comes first, nothing in it runs or is fetched, and every chart has its table."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from replay.choice.types import Assumption
from replay.report.page.pilot import pilot_figures, pilot_page
from replay.report.page.pilot_tables import phases
from replay.report.pilot_files import export_charts, leave_report
from tests.report.pilot_example import pilot_material, pilot_verdict

pytest.importorskip("vl_convert", reason="needs the extra `report`")

HOSTILE = "<script>alert(1)</script>\"><img src=x onerror=alert(2)>'&\x1b"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Reading(HTMLParser):
    """The page as a screen reader goes through it."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self._open = [], "", []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._open.append(tag)

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"svg", "style", "title"} & set(self._open):
            self.text += data + " "


@pytest.fixture(scope="module")
def page():
    return pilot_page(pilot_verdict(), pilot_material())


@pytest.fixture(scope="module")
def hostile_page():
    return pilot_page(pilot_verdict(HOSTILE), pilot_material(HOSTILE))


def test_the_first_screen_is_the_answer_its_three_figures_and_the_doubt(page):
    text = Reading(page).text

    first = text[: text.index("Side by side")]
    assert "Run it on VMs: vm 30.11, serverless 121.16 USD a month." in first
    for figure in ("p99 response time", "a month at this load", "throughput ceiling"):
        assert figure in first
    assert "In doubt:  the instance seconds behind serverless's cost are simulated, not measured." in first


def test_everything_that_the_answer_rests_on_is_on_the_page(page):
    text = Reading(page).text

    for said in (
        "cost month: serverless 121.2, vm 30.11; currency: USD",
        "cost month: 101",
        "the busiest instance was killed",
        "not within the run",
        "1 vCPU x 4,100,322 s",
        "prices of 2026-08-03, its pricing page",
        "No break-even by concurrency: concurrency was not measured.",
        "No request of the idle and wake phase was cold on vm.",
        "Keep serverless deployed.",
        "Ask again by 2027-02-21.",
        "needs disk",
    ):
        assert said.rstrip(".") in text, said


def test_headings_come_in_order_and_every_link_leads_to_one(page):
    tags = Reading(page).tags

    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    anchors = {attributes["id"] for tag, attributes in tags if tag == "h2"}
    assert {attributes["href"] for tag, attributes in tags if tag == "a"} == {f"#{name}" for name in anchors}
    for landmark in ("main", "header", "nav", "section"):
        assert landmark in [tag for tag, _ in tags]


def test_every_chart_says_what_it_shows_and_has_its_table(page):
    charts = pilot_figures(pilot_verdict(), pilot_material())

    assert len(charts) == page.count("<svg ") == page.count("as a table") == 14
    assert page.count('role="img" aria-label="') == len(charts)
    assert all(chart.rows and chart.says for chart in charts)
    assert all(len(row) == len(chart.heads) for chart in charts for row in chart.rows)


def test_names_from_a_trace_run_nothing_and_load_nothing(hostile_page):
    tags = Reading(hostile_page).tags

    assert not {tag for tag, _ in tags} & {"script", "img", "iframe", "object", "embed", "link", "base"}
    for _, attributes in tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "xlink:href")]
        assert attributes.get("href", "#").startswith("#")
    assert "default-src 'none'" in hostile_page
    assert "url(http" not in hostile_page


def test_a_pilot_that_found_nothing_out_still_has_a_page():
    verdict = pilot_verdict(
        verdict="inconclusive",
        planes=[],
        break_even=[],
        rules=[],
        buckets=[],
        headline=[],
        dimensions=[],
        routes=[],
        sensitivity=[],
        phases=[],
        doubts=[],
        effort=[],
    )
    nothing = pilot_material()._replace(runs={}, ceilings={}, wakes={}, instances={}, manifests=[])

    text = Reading(pilot_page(verdict, nothing)).text

    assert "No plane has a price, so no month was priced" in text
    assert "In doubt" not in text


def test_the_report_is_left_beside_the_verdict_with_each_chart_as_a_file(tmp_path):
    said = leave_report(pilot_verdict(), pilot_material(), tmp_path)

    assert said == str(tmp_path / "report.html")
    assert (tmp_path / "report.md").read_text().startswith("# Run it on VMs")
    names = sorted(path.name for path in (tmp_path / "charts").iterdir())
    assert len(names) == 14
    assert names[0] == "01-latency-by-percentile.svg"


def test_charts_can_be_pictures(tmp_path):
    chart = pilot_figures(pilot_verdict(), pilot_material())[0]

    [path] = export_charts([chart], tmp_path / "charts", "png")

    assert path.name == "01-latency-by-percentile.png"
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("size", ["1000,6000", "390,9000"])
def test_it_opens_in_a_browser_without_an_error_or_a_request(hostile_page, tmp_path, size):
    html, picture, log = tmp_path / "page.html", tmp_path / "page.png", tmp_path / "net.json"
    html.write_text(hostile_page)

    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--enable-logging=stderr",
            f"--window-size={size}",
            f"--screenshot={picture}",
            f"--log-net-log={log}",
            html.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert picture.stat().st_size > 20_000
    assert "CONSOLE" not in done.stderr
    asked = re.findall(r'"url":"(https?://[^"]+)"', log.read_text())
    assert not [url for url in asked if "google" not in url and "gvt1" not in url]


def test_why_a_ceiling_is_what_it_is_is_said(page):
    assert "serverless: the search found 61.2 requests/s, but 2,326 were carried" in Reading(page).text


def test_boots_and_assumptions_have_tables_of_their_own():
    verdict = pilot_verdict()
    verdict.assumptions = [
        Assumption(name="idle lifetime", target="serverless", value="900", unit="s"),
        Assumption(name="span of the trace", value="65", unit="s", where_from="trace"),
    ]

    text = " ".join(Reading(pilot_page(verdict, pilot_material())).text.split())

    assert "steps that waited for one 10" in text
    assert "Assumptions what plane value from idle lifetime serverless 900 s default" in text
    assert "span of the trace – 65 s trace" in text


@pytest.mark.parametrize("budget", [None, "pass", "fail"])
def test_planes_are_said_to_be_held_to_slos_only_where_they_were(budget):
    """Without --slo the page had both: that none was given, and which they were held against."""
    verdict = pilot_verdict()
    for plane in verdict.planes:
        plane.budget = budget

    assert ("held against: p99 &lt; 3s" in phases(verdict)) == (budget is not None)
