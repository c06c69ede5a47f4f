"""A run as a page: it shows its figures, runs nothing, asks for nothing, and opens in a real browser."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from replay.judge.coldstart import judge_coldstart
from replay.judge.compare import Side, judge_compare
from replay.judge.gate import judge_gate
from replay.judge.slo import parse_slo
from replay.report.page import run_page, verdict_page
from replay.results.columns import columns_of
from replay.results.types import Manifest, TraceFacts
from tests.judge.conftest import Evidence, evidence, step, summary

pytest.importorskip("vl_convert", reason="needs the extra `report`")

HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>\x1b\n"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def manifest(name="t"):
    return Manifest(
        schema="replay.run/1",
        status="finished",
        version="0",
        started_at="now",
        trace=TraceFacts(name=name, sha256="0", sessions=1, steps=1),
        target={},
        options={"x": HOSTILE},
        seed=1,
        host={"system": HOSTILE},
        clock={},
    )


@pytest.fixture
def hostile_page():
    rng = np.random.default_rng(1)
    records = [
        step(f"{HOSTILE}{n % 20}", float(rng.gamma(4, 5)), n, name=f"{HOSTILE}{n % 3}", cold=n % 50 == 0)
        for n in range(600)
    ]
    said = summary()
    said.trace.name = said.target.name = HOSTILE
    run = Evidence(said, columns_of([records]), HOSTILE)
    verdict = judge_gate([parse_slo("p50 < 1s"), parse_slo("p99 < 1ms")], run)
    return run_page([run], [manifest(HOSTILE)], verdict)


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_names_from_a_trace_run_nothing_and_load_nothing(hostile_page):
    tags = Tags()
    tags.feed(hostile_page)

    assert not {tag for tag, _ in tags.found} & {"script", "img", "iframe", "object", "embed", "link", "base"}
    for _, attributes in tags.found:
        assert not [
            name for name in attributes if name.startswith("on") or name in ("src", "href", "xlink:href")
        ]
    assert "default-src 'none'" in hostile_page
    assert "url(http" not in hostile_page


def test_every_chart_has_a_table_and_says_in_words_what_it_shows(hostile_page):
    assert hostile_page.count("<svg ") == hostile_page.count("as a table") == 5
    assert hostile_page.count('role="img" aria-label="') == hostile_page.count("<svg ")
    assert "p99 response" in hostile_page


def test_runs_are_laid_over_one_another_with_their_comparison():
    rng = np.random.default_rng(2)
    a, b = (
        evidence(np.exp(rng.normal(3, 0.4, 2000)) * factor, 5, name=n) for n, factor in (("a", 1), ("b", 1.5))
    )
    verdict = judge_compare(Side("a", [a]), Side("b", [b]), "paired")

    page = run_page([a, b], [manifest(), manifest()], verdict)

    assert "b is slower" in page
    assert page.count("Latency by percentile") == 1
    assert page.count("Latency over time") == 2


def test_a_run_in_which_nothing_was_sent_still_has_a_page():
    page = run_page([Evidence(summary(), columns_of([[]]), "r")], [manifest()])

    assert "Audit facts" in page
    assert "<svg" not in page


def test_a_verdict_without_a_run_has_a_page():
    run = evidence(np.ones(30))

    assert "0 cold starts" in verdict_page(judge_coldstart(run))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("size", ["900,2400", "390,3000"])
def test_it_opens_in_a_browser_without_an_error_or_a_request(hostile_page, tmp_path, size):
    page, picture = tmp_path / "page.html", tmp_path / "page.png"
    page.write_text(hostile_page)
    log = tmp_path / "net.json"

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
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert picture.stat().st_size > 20_000
    assert "CONSOLE" not in done.stderr
    asked = re.findall(r'"url":"(https?://[^"]+)"', log.read_text())
    assert not [url for url in asked if "google" not in url and "gvt1" not in url]
