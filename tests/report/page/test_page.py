"""A run as a page: it shows its figures, runs nothing, asks for nothing, and opens in a real browser."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from replay.judge.cold.coldstart import judge_coldstart
from replay.judge.comparison.pair import Side
from replay.judge.comparison.sides import judge_compare
from replay.judge.gate.judging import judge_gate
from replay.judge.load.recovery import Fault, RecoveryVerdict
from replay.judge.measures.slo import parse_slo
from replay.report.page.html import _CSS, prose_of, table
from replay.report.page.page import compare_parts, gate_parts, outline_parts, run_page, verdict_page
from replay.report.verdicts import renderers_of
from replay.report.words.outlines import coldstart_outline
from replay.results.columns import columns_of
from replay.results.manifest_types import Manifest, TraceFacts
from replay.results.summary_types import Fidelity, Quantiles, Series
from replay.results.types import ERROR_CLASSES
from tests.support.runs import Evidence, evidence, step, summary

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
    records += [
        step(
            f"{HOSTILE}{n % 20}",
            1.0,
            n,
            name=HOSTILE,
            outcome="failed",
            error="check",
            check=f"header {HOSTILE}",
        )
        for n in range(600, 620)
    ]
    said = summary()
    said.trace.name = said.target.name = HOSTILE
    run = Evidence(said, columns_of([records]), HOSTILE)
    verdict = judge_gate([parse_slo("p50 < 1s"), parse_slo("p99 < 1ms")], run)
    return run_page([run], [manifest(HOSTILE)], gate_parts(verdict))


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

    page = run_page([a, b], [manifest(), manifest()], compare_parts(verdict))

    assert "b is slower" in page
    assert page.count("Latency by percentile") == 1
    assert page.count("Latency over time") == 2


def test_the_verdict_comes_before_what_makes_it_doubtful():
    run = evidence([10.0] * 50)
    run.summary.generator.verdict, run.summary.generator.reasons = "suspect", ["1% of the steps were late"]

    page = run_page([run], [manifest()], ["<p>the SLO held</p>"])

    assert page.index("the SLO held") < page.index("This machine was suspect: 1% of the steps were late.")
    assert "The figures may be partly its own." in page


def test_what_the_verdict_has_said_of_this_machine_is_not_said_again():
    run = evidence([10.0] * 50)
    run.summary.generator.verdict, run.summary.generator.reasons = "suspect", ["1% of the steps were late"]
    verdict = judge_gate([parse_slo("p50 < 1s")], run)

    page = run_page([run], [manifest()], gate_parts(verdict))

    assert "the generator was suspect: 1% of the steps were late" in page
    assert "This machine was suspect" not in page


def test_an_option_is_not_parted_at_its_hyphens():
    assert prose_of("add --least-fidelity 0.8 <b>") == (
        'add <span class="option">--least-fidelity</span> 0.8 &lt;b&gt;'
    )


def test_options_are_told_in_words_and_those_that_are_off_not_at_all():
    facts = manifest()
    facts.options = {
        "timing": "causal",
        "knobs": {"speed": 6.0, "idle_cap_s": None, "think": 0.25},
        "late_limit_s": 0.1,
        "warmup_s": 0.0,
        "repeat": False,
        "references": True,
        "phases": [],
        "at": [{"at_s": 3.0, "fault": "kill"}],
    }
    run = evidence([10.0] * 5)

    told = "timing causal, speed 6, think 0.25, late limit 0.1 s, warmup 0 s, references, at [{"
    assert told in run_page([run], [facts])


def tables_of(page, heading):
    """The rows of the table after a heading, as texts."""
    after = page.split(f">{heading}</h2>", 1)[1].split("</table>", 1)[0]
    rows = re.findall(r"<tr.*?</tr>", after, re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


def a_run_with_failures(removed_s=None):
    records = [
        step(f"s-{n // 2}", 60.0, n, recorded_ms=40.0, recorded_at_ms=50.0 * (n % 2), recorded_status=200)
        for n in range(200)
    ]
    records += [
        step(
            "s-0",
            2.0,
            n,
            outcome="failed",
            status=503,
            error="status_5xx",
            recorded_ms=40.0,
            recorded_status=200,
        )
        for n in range(200, 210)
    ]
    said = summary()
    said.removed_s = removed_s or {}
    told = Quantiles(n=200, p50=60.0, p99=60.0)
    said.latency_ms = {
        "response": told,
        "response_with_failures": Quantiles(n=210, p50=60.0, p99=float("inf")),
        "recorded": Quantiles(n=200, p50=40.0, p99=40.0),
    }
    recorded = Quantiles(n=200, p50=40.0, p99=40.0)
    said.series = [Series("tool", "search", told, told, {"ok": 200, "failed": 10}, recorded=recorded)]
    said.fidelity = Fidelity(
        ratio=0.5, statuses=0.5, reasons=["only 50% of the answers have the recorded status"]
    )
    return Evidence(said, columns_of([records]), "run")


def test_what_failed_has_a_table_with_what_its_class_says():
    page = run_page([a_run_with_failures()], [manifest()])

    assert tables_of(page, "Failures")[1] == [
        "status_5xx",
        "tool:search",
        "10",
        "4.76%",
        "2 ms",
        "2 s",
        "s-0",
    ]
    assert f"status_5xx: {ERROR_CLASSES['status_5xx']}" in page


def test_steps_stand_beside_the_recording_with_their_ratio_and_so_do_whole_sessions():
    heads, search, whole = tables_of(run_page([a_run_with_failures()], [manifest()]), "Steps")

    assert heads[1:] == [
        "answered",
        "failed",
        "p50",
        "recorded",
        "ratio",
        "p99",
        "recorded",
        "ratio",
        "service p50",
        "service p99",
    ]
    assert search[:6] == ["tool:search", "200", "10", "60 ms", "40 ms", "1.5×"]
    assert whole[:6] == ["whole sessions", "99", "1", "70 ms", "90 ms", "0.778×"]


def test_sessions_whose_gaps_were_changed_are_not_held_to_the_recording():
    page = run_page([a_run_with_failures(removed_s={"speed": 10.0})], [manifest()])

    assert "whole sessions" not in page


def test_a_run_without_a_recording_has_plain_columns():
    run = a_run_with_failures()
    run.summary.series[0].recorded = None

    assert tables_of(run_page([run], [manifest()]), "Steps")[0][3:5] == ["response p50", "p99"]


def test_the_cards_take_failures_as_infinitely_slow():
    page = run_page([a_run_with_failures()], [manifest()])

    assert "<b>∞</b><span>p99 response, n = 210; 60 ms of those answered</span>" in page
    assert "<b>1.5×</b><span>the recorded median</span>" in page


def test_fidelity_has_a_table_with_the_reasons_why_it_falls_short():
    page = run_page([a_run_with_failures()], [manifest()])

    assert tables_of(page, "Fidelity to the recording")[1][:2] == ["statuses", "50%"]
    assert "<li>only 50% of the answers have the recorded status</li>" in page


def test_a_gate_on_a_page_says_why_and_by_which_failures():
    run = a_run_with_failures()
    page = run_page([run], [manifest()], gate_parts(judge_gate([parse_slo("errors == 0")], run)))

    assert "errors == 0: does not hold in this run; errors: status_5xx 10" in page


def test_a_page_never_shows_a_number_as_a_machine_writes_it():
    page = run_page([a_run_with_failures()], [manifest()])

    assert not re.search(r"\b(inf|nan|Infinity|NaN|None)\b", re.sub(r"<style>.*?</style>", "", page))


def test_a_run_in_which_nothing_was_sent_still_has_a_page():
    page = run_page([Evidence(summary(), columns_of([[]]), "r")], [manifest()])

    assert "Audit facts" in page
    assert "<svg" not in page


def test_a_verdict_without_a_run_has_a_page():
    run = evidence(np.ones(30))

    assert "no cold start was seen" in verdict_page(
        "coldstart", outline_parts(coldstart_outline(judge_coldstart(run)))
    )


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


@pytest.mark.parametrize(("columns", "is_list"), [(4, False), (5, True), (9, True)])
def test_a_table_of_many_columns_is_a_list_of_figures_on_a_phone(columns, is_list):
    heads = ["level", *(f"<{n}>" for n in range(columns - 1))]
    html = table(heads, [["idle", *("1" for _ in heads[1:])]])

    assert ('class="many"' in html) == is_list
    assert html.count('data-head="&lt;') == (columns - 1 if is_list else 0)
    assert "<0>" not in html


def test_faults_are_on_the_page_of_their_run_whatever_its_folder_is_called():
    verdict = RecoveryVerdict(
        schema="replay.verdict/1",
        command="run",
        faults=[Fault(what="kill", at_s=1.0)],
        run="as-it-was",
    )
    run = evidence(np.full(400, 20.0), name="renamed")

    class Folder:
        def runs(self, names):
            return [run], [manifest()]

    page = renderers_of(verdict).page(verdict, Folder())
    assert "An upright line is a fault" in page
    assert "kill at 1 s" in page


def test_what_scrolls_sideways_shows_that_there_is_more():
    """At 400 px a chart was cut at the right, and nothing said so."""
    css = "".join(_CSS.split())

    (rule,) = re.findall(r"figure,\.wide\{([^}]*)\}", css)
    assert "overflow-x:auto" in rule
    assert "background-attachment:local,local,scroll,scroll" in rule
