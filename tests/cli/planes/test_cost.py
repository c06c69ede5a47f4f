"""`replay cost`: what it prints, and the exit codes of runs and tables that do not tell enough."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from replay.cli.main import cli
from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.money.cost import CostError
from replay.money.price_table import PriceTableError
from replay.target.target import Target
from tests.support.commands import replay

ROOT = Path(__file__).parents[3]
SERVERLESS = ["--price", "cloud-run-us-central1"]
MACHINE = ["--machine", "gce-e2-us-central1:e2-medium", "--machine-rps", "20"]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """A run in virtual time, which tells of its instances."""
    directory = tmp_path_factory.mktemp("cost") / "run"
    trace, target = ROOT / "traces" / "triage-burst.jsonl", ROOT / "targets" / "simulated.toml"
    result = CliRunner().invoke(
        cli, ["plane", "simulate", str(trace), "-t", str(target), "--out", str(directory), "--sessions", "40"]
    )
    assert result.exit_code == 0, result.output
    return directory


@pytest.fixture
def unknowing(write_trace, truth, tmp_path):
    """A run against a target that does not say which instance served what."""
    trace = write_trace(*[(n * 2.0, [write_trace.get("a", "/a?ms=2")]) for n in range(50)])
    return replay_trace(trace, Target(url=truth.url), RunOptions(), tmp_path / "run").directory


def unwrapped(told):
    return " ".join(told.split())


def cost(*arguments):
    return CliRunner().invoke(cli, ["cost", *map(str, arguments)])


def test_both_bills_the_break_even_and_what_moves_it_are_printed(simulated):
    result = cost(simulated, *SERVERLESS, *MACHINE)

    assert result.exit_code == 0, result.output
    for part in ("vCPU time", "machines, e2-medium", "break-even by utilisation", "flips at"):
        assert part in result.stdout
    assert "made of" not in result.stdout


def test_each_figure_can_be_traced_to_what_it_was_made_of(simulated):
    told = cost(simulated, *SERVERLESS, *MACHINE, "--explain").stdout

    assert "vCPU time: 1 vCPU x" in told
    assert "s booting, simulated" in told
    assert "where one carries 20" in told
    assert "cloud.google.com/run/pricing" in told


def test_an_instance_that_is_kept_costs_its_idle_price_and_no_boot(write_trace, tmp_path):
    # A request of 100 ms every three minutes, from the start of a day to its end.
    trace = write_trace(*[(n * 180_000.0, [write_trace.get("a", "/", took_ms=100.0)]) for n in range(481)])
    target = tmp_path / "warm.toml"
    target.write_text(
        'url = "http://x"\n[simulate]\nas_recorded = true\n[simulate.plane]\nmin_instances = 1\n'
        "idle_lifetime_s = 900\n"
    )
    simulate = ["plane", "simulate", str(trace), "-t", str(target), "--out", str(tmp_path / "run")]
    assert CliRunner().invoke(cli, simulate).exit_code == 0

    found = json.loads(cost(tmp_path / "run", *SERVERLESS, "--min-instances", "1", "--json").stdout)

    # 2,628,000 s less 0.1 s in each of 14,630 requests, at 0.0000025 for one vCPU and half of it for half a GiB. What
    # is active is within the free tier.
    assert found["boot_s"] == 0.0
    assert found["planes"][0]["bill"]["total"] == pytest.approx(9.85, abs=0.005)


@pytest.fixture
def simulated_as(tmp_path, write_trace):
    """Simulates sessions on a plane that is given as the lines of its table; returns the run's directory."""

    def simulated(sessions, *lines):
        target = tmp_path / "plane.toml"
        target.write_text("\n".join(['url = "http://x"', "[simulate]", "as_recorded = true", *lines]))
        out = tmp_path / "run"
        simulate = ["plane", "simulate", str(write_trace(*sessions)), "-t", str(target), "--out", str(out)]
        result = CliRunner().invoke(cli, simulate)
        assert result.exit_code == 0, result.output
        return out

    return simulated


def test_the_wait_for_a_boot_is_not_billed_beside_the_boot_where_nothing_is_shared(simulated_as, write_trace):
    # Two cold requests at once, one warm one after a minute: 0.2 s each, on one of two instances that boot for a second.
    call = [write_trace.get("a", "/", took_ms=200.0)]
    run = simulated_as(
        [(0.0, call), (0.0, call), (60_000.0, call)],
        "[simulate.plane]",
        "concurrency = 1",
        "idle_lifetime_s = 300",
        'scaling = { policy = "request", windows_s = [] }',
        '[simulate.instances.boot]\nof = "constant"\nms = 1000.0',
    )

    found = json.loads(cost(run, "--price", "lambda-us-east-1", "--json").stdout)

    memory = found["planes"][0]["bill"]["lines"][1]
    month_over_run = 730 * 3600 / found["observed_s"]
    assert memory["quantity"] == pytest.approx(0.5 * (3 * 0.2 + 2 * 1.0) * month_over_run)
    assert found["concurrency"] == pytest.approx(1.0)
    assert "1 request in each" in unwrapped(cost(run, "--price", "lambda-us-east-1").stdout)


def test_egress_of_a_simulated_run_is_what_the_trace_recorded(simulated_as, write_trace):
    # Sixty answers of 10 MB in ten minutes.
    call = [write_trace.get("a", "/", took_ms=100.0, recorded={"status": 200, "response_bytes": 10_000_000})]
    run = simulated_as([(10_000.0 * n, call) for n in range(60)])

    found = json.loads(cost(run, *SERVERLESS, *MACHINE, "--json").stdout)
    told = cost(run, *SERVERLESS, "--explain").stdout

    month_over_run = 730 * 3600 / found["observed_s"]
    gib = 60 * 10_000_000 / 2**30 * month_over_run
    for plane in found["planes"]:
        (egress,) = (line for line in plane["bill"]["lines"] if line["name"] == "egress")
        assert egress["quantity"] == pytest.approx(gib)
        assert egress["amount"] == pytest.approx((gib - 1) * 0.12)
    assert "egress: bytes of the responses, as the trace recorded them" in told


def test_a_trace_without_sizes_says_that_egress_is_not_in_the_bill(simulated):
    assert "no egress is in the bills" in cost(simulated, *SERVERLESS).stdout


def test_json_is_one_document_whose_lines_add_up(simulated):
    found = json.loads(cost(simulated, *SERVERLESS, *MACHINE, "--json").stdout)

    assert found["schema"] == "replay.cost/1"
    assert found["basis"] == "simulated"
    for plane in found["planes"]:
        bill = plane["bill"]
        assert bill["total"] == pytest.approx(sum(line["amount"] for line in bill["lines"]))
        for line in bill["lines"]:
            paid = line["quantity"] - line.get("free", 0.0)
            assert line["amount"] == pytest.approx(paid * line["unit_price"])


def test_a_run_without_instances_is_inconclusive_and_says_what_would_settle_it(unknowing):
    result = cost(unknowing, *SERVERLESS, *MACHINE)

    assert result.exit_code == 3
    assert "name the target's instance_header in its file" in result.stdout
    assert "no break-even" in result.stdout
    assert "machines, e2-medium" in result.stdout


def test_a_price_file_of_ones_own_is_taken_and_a_stale_one_is_said(simulated, tmp_path):
    table = tmp_path / "mine.toml"
    table.write_text(
        'provider = "Mine"\nregion = "here"\ncurrency = "EUR"\ndate = 2020-01-01\nsource = "a contract"\n'
        "[machines.big]\nhour = 1.0\nvcpu = 4\nmemory_gib = 16\n"
    )

    result = cost(simulated, "--machine", f"{table}:big", "--machine-rps", "1000")

    assert result.exit_code == 0, result.output
    assert "730.00 EUR a month" in result.stdout
    assert "these prices are of 2020-01-01, more than half a year old" in result.stdout


def test_machines_that_scale_follow_the_load_minute_by_minute(simulated_as, write_trace):
    # Half an hour of a request every two seconds; in its tenth minute ten of them.
    call = [write_trace.get("a", "/", took_ms=100.0)]
    starts = [2000.0 * n for n in range(900)] + [545_000.0 + 2000.0 * n for n in range(15) for _ in range(19)]
    run = simulated_as([(at, call) for at in sorted(starts)])
    options = ["--machine", "gce-e2-us-central1:e2-medium", "--machine-rps", "1"]

    fixed = json.loads(cost(run, *options, "--json").stdout)["planes"][0]
    group = json.loads(cost(run, *options, "--scales", "--json").stdout)["planes"][0]

    # A minute with 30 + 19 x 15 = 315 requests is 5.25 a second, and thirty percent more seven machines, for eleven
    # minutes of thirty; else it is one.
    assert group["machines"] == 7
    assert group["bill"]["lines"][0]["quantity"] == pytest.approx(730 * (11 * 7 + 19) / 30, rel=1e-3)
    assert group["bill"]["total"] < fixed["bill"]["total"]
    assert (
        "7 at most: what each minute takes, 30% more, kept for 10 minutes; one carries 1 req" in group["sizing"]
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--staff-hours", "4"], "--staff-hours needs --staff-rate"),
        (["--staff-hours", "8,4,2", "--staff-rate", "90"], "low, mid and high in this order"),
    ],
)
def test_what_nobody_can_mean_is_refused_with_2(words, said, simulated):
    result = CliRunner().invoke(cli, ["cost", str(simulated), *SERVERLESS, *words])

    assert result.exit_code == 2
    assert said in result.output


def test_staff_is_a_second_total_and_the_hours_that_flip_the_answer_are_printed(simulated):
    options = [*SERVERLESS, *MACHINE, "--staff-hours", "2,4,8", "--staff-rate", "90"]

    found = json.loads(cost(simulated, *options, "--json").stdout)
    told = cost(simulated, *options).stdout

    for plane in found["planes"]:
        assert plane["bill"]["total_with_staff"] == pytest.approx(plane["bill"]["total"] + 360)
    a, b = (plane["bill"]["total"] for plane in found["planes"])
    assert found["staff"]["hours"] == pytest.approx(abs(a - b) / 90)
    assert "with staff" in told
    assert "at 90 an hour, make it the dearer" in told


def test_two_currencies_are_refused_or_converted_at_the_stated_rate(simulated, tmp_path):
    table = tmp_path / "mine.toml"
    table.write_text(
        'provider = "Mine"\nregion = "here"\ncurrency = "EUR"\ndate = 2026-11-01\nsource = "a contract"\n'
        "[machines.big]\nhour = 1.0\nvcpu = 4\nmemory_gib = 16\n"
    )
    both = [simulated, *SERVERLESS, "--machine", f"{table}:big", "--machine-rps", "1000"]

    refused, converted = cost(*both), cost(*both, "--rate", "EUR=1.08")

    assert isinstance(refused.exception, CostError)
    assert "bills in different currencies cannot be compared" in str(refused.exception)
    assert converted.exit_code == 0, converted.output
    assert "788.40 USD a month" in converted.stdout  # 730 EUR
    assert "EUR" not in converted.stdout.replace("EUR=", "")
    assert cost(*both, "--rate", "EUR=0").exit_code == 2


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        (["--price", "nowhere"], PriceTableError, "no such price table"),
        (["--machine", "gce-e2-us-central1:x", "--machine-rps", "1"], PriceTableError, "no machine 'x'"),
        (["--price", "fargate-us-east-1", "--memory", "2"], CostError, "no prices by request"),
        (
            [*SERVERLESS, "--vcpu", "0.5", "--memory", "8"],
            CostError,
            "has no instance of 0.5 vCPU and 8 GiB: 0.08 to",
        ),
        (["--machine", "gce-e2-us-central1:e2-medium"], CostError, "--machine-rps"),
    ],
)
def test_a_price_that_is_not_there_is_said(simulated, options, error, says):
    result = cost(simulated, *options)

    assert isinstance(result.exception, error)
    assert says in str(result.exception)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "name a price table with --price, or a machine with --machine"),
        ([*MACHINE, "--machine-slots", "8"], "exclude each other"),
        (["--machine", "e2-medium"], "does not name a machine"),
        ([*SERVERLESS, "--staff-hours", "1,2"], "low, mid and high"),
        ([*SERVERLESS, *MACHINE, "--discount", "100%"], "must be less than 100%"),
    ],
)
def test_options_that_cannot_be_used_are_refused(simulated, options, says):
    result = cost(simulated, *options)

    assert result.exit_code == 2
    assert says in result.stderr


def test_the_price_tables_are_listed_with_region_day_currency_and_source():
    result = cost("--tables")

    assert result.exit_code == 0, result.output
    assert "ec2-us-east-1  Amazon EC2, us-east-1: 23 machines (arm, L4, T4, spot)" in result.stdout
    assert "prices of 2026-07-20" in result.stdout
    assert "in USD: AWS Price List as read into https://github.com/aws/karpenter-provider-aws" in result.stdout
    assert (
        "cloud-run-gpu-us-central1  Google Cloud Run with GPU, us-central1: by instance, a GPU (L4)"
        in result.stdout
    )


def test_a_table_is_shown_with_its_machines_and_what_it_has_no_price_for(tmp_path):
    table = tmp_path / "mine.toml"
    table.write_text(
        'provider = "Mine"\nregion = "here"\ncurrency = "EUR"\ndate = 2020-01-01\nsource = "a contract"\n'
        "cluster_hour = 0.1\n"
        "[machines]\nbig = { hour = 1.0, vcpu = 4, memory_gib = 16, gpu = 'T4', spot_hour = 0.4, sustained = 0.2 }\n"
        "[instance]\nvcpu_s = 0.00001\ngib_s = 0.000001\ngpu = 'L4'\ngpu_s = 0.0002\n"
        "[spot]\ndate = 2020-02-01\nsource = 'a call'\nnotice = 'they take it back'\n"
        "[commitments]\ndate = 2020-03-01\nsource = 'a letter'\n"
        "rates = [{ name = 'c', years = 3, discount = 0.5, covers = ['big', 'instance'] }]\n"
        "[unpriced]\nhuge = 'we may not order it.'\n"
    )

    told = cost("--table", table).stdout

    assert "prices of 2020-01-01, more than half a year old, in EUR: a contract" in told
    row = next(line for line in told.splitlines() if line.startswith("big"))
    assert row.split() == ["big", "1", "0.4", "4", "16", "-20%", "-50%", "T4"]
    assert "by instance: 0.00001 a vCPU-s, 0.000001 a GiB-s, 0.0002 a second of L4; -50% for 3 years" in told
    assert "cluster, an hour: 0.1" in told
    assert "spot prices of 2020-02-01, which change often; they take it back. a call" in told
    assert "commitments of 2020-03-01: a letter" in told
    assert "not priced: huge: we may not order it." in told


def test_a_table_that_is_not_there_cannot_be_shown():
    result = cost("--table", "nowhere")

    assert isinstance(result.exception, PriceTableError)
    assert str(result.exception) == (
        "nowhere: no such price table. Name a file, or one of those that `replay cost --tables` lists."
    )


def test_a_spot_machine_is_priced_by_name_and_its_bill_says_that_it_may_be_reclaimed(simulated):
    told = cost(
        simulated, "--machine", "gce-us-central1:n2-standard-2-spot", "--machine-rps", "1000", "--explain"
    )

    assert told.exit_code == 0, told.output
    assert "machines, n2-standard-2-spot, may be reclaimed" in told.stdout
    assert "spot price of 2026-08-03, which changes often; Google may reclaim it at any time" in unwrapped(
        told.stdout
    )


def test_a_spot_price_that_is_older_than_its_table_is_said_to_be_stale(simulated):
    told = cost(simulated, "--machine", "ec2-us-east-1:t3.medium-spot", "--machine-rps", "1000").stdout

    assert "these prices are of 2025-04-24, more than half a year old" in told


def test_a_machine_with_no_price_is_refused_with_the_reason(simulated):
    result = cost(simulated, "--machine", "azure-vm-eastus:Standard_D2s_v5-spot", "--machine-rps", "1000")

    assert isinstance(result.exception, PriceTableError)
    assert str(result.exception) == (
        "the price table of Azure Virtual Machines has no price for Standard_D2s_v5-spot: "
        "Azure gives spot prices by the hour and region; none was found in a source with a date."
    )


def test_instances_with_a_gpu_are_priced_by_the_second(simulated):
    told = cost(
        simulated,
        *("--price", "cloud-run-gpu-us-central1", "--billing", "instance", "--vcpu", "4", "--memory", "16"),
    )

    assert told.exit_code == 0, told.output
    assert "GPU time" in told.stdout


def test_a_worker_pool_has_a_bill_and_no_break_even(simulated):
    pool = ("--price", "cloud-run-us-central1", "--billing", "worker-pool", "--min-instances", "2")

    told = cost(simulated, *pool, *MACHINE)

    assert told.exit_code == 0, told.output
    assert "5,256,000 vCPU-s" in told.stdout
    assert "no break-even: a worker pool costs the same whatever the load is" in unwrapped(told.stdout)


def test_a_worker_pool_without_a_price_is_refused_with_the_reason(simulated):
    result = cost(
        simulated, "--price", "cloud-run-europe-west3", "--billing", "worker-pool", "--min-instances", "1"
    )

    assert isinstance(result.exception, CostError)
    assert str(result.exception).endswith(
        "the price table of Google Cloud Run has no prices of a worker pool: prices of worker pools in Tier 2 regions "
        "were found in no source that could be read."
    )


def test_a_months_calendar_is_named_in_the_bill_and_nights_make_it_smaller(simulated, tmp_path):
    (tmp_path / "desk.toml").write_text('base = 0.0\n[[hours]]\nfrom = "09:00"\nto = "21:00"\nlevel = 1.0\n')

    flat = json.loads(cost(simulated, *SERVERLESS, *MACHINE, "--json").stdout)
    desk = json.loads(
        cost(simulated, *SERVERLESS, *MACHINE, "--month", tmp_path / "desk.toml", "--json").stdout
    )

    assert (flat["calendar"], desk["calendar"]) == ("flat", "desk")
    assert desk["requests"] == pytest.approx(flat["requests"] / 2)
    assert desk["planes"][0]["bill"]["total"] < flat["planes"][0]["bill"]["total"]
    assert desk["planes"][1]["bill"]["total"] == pytest.approx(flat["planes"][1]["bill"]["total"])


def test_a_load_that_grows_is_billed_for_the_month_of_now_and_the_later_one_is_named(simulated, tmp_path):
    grows = "[growth]\npercent_a_month = 10\nmonths = 2\n"
    (tmp_path / "now.toml").write_text("base = 0.5\n")
    (tmp_path / "desk.toml").write_text(f"base = 0.5\n{grows}")
    (tmp_path / "then.toml").write_text("base = 0.605\n")
    now, desk, then = (
        json.loads(
            cost(simulated, *SERVERLESS, *MACHINE, "--month", tmp_path / f"{name}.toml", "--json").stdout
        )
        for name in ("now", "desk", "then")
    )

    assert [plane["bill"] for plane in desk["planes"]] == [plane["bill"] for plane in now["planes"]]
    later = desk["later"]
    assert (later["calendar"], later["requests"]) == ("desk in 2 months", pytest.approx(then["requests"]))
    assert list(later["totals"].values()) == pytest.approx([plane["bill"]["total"] for plane in then["planes"]])
    assert "later" not in now
    printed = cost(simulated, *SERVERLESS, *MACHINE, "--month", tmp_path / "desk.toml").stdout
    assert "\ndesk in 2 months, at " in printed


@pytest.mark.parametrize(
    ("month", "says"),
    [
        ("nights.toml", "nights.toml: no such calendar. Name a file, or one of flat, office-hours"),
        ("x", "x: no such calendar"),
        ("wrong.toml", 'unknown key "levels". Known are: name, base'),
        ("wrong.csv", "a log of counts begins with the names of its columns, time,count"),
        (".", "cannot be read"),
    ],
)
def test_what_is_no_calendar_is_refused_in_a_sentence(simulated, tmp_path, month, says):
    (tmp_path / "wrong.toml").write_text("levels = 3\n")
    (tmp_path / "wrong.csv").write_text("a;b\n")
    found = tmp_path / month
    name = found if found.exists() else month

    ran = replay("cost", simulated, *SERVERLESS, "--month", name, timeout=60)

    assert ran.returncode == 2
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr
