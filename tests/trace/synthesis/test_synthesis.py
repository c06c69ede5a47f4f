"""Traces that nobody recorded: valid, the same for the same seed, of the kind that they are called, like their source."""

import math
from itertools import islice, pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceReader, TraceWriter
from replay.trace.profile.shape import profile
from replay.trace.synthesis.arrivals import starts_ms
from replay.trace.synthesis.likeness import fitted, likeness_of
from replay.trace.synthesis.making import from_likeness, from_recipe, likeness_header, recipe_header
from replay.trace.synthesis.presets import PRESETS, preset_text
from replay.trace.synthesis.recipe import ArrivalRecipe, RecipeError, parse_recipe
from replay.trace.synthesis.sessions import make_session

TRACES = Path(__file__).parents[3] / "traces"
RECIPE = """
name = "x"
[arrivals]
[session]
[[session.steps]]
kind = "tool"
name = "a"
took = { p50_ms = 1, p99_ms = 2 }
"""
KINDS = {"interactive": "interactive", "bursty": "bursty background", "steady": "steady state"}


def made(tmp_path, name, seed=1, duration_s=1200.0, file="made.jsonl"):
    recipe = parse_recipe(preset_text(name), name)
    path = tmp_path / file
    with TraceWriter(path, recipe_header(recipe, seed)) as writer:
        for session in from_recipe(recipe, seed, duration_s, None):
            writer.write(session)
    return path


def in_likeness(tmp_path, trace, seed=1):
    found = likeness_of(trace, seed)
    path = tmp_path / f"like-{seed}.jsonl"
    with TraceWriter(path, likeness_header(found, seed)) as writer:
        for session in from_likeness(found, seed, None, None):
            writer.write(session)
    return path


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_preset_is_of_the_kind_that_it_is_called(tmp_path, name, seed):
    assert profile(made(tmp_path, name, seed)).load.pattern.name == KINDS[name]


@pytest.mark.parametrize("name", PRESETS)
def test_the_same_seed_makes_the_same_bytes_and_another_does_not(tmp_path, name):
    a, b, c = (made(tmp_path, name, seed, 300.0, f"{n}.jsonl").read_bytes() for n, seed in enumerate((7, 7, 8)))

    assert a == b
    assert a != c


@pytest.mark.parametrize("name", PRESETS)
def test_steps_are_due_in_a_walk_when_the_trace_says_they_are(tmp_path, name, walked_starts_ms):
    with TraceReader(made(tmp_path, name, duration_s=120.0)) as reader:
        for session in reader:
            walked = walked_starts_ms(session)
            for step in session.steps:
                assert walked[step.id] == pytest.approx(step.at_ms, abs=0.01)


@given(
    st.sampled_from(["poisson", "gamma", "even", "on-off", "bursts"]),
    st.floats(1, 1000),
    st.floats(0.2, 3.0),
    st.integers(0, 1000),
)
def test_starts_ascend_and_come_at_the_mean_rate(process, per_min, cv, seed):
    recipe = ArrivalRecipe(process=process, per_min=per_min, cv=cv, on_s=5.0, off_s=5.0, burst_size=(2, 6))
    starts = list(islice(starts_ms(recipe, Random(seed)), 4000))

    assert all(later >= earlier for earlier, later in pairwise(starts))
    if process in ("poisson", "gamma", "even"):
        rate = 60_000 * len(starts) / starts[-1]
        assert rate == pytest.approx(per_min, rel=6 * max(cv, 1.0) / math.sqrt(len(starts)) + 0.01)


def test_a_day_s_curve_puts_sessions_into_its_hours():
    day = tuple(1.0 if 9 <= hour < 17 else 0.0 for hour in range(24))
    recipe = ArrivalRecipe(per_min=10.0, day=day)

    hours = [int(at_ms / 3_600_000) % 24 for at_ms in islice(starts_ms(recipe, Random(1)), 20_000)]

    assert set(hours) == set(range(9, 17))


def test_a_day_s_curve_keeps_the_mean_rate():
    recipe = ArrivalRecipe(per_min=10.0, day=tuple(float(hour % 5) for hour in range(24)))
    week_ms = 7 * 24 * 3_600_000

    count = sum(1 for _ in iter_until(starts_ms(recipe, Random(1)), week_ms))

    assert count == pytest.approx(10 * 60 * 24 * 7, rel=0.02)


def iter_until(times, end):
    for at in times:
        if at > end:
            return
        yield at


def test_steps_side_by_side_join_in_the_next():
    recipe = parse_recipe(
        """
name = "t"
[arrivals]
[session]
[[session.steps]]
kind = "llm"
name = "plan"
took = { p50_ms = 100, p99_ms = 200 }
[[session.steps]]
kind = "tool"
name = "search"
took = { p50_ms = 10, p99_ms = 20 }
fan_out = [3, 3]
[[session.steps]]
kind = "tool"
name = "compile"
took = { p50_ms = 10, p99_ms = 20 }
wait = true
""",
        "t",
    )

    session = make_session(recipe.session, Random(1), "s", 0.0)

    assert [len(step.after) for step in session.steps] == [0, 1, 1, 1, 3]
    assert session.steps[-1].is_wait
    assert session.steps[0].llm is not None


def rates_of(path):
    found = profile(path)
    load = found.load
    return found.sessions_per_min, load.cv_of_gaps, load.dispersion.get("10s"), found.steps_per_session.mean


@pytest.mark.parametrize("name", ["support-agent", "triage-burst", "pipeline-steady"])
def test_a_likeness_of_a_sample_has_its_rate_and_its_sessions(tmp_path, name):
    source = TRACES / f"{name}.jsonl"

    like = profile(in_likeness(tmp_path, source))
    was = profile(source)

    assert like.sessions == was.sessions
    assert like.sessions_per_min == pytest.approx(was.sessions_per_min, rel=0.01)
    assert like.steps_per_session.mean == pytest.approx(was.steps_per_session.mean, rel=0.25)
    assert {(series.kind, series.name) for series in like.series} <= {
        (series.kind, series.name) for series in was.series
    }


def test_a_likeness_of_real_calls_has_their_rate_their_gaps_and_their_dispersion(tmp_path, data):
    calls = data / "azure-llm-2023" / "AzureLLMInferenceTrace_code.csv"
    found = IMPORTERS["azure-llm"].read([calls], ImportOptions())
    source = tmp_path / "azure.jsonl"
    with TraceWriter(source, found.header) as writer:
        for session in found.sessions():
            writer.write(session)
    rate, cv, dispersion, steps = rates_of(source)

    likes = [rates_of(in_likeness(tmp_path, source, seed)) for seed in range(1, 6)]

    assert [like[0] for like in likes] == pytest.approx([rate] * 5, rel=0.01)
    assert float(np.mean([like[1] for like in likes])) == pytest.approx(cv, rel=0.35)
    assert 0.5 < float(np.mean([like[2] for like in likes])) / dispersion < 2.0
    assert [like[3] for like in likes] == [steps] * 5


@pytest.mark.parametrize(
    ("recipe", "process"),
    [
        (ArrivalRecipe(process="even", per_min=60), "even"),
        (ArrivalRecipe(process="gamma", per_min=60, cv=1.0), None),
        (ArrivalRecipe(process="on-off", per_min=120, on_s=30, off_s=120, off_ratio=0.02), "on-off"),
        (ArrivalRecipe(process="bursts", per_min=60, burst_size=(20, 30)), "bursts"),
    ],
)
def test_what_was_made_by_a_process_is_taken_for_it(recipe, process):
    starts = np.array(list(islice(starts_ms(recipe, Random(5)), 3000))) / 1000

    found = fitted(starts)

    assert process is None or found.process == process
    assert found.per_min == pytest.approx(60 * (len(starts) - 1) / (starts[-1] - starts[0]), rel=0.01)


def test_a_recording_of_a_handful_of_sessions_is_refused(tmp_path):
    path = tmp_path / "few.jsonl"
    recipe = parse_recipe(preset_text("steady"), "steady")
    with TraceWriter(path, recipe_header(recipe, 1)) as writer:
        for session in from_recipe(recipe, 1, None, 3):
            writer.write(session)

    with pytest.raises(TraceError, match="3 sessions"):
        likeness_of(path, 1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("name = 3", "name"),
        ('name = "x"\n[arrivals]\nper_min = -1\n[session]\nsteps = []', "per_min"),
        ('name = "x"\n[arrivals]\non_s = nan\n[session]\nsteps = []', "on_s"),
        ('name = "x"\n[arrivals]\noff_s = inf\n[session]\nsteps = []', "off_s"),
        (f'name = "x"\n[arrivals]\nday = [{", ".join(["nan"] * 24)}]\n[session]\nsteps = []', "day"),
        (RECIPE.replace('"x"', '""'), "name"),
        (RECIPE.replace('"x"', '"a\\nb"'), "name"),
        ('name = "x"\n[arrivals]\nsurprise = 1\n[session]\nsteps = []', "surprise"),
        ('name = "x"\n[arrivals]\n[session]\nsteps = []', "at least one step"),
        ("name = [", "not TOML"),
        (
            'name = "x"\n[arrivals]\n[session]\nturns = [3, 1]\n[[session.steps]]\nkind = "tool"\nname = "a"\n'
            "took = { p50_ms = 1, p99_ms = 2 }",
            "turns",
        ),
    ],
)
def test_a_recipe_that_is_wrong_is_refused_with_the_key(change, says):
    with pytest.raises(RecipeError, match=says):
        parse_recipe(change, "mine.toml")
