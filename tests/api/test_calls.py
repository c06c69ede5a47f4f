"""The public calls, as a Python program makes them: anywhere, with texts and paths, and with what cannot be used."""

import asyncio
import contextlib
import signal
import threading

import pytest

import replay
from replay.trace.synthesis.presets import preset_text

PLANE = """
url = "http://127.0.0.1:1"
plane = "serverless"

[simulate.instances.boot]
of = "constant"
ms = 500

[simulate.instances.by_path]
"/*" = { of = "constant", ms = 20 }
"""
SESSIONS = 30


@pytest.fixture
def trace(write_trace):
    """Its path as a text."""
    get = write_trace.get
    return str(
        write_trace(*[(n * 5.0, [get("a", "/a?ms=1"), get("b", "/b?ms=1", ["a"])]) for n in range(SESSIONS)])
    )


@pytest.fixture
def plane(tmp_path):
    path = tmp_path / "plane.toml"
    path.write_text(PLANE)
    return path


@pytest.fixture
def made(trace, plane, tmp_path):
    """A run that was made, in no time."""
    return replay.simulate(trace, plane, out=tmp_path / "made").directory


def plainly(call):
    return call()


def in_a_notebook(call):
    async def cell():
        return call()

    return asyncio.run(cell())


def in_a_thread(call):
    found = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


@pytest.fixture(params=[plainly, in_a_notebook, in_a_thread])
def anywhere(request):
    """Makes a call somewhere, which has to leave the process as it was."""

    def make(call):
        def state():
            handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
            return handlers, type(asyncio.get_event_loop_policy()), threading.active_count()

        before = state()
        made = request.param(call)
        assert state() == before
        return made

    return make


def test_a_run_is_made_and_read_back(anywhere, trace, truth, tmp_path):
    outcome = anywhere(lambda: replay.run(trace, truth.url, out=str(tmp_path / "run"), speed=2, sessions=20))
    run = replay.open_run(outcome.directory)

    assert outcome.summary.counts.ok == 40
    assert run.summary == outcome.summary
    assert run.manifest.status == "finished"
    assert run.manifest.options["knobs"]["speed"] == 2
    assert run.verdict is None
    assert [step.session for step in run.steps()].count("s-19") == 2
    assert len(run.columns.ok) == 40
    assert run.histograms()["response:tool:a"].quantiles().n == 20
    assert repr(run) == f"<Run {outcome.directory}, finished>"


def test_a_run_is_judged_by_slos(anywhere, trace, truth, tmp_path):
    outcome = anywhere(
        lambda: replay.gate(trace, truth.url, slos=["errors < 50%"], least_fidelity=0, out=tmp_path / "run")
    )

    assert outcome.verdict == replay.open_run(outcome.directory).verdict
    assert outcome.conclusion() in ("pass", "inconclusive")
    assert [check.slo for check in outcome.verdict.checks] == ["errors < 50%"]


def test_a_target_is_held_against_itself(anywhere, trace, truth, tmp_path):
    outcome = anywhere(lambda: replay.compare(trace, truth.url, out=tmp_path / "aa", metric="p50"))

    assert outcome.verdict.is_aa
    assert outcome.verdict.metric == "p50"


def test_two_targets_are_compared_by_their_answers_too(trace, truth, tmp_path):
    outcome = replay.compare(trace, [truth.url, truth.url], out=tmp_path / "two", answers="shape")

    assert outcome.verdict.answers is not None
    assert outcome.verdict.answers.verdict in ("same", "inconclusive")
    assert not outcome.verdict.is_aa


def test_a_ceiling_is_looked_for(anywhere, trace, truth, tmp_path):
    outcome = anywhere(
        lambda: replay.ceiling(
            trace,
            truth.url,
            slos=["errors < 50%"],
            level_s=0.2,
            most_s=0.3,
            shows_recovery=False,
            out=tmp_path / "c",
        )
    )

    assert outcome.verdict.slos == ["errors < 50%"]
    assert outcome.verdict.levels


def test_a_target_is_probed(anywhere, truth, tmp_path):
    outcome = anywhere(
        lambda: replay.coldstart(truth.url, path="/a?ms=1", first_s=0.01, most_s=0.02, out=tmp_path / "p")
    )

    assert outcome.verdict.probes
    assert (outcome.directory / "verdict.json").exists()


def test_a_pilot_is_simulated(write_trace, plane, tmp_path):
    trace = write_trace(*[(n * 200.0, [write_trace.get("a")]) for n in range(8)])
    told = []

    outcome = in_a_notebook(
        lambda: replay.pilot(trace, plane, how="simulated", out=tmp_path / "pilot", on_stage=told.append)
    )

    assert outcome.status == "finished"
    assert outcome.verdict is not None
    assert told


def test_runs_that_were_made_are_judged_explained_and_priced(made):
    gated = replay.gate(run=made, slos=["p99 < 10s"], least_fidelity=0)
    compared = replay.compare(runs=[made, made])
    cold = replay.coldstart(run=made)
    explained = replay.explain(made, quantile=0.9, session="s-3")
    priced = replay.cost(
        made,
        prices=["cloud-run-us-central1"],
        machines=["gce-e2-us-central1:e2-medium"],
        machine_rps=50,
        month="office-hours",
    )

    assert gated.directory == made
    assert compared.directory is None
    assert compared.verdict.mode == "unpaired"
    assert cold.verdict.cold is not None
    assert explained.session is not None
    assert len(priced.planes) == 2
    assert not (made / "verdict.json").exists()


def test_a_trace_is_opened_as_a_stream(trace):
    opened = replay.open_trace(trace)

    assert opened.header.name == "trace"
    assert next(opened.sessions()).id == "s-0"
    assert sum(len(session.steps) for session in opened.sessions()) == 2 * SESSIONS
    assert repr(opened) == f"<Trace trace, {trace}>"


def test_the_shape_of_a_trace_is_told(trace):
    assert replay.open_trace(trace).profile.sessions == SESSIONS


def test_a_trace_is_made_from_a_preset_and_in_the_likeness_of_another(tmp_path):
    made = replay.synth(tmp_path / "made.jsonl", preset="bursty", sessions=20)
    alike = replay.synth(tmp_path / "alike.jsonl.zst", like=made.path, per_min=90)

    assert (made.sessions, made.arrivals.process) == (20, "bursts")
    assert replay.open_trace(made.path).header.name == "bursty"
    assert (alike.sessions, alike.arrivals.per_min) == (20, 90)
    assert sum(len(session.steps) for session in replay.open_trace(alike.path).sessions()) == alike.steps


def test_a_trace_is_made_from_a_recipe_of_ones_own(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(preset_text("steady").replace('name = "steady"', 'name = "mine"'))

    made = replay.synth(tmp_path / "made.jsonl", recipe=recipe, duration_s=10)

    assert made.sessions == 16
    assert replay.open_trace(made.path).header.name == "mine"


def test_runs_are_awaited_beside_one_another(trace, truth, tmp_path):
    async def main():
        ticks = []

        async def tick():
            while True:
                ticks.append(1)
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        outcomes = await asyncio.gather(
            *(replay.arun(trace, truth.url, out=tmp_path / name) for name in ("first", "second"))
        )
        ticking.cancel()
        return outcomes, len(ticks)

    outcomes, ticks = asyncio.run(main())

    assert [outcome.summary.counts.ok for outcome in outcomes] == [2 * SESSIONS] * 2
    assert ticks > 10


def test_a_time_limit_on_a_run_that_is_awaited_leaves_it_whole(write_trace, truth, tmp_path):
    trace = write_trace(*[(n * 10.0, [write_trace.get("a", "/a?ms=1")]) for n in range(20_000)])

    async def main():
        async with asyncio.timeout(None) as limit:
            run = asyncio.create_task(replay.arun(trace, truth.url, out=tmp_path / "run"))
            while not (tmp_path / "run" / "steps.jsonl").exists():
                await asyncio.sleep(0.01)
            limit.reschedule(asyncio.get_running_loop().time() + 0.1)
            await run

    with pytest.raises(TimeoutError):
        asyncio.run(main())

    run = replay.open_run(tmp_path / "run")
    assert run.manifest.status == "interrupted"
    assert len(list(run.steps())) == len(run.columns.ok) + run.summary.counts.errors.get("interrupted", 0)


def test_a_served_loop_answers_a_run_that_is_awaited_in_it(trace, tmp_path):
    async def answer(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async def main():
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await replay.arun(trace, f"http://127.0.0.1:{port}", out=tmp_path / "run")

    assert asyncio.run(main()).summary.counts.ok == 2 * SESSIONS


WRONG = {
    "no trace": lambda it: replay.run("nothing.jsonl", it.url),
    "no target file": lambda it: replay.run(it.trace, "nothing.toml"),
    "no such option value": lambda it: replay.run(it.trace, it.url, speed=-1),
    "an option of another type": lambda it: replay.run(it.trace, it.url, sessions="ten"),
    "for ever": lambda it: replay.run(it.trace, it.url, repeat=True),
    "money": lambda it: replay.run(it.trace, it.url, budget="5 EURO"),
    "a rule": lambda it: replay.run(it.trace, it.url, aborts=["errors > 20%"]),
    "rules in one text": lambda it: replay.run(it.trace, it.url, aborts="errors > 20% over 10s"),
    "no run": lambda it: replay.open_run("nothing"),
    "no steps to explain": lambda it: replay.explain("nothing"),
    "a quantile": lambda it: replay.explain("nothing", quantile=99),
    "no SLO": lambda it: replay.gate(it.trace, it.url),
    "an SLO": lambda it: replay.gate(it.trace, it.url, slos=["p99 <"]),
    "SLOs in one text": lambda it: replay.gate(it.trace, it.url, slos="p99 < 1s"),
    "neither": lambda it: replay.gate(slos=["p99 < 1s"]),
    "both": lambda it: replay.gate(it.trace, it.url, run="nothing", slos=["p99 < 1s"]),
    "a metric": lambda it: replay.compare(it.trace, it.url, metric="speed"),
    "no targets": lambda it: replay.compare(it.trace),
    "one run": lambda it: replay.compare(runs=["nothing"]),
    "levels": lambda it: replay.ceiling(it.trace, it.url, slos=["p99 < 1s"], duration_s=3),
    "idle times": lambda it: replay.coldstart(it.url, first_s=5, most_s=1),
    "no prices": lambda it: replay.cost("nothing"),
    "a machine": lambda it: replay.cost("nothing", machines=["e2-medium"]),
    "a calendar": lambda it: replay.cost("nothing", prices=["cloud-run-us-central1"], month="nothing"),
    "no plane": lambda it: replay.simulate(it.trace, it.url),
    "how": lambda it: replay.pilot(it.trace, how="slowly"),
    "which plane": lambda it: replay.pilot(it.trace, [it.url]),
    "nothing to make": lambda it: replay.synth("made.jsonl"),
    "two things to make": lambda it: replay.synth("made.jsonl", preset="bursty", like=it.trace),
    "no such preset": lambda it: replay.synth("made.jsonl", preset="odd"),
    "no recipe": lambda it: replay.synth("made.jsonl", recipe="nothing.toml"),
    "no rate": lambda it: replay.synth("made.jsonl", preset="bursty", per_min=0),
    "a likeness of nothing": lambda it: replay.synth("made.jsonl", like="nothing.jsonl"),
    "a dead trace": lambda it: replay.open_trace(it.url),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_used_is_an_input_error_in_a_sentence_or_two(what, trace, tmp_path, monkeypatch, capfd):
    class Given:
        url = "http://127.0.0.1:1"

    Given.trace = trace
    monkeypatch.chdir(tmp_path)

    with pytest.raises(replay.InputError) as error:
        WRONG[what](Given)

    said = str(error.value)
    assert said.endswith(".") or "\n" in said
    assert len(said) < 400
    assert error.value.exit_code == 2
    assert capfd.readouterr() == ("", "")
    assert {path.name for path in tmp_path.iterdir()} == {"trace.jsonl"}


def test_a_dead_target_is_told_of_in_a_sentence(anywhere, trace, tmp_path, capfd):
    def call():
        with pytest.raises(replay.ReplayError) as error:
            replay.run(trace, "http://127.0.0.1:1", out=tmp_path / "run")
        return error.value

    error = anywhere(call)

    assert (
        str(error) == "cannot connect to http://127.0.0.1:1: connection refused. Is the target running there?"
    )
    assert not isinstance(error, replay.InputError)
    assert error.exit_code == 4
    assert capfd.readouterr() == ("", "")


def test_an_option_that_is_not_there_is_a_type_error_that_names_those_that_are(trace):
    with pytest.raises(TypeError, match=r"^replay\.run has no option 'sped'\. It takes .*speed"):
        replay.run(trace, "http://127.0.0.1:1", sped=2)
