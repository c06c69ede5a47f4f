"""What a Python program may use of the package, and that it costs nothing until it is used."""

import inspect
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import replay
from replay.api.options import RunKeywords
from replay.engine.types import Knobs, RunOptions

NAMES = [
    "InputError",
    "ReplayError",
    "Target",
    "__version__",
    "arun",
    "ceiling",
    "coldstart",
    "compare",
    "cost",
    "explain",
    "gate",
    "open_run",
    "open_trace",
    "pilot",
    "run",
    "simulate",
    "synth",
]
CALLS = [name for name in NAMES if inspect.isfunction(getattr(replay, name))]


def test_the_public_names_are_these_and_each_is_there():
    assert replay.__all__ == NAMES
    assert set(NAMES) <= set(dir(replay))
    for name in NAMES:
        assert getattr(replay, name) is getattr(replay, name)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"^module 'replay' has no attribute 'runn'$"):
        replay.runn  # noqa: B018 - it is the look-up that is tested


def test_importing_the_package_imports_nothing_of_it():
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; before = set(sys.modules); import replay; print(set(sys.modules) - before)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = {name for name in eval(told.stdout) if name.split(".")[0] not in sys.stdlib_module_names}
    assert loaded == {"replay"}


@pytest.mark.parametrize("name", CALLS)
def test_every_call_says_what_it_takes_returns_and_raises(name):
    call = getattr(replay, name)
    parameters = inspect.signature(call).parameters
    says = inspect.getdoc(call)

    if name == "arun":
        assert parameters == inspect.signature(replay.run).parameters
        return
    for parameter in set(parameters) - {
        "trace",
        "target",
        "out",
        "aborts",
        "on_progress",
        "options",
        "directory",
        "path",
    }:
        assert parameter in says, parameter
    assert "Raises" in says or "raised" in says
    assert "eturns" in says or "returned" in says or name.startswith("open_")


@pytest.mark.parametrize("name", CALLS)
def test_the_trace_comes_first_then_the_targets_then_keywords(name):
    parameters = inspect.signature(getattr(replay, name)).parameters.values()
    positional = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]

    assert positional in (
        ["trace", "target"],
        ["trace", "targets"],
        ["target"],
        ["run"],
        ["directory"],
        ["path"],
    )


def test_the_keywords_of_a_run_are_its_options():
    fields = {
        field: hint for kind in (RunOptions, Knobs) for field, hint in typing.get_type_hints(kind).items()
    }
    del fields["knobs"]
    keywords = typing.get_type_hints(RunKeywords)

    assert keywords.keys() == fields.keys()
    assert {name: hint for name, hint in keywords.items() if hint != fields[name]}.keys() == {"budget", "data"}


def test_the_types_of_every_call_are_checked():
    checked = (Path(__file__).parent / "typing" / "public_calls.py").read_text()

    assert {name for name in CALLS if f"replay.{name}(" not in checked} == set()
