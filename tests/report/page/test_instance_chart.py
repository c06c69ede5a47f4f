"""Instances stand over the whole run, those that were there before it included."""

from replay.report.page.instance_chart import instances
from tests.support.runs import evidence


def drawn(series):
    chart = instances({"vm": series}, {"vm": evidence([100.0] * 200, name="vm")})
    assert chart is not None
    return [
        (value["at"], value["instances"]) for value in chart.spec["data"]["values"] if "instances" in value
    ], chart.rows


def test_machines_that_never_change_are_a_line_over_the_whole_run():
    points, rows = drawn([(-0.05, 1.0), (-0.05, 4.0)])

    assert points[0] == (0.0, 4.0)
    assert points[-1][0] > 2.0
    assert points[-1][1] == 4.0
    assert rows[0][:3] == ("vm", "4", "4")


def test_what_changes_during_the_run_begins_with_what_was_there():
    points, _ = drawn([(-1.0, 0.0), (0.5, 1.0), (1.0, 2.0)])

    assert points[:3] == [(0.0, 0.0), (0.5, 1.0), (1.0, 2.0)]


def test_a_plane_that_tells_nothing_of_its_instances_has_no_chart():
    assert instances({}, {}) is None
    assert instances({"vm": []}, {}) is None
