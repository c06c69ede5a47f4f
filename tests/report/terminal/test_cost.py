"""Bills on the terminal."""

import io
from types import SimpleNamespace

from rich.console import Console

from replay.report.terminal.cost import print_cost

WHY = (
    "no break-even: active instance seconds and concurrency were neither measured nor simulated; name the target's "
    "instance_header in its file"
)


def even(by, text=WHY, other="vm"):
    return SimpleNamespace(by=by, text=text, between=("serverless", other), ci=None)


def line(quantity):
    return SimpleNamespace(
        name="load balancer", quantity=quantity, unit="months", free=0.0, unit_price=18.25, amount=18.25, inputs=""
    )  # fmt: skip


def cost(break_even):
    bill = SimpleNamespace(total=1.0, total_with_staff=None, currency="USD", lines=[line(1.0), line(2.0)])
    none = SimpleNamespace(
        name="serverless", bill=None, reason="no price: " + "x " * 60, is_stale=False, sizing=None
    )
    vm = SimpleNamespace(name="vm", bill=bill, reason=None, ci=None, is_stale=False, sizing=None)
    return SimpleNamespace(
        run="r", calendar="flat", requests_a_day=10.0, peak_rps=1.0, factor=1.0, active_instances=None,
        observed_s=23.2, planes=[none, vm], beside=[], later=None, staff=None, break_even=break_even, sensitivity=[],
        notes=["a note " * 30],
    )  # fmt: skip


def printed(found):
    out = io.StringIO()
    print_cost(found, Console(file=out, width=80, highlight=False))
    return out.getvalue()


def test_lines_are_wrapped_and_what_is_the_same_of_several_quantities_is_said_once():
    """Lines had 202 columns, and one sentence stood there four times."""
    text = printed(cost([even("utilisation"), even("requests"), even("concurrency", other="vm as a group")]))

    assert max(map(len, text.splitlines())) <= 80
    said = " ".join(text.split())
    assert f"break-even by utilisation, requests, concurrency (vm as a group): {WHY}" in said
    assert said.count("neither measured nor simulated") == 1


def test_what_quantities_have_of_their_own_stands_by_itself():
    said = " ".join(
        printed(cost([even("utilisation", "vm is cheaper"), even("requests", "both cost the same")])).split()
    )

    assert "break-even by utilisation: vm is cheaper break-even by requests: both cost the same" in said


def test_one_month_is_no_months():
    rows = [text.split() for text in printed(cost([])).splitlines() if text.startswith("load balancer")]

    assert [row[2:4] for row in rows] == [["1", "month"], ["2", "months"]]
