"""A plane's state in Prometheus's text format, 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from typing import Any, NamedTuple


class _Family(NamedTuple):
    """One metric. section, field: where the state has its value; label: what tells values apart, where a whole section
    is meant.
    """

    name: str
    kind: str
    help: str
    section: str
    field: str = ""
    label: str = ""


_FAMILIES = (
    _Family("instances", "gauge", "Instances by state.", "instances", label="state"),
    _Family("outgoing", "gauge", "Instances that a deployment has yet to replace.", "outgoing"),
    _Family("requests_waiting", "gauge", "Requests that wait for an instance.", "requests", "waiting"),
    _Family("requests_running", "gauge", "Requests that an instance has.", "requests", "running"),
    _Family("requests_total", "counter", "Requests that have come.", "requests", "requests"),
    _Family("boots_total", "counter", "Instances that have begun to boot.", "requests", "booted"),
    _Family(
        "requests_refused_total",
        "counter",
        "Requests that were refused before they began.",
        "requests",
        "refused",
    ),
    _Family(
        "requests_timed_out_total",
        "counter",
        "Requests that were answered at a time limit.",
        "requests",
        "timed_out",
    ),
    _Family(
        "requests_lost_total", "counter", "Requests whose instance died or was stopped.", "requests", "lost"
    ),
    _Family("requests_cold_total", "counter", "Requests that waited for a boot.", "requests", "cold"),
    _Family(
        "requests_fresh_total", "counter", "Requests that were the first of an instance.", "requests", "fresh"
    ),
    _Family(
        "instance_seconds_total",
        "counter",
        "Seconds of all instances, by what they did.",
        "seconds",
        label="spent",
    ),
)


def metrics(state: dict[str, Any]) -> str:
    """The state of a plane, as `/state` has it."""
    lines = []
    for family in _FAMILIES:
        name = f"replay_plane_{family.name}"
        found = state[family.section]
        lines += [f"# HELP {name} {family.help}", f"# TYPE {name} {family.kind}"]
        if family.label:
            lines += [f'{name}{{{family.label}="{value}"}} {n}' for value, n in found.items()]
        else:
            lines.append(f"{name} {found[family.field] if family.field else found}")
    return "\n".join(lines) + "\n"
