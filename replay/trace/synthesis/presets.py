"""The recipes that are shipped: one for each kind of load."""

from importlib.resources import files

PRESETS = ("interactive", "bursty", "steady")


def preset_text(name: str) -> str:
    """The recipe's TOML, to be used or to be changed."""
    return (files("replay.trace.synthesis") / "presets" / f"{name}.toml").read_text(encoding="utf-8")
