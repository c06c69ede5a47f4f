"""The fixture in pytest sessions of its own; but for one test the run is a fake, since how sure a real one is depends
on how busy this machine is."""

import json
import tomllib
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[1]

# In the place of the whole module, so that no session has to import what only a real run needs.
FAKE = """
import sys
from types import SimpleNamespace
from tests.report.verdict_samples import failed, gate, passed, undecided

CALLS = []
CHECKS = {"pass": passed(), "fail": failed(), "inconclusive": undecided()}

def gate_trace(trace, target, slos, options, *, out=None, **others):
    CALLS.append((trace, target, slos, options, out))
    check, _, status = target.url.rpartition("/")[2].partition("-")
    verdict = gate(CHECKS[check])
    return SimpleNamespace(verdict=verdict, directory=out, status=status or "finished", ended_early=None, ended=None)

sys.modules["replay.trials.gate.trial"] = sys.modules["fake"] = sys.modules[__name__]
"""

APP = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
"""


@pytest.fixture
def session(pytester, monkeypatch):
    """Sessions that find the plugin by the entry point of pyproject.toml, whether or not it is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    info = pytester.mkdir("site") / "entry_point_under_test-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: entry-point-under-test\nVersion: 1\n")
    lines = [f"{name} = {module}\n" for name, module in project["entry-points"]["pytest11"].items()]
    (info / "entry_points.txt").write_text("[pytest11]\n" + "".join(lines))
    monkeypatch.setenv("PYTHONPATH", f"{info.parent}:{ROOT}")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(test, *args, fake=True):
        if fake:
            pytester.makeconftest(FAKE)
        pytester.makepyfile(test)
        # The plugin of hypothesis imports all of it at the end of a session, which takes longer than the rest.
        plugins = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
        return pytester.runpytest_subprocess(*plugins, "-rs", *args, timeout=240)

    return run


@pytest.fixture
def small_trace(pytester):
    step = {"id": "a", "kind": "http", "name": "get", "request": {"method": "GET", "path": "/"}}
    lines = [{"format": "replay-trace", "version": 1, "name": "small"}]
    lines += [{"id": f"s-{n}", "start_ms": n, "steps": [step]} for n in range(100)]
    pytester.path.joinpath("small.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    pytester.path.joinpath("small_app.py").write_text(APP)


def test_a_pass_passes_and_gives_the_verdict_and_its_directory(session):
    result = session("""
        from pathlib import Path

        def test_p99(replay_gate, tmp_path):
            outcome = replay_gate("t.jsonl", target="http://h/pass", slos=["p99 < 800ms", "errors < 1%"], speed=20)
            again = replay_gate("t.jsonl", target="http://h/pass", slos=["p99 < 800ms"], timing="recorded")

            import fake
            (trace, target, slos, options, out), second = fake.CALLS
            assert outcome.verdict.verdict == "pass"
            assert trace == Path("t.jsonl")
            assert [slo.text for slo in slos] == ["p99 < 800ms", "errors < 1%"]
            assert options.knobs.speed == 20
            assert second[3].timing == "recorded"
            assert out.parent == second[4].parent == tmp_path
            assert out != second[4]
    """)

    result.assert_outcomes(passed=1)


def test_a_fail_fails_with_the_table_of_slos_and_no_traceback(session):
    result = session("""
        def test_p99(replay_gate):
            replay_gate("t.jsonl", target="http://h/fail", slos=["p99 < 800ms"])
    """)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "fail: 1 of 1 SLO did not hold",
            "*✗  p99(response, tool:search) < 250ms*1.2 s*250 ms*1.1 s, 1.3 s*3,000 (1,000)",
            "*the whole confidence interval is beyond the limit",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_inconclusive_is_skipped_with_its_reason(session):
    result = session("""
        def test_p99(replay_gate):
            replay_gate("t.jsonl", target="http://h/inconclusive", slos=["p99 < 800ms"])
    """)

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*inconclusive: 1 of 1 SLO could not be decided*straddles the limit*"])


def test_inconclusive_fails_when_strict(session, pytester):
    pytester.makeini("[pytest]\nreplay_strict = true")

    result = session("""
        def test_by_the_ini_file(replay_gate):
            replay_gate("t.jsonl", target="http://h/inconclusive", slos=["p99 < 800ms"])

        def test_unless_the_test_says_otherwise(replay_gate):
            replay_gate("t.jsonl", target="http://h/inconclusive", slos=["p99 < 800ms"], strict=False)
    """)

    result.assert_outcomes(failed=1, skipped=1)


def test_what_is_written_wrong_fails_with_a_sentence(session):
    result = session("""
        import asyncio
        import pytest

        @pytest.mark.parametrize("target, slos, options", [
            ("http://h/pass", ["p99 < 800 parsecs"], {}),
            ("http://h/pass", "p99 < 800ms", {}),
            ("no-such-file.toml", ["p99 < 800ms"], {}),
        ])
        def test_input(replay_gate, target, slos, options):
            replay_gate("t.jsonl", target=target, slos=slos, **options)

        def test_option(replay_gate):
            with pytest.raises(TypeError, match="replay_gate has no option 'sped'"):
                replay_gate("t.jsonl", target="http://h/pass", slos=["p99 < 800ms"], sped=2)

        def test_loop(replay_gate):
            async def run():
                replay_gate("t.jsonl", target="http://h/pass", slos=["p99 < 800ms"])

            with pytest.raises(RuntimeError, match="a test that is not async"):
                asyncio.run(run())
    """)

    result.assert_outcomes(failed=3, passed=2)
    result.stdout.fnmatch_lines(
        ["*parsecs*", "*name the SLOs in a list*", "no-such-file.toml: no such target file*"]
    )


def test_an_option_of_another_type_fails_with_a_sentence(session):
    result = session("""
        import pytest

        @pytest.mark.parametrize("options", [{"speed": "2"}, {"grace_s": [1]}, {"timing": "often"}])
        def test_p99(replay_gate, options):
            replay_gate("t.jsonl", target="http://h/pass", slos=["p99 < 800ms"], **options)
    """)

    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "replay_gate cannot take speed='2': expected float, got str.",
            "replay_gate cannot take grace_s=[[]1[]]: expected float, got array.",
            "replay_gate cannot take timing='often': invalid enum value 'often'.",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*msgspec*")


def test_what_a_name_says_commands_no_ci_system(session, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")

    result = session("""
        def test_p99(replay_gate):
            replay_gate("t.jsonl", target="::add-mask::e", slos=["p99 < 800ms"])
    """)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([":\\:add-mask::e: no such target file*"])
    assert not [line for line in result.outlines if line.lstrip().startswith("::")]


def test_without_a_folder_for_runs_it_fails_with_a_sentence(session):
    result = session(
        """
        def test_p99(replay_gate):
            replay_gate("t.jsonl", target="http://h/pass", slos=["p99 < 800ms"])
        """,
        "-p",
        "no:tmpdir",
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["replay_gate leaves its runs in tmp_path, which is not there*"])


def test_nothing_heavy_is_imported_before_a_gate_is_run(session):
    result = session(
        """
        import sys

        def test_modules(replay_gate):
            assert "replay.pytest_plugin" in sys.modules
            assert not {"numpy", "scipy", "httpx", "anyio.abc", "rich", "msgspec", "replay.target.target"} & set(sys.modules)
        """,
        "-p",
        "no:anyio",
        fake=False,
    )

    result.assert_outcomes(passed=1)


def test_a_run_that_broke_off_fails_the_test_whatever_was_seen_of_it(session):
    result = session("""
        import pytest

        @pytest.mark.parametrize("seen", ["pass", "inconclusive", "fail"])
        def test_p99(replay_gate, seen):
            replay_gate("t.jsonl", target=f"http://h/{seen}-failed", slos=["p99 < 800ms"])
    """)

    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["the run could not be carried out", "*fail: 1 of 1 SLO did not hold*"])


def test_an_interrupted_run_interrupts_the_session(session):
    result = session("""
        def test_p99(replay_gate):
            replay_gate("t.jsonl", target="http://h/pass-interrupted", slos=["p99 < 800ms"])

        def test_next():
            assert False
    """)

    assert result.ret == pytest.ExitCode.INTERRUPTED


@pytest.mark.parametrize("answer", ["await asyncio.sleep(60)", "time.sleep(60)"])
def test_an_application_that_hangs_fails_its_test_under_a_time_limit(session, pytester, small_trace, answer):
    # What a run imports would use the time limit up.
    pytester.makeconftest("import replay.trials.gate.trial, replay.wire.httpx.wire")
    result = session(
        f"""
        import asyncio, time
        import pytest

        async def app(scope, receive, send):
            assert scope["type"] == "http"
            {answer}

        @pytest.mark.timeout(3, method="signal")
        def test_p50(replay_gate):
            replay_gate("small.jsonl", target=app, slos=["p50 < 20s"])

        def test_what_was_left(tmp_path_factory):
            (run,) = tmp_path_factory.getbasetemp().glob("test_p500/replay-gate-1/run.json")
            assert '"status": "failed"' in run.read_text()
            assert "the run was ended by Failed: Timeout" in run.read_text()
        """,
        fake=False,
    )

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*Failed: Timeout (>3.0s) from pytest-timeout."])


def test_an_application_that_uses_pytests_outcomes_fails_its_steps_and_not_the_test(
    session, pytester, small_trace
):
    result = session(
        """
        import pytest

        @pytest.mark.parametrize("outcome", [pytest.fail, pytest.skip, pytest.exit])
        def test_errors(replay_gate, tmp_path, outcome):
            async def app(scope, receive, send):
                assert scope["type"] == "http"
                outcome("from the application")

            with pytest.raises(pytest.fail.Exception):
                replay_gate("small.jsonl", target=app, slos=["errors < 5%"], strict=True)

            steps = tmp_path / "replay-gate-1" / "steps.jsonl"
            assert steps.read_text().count('"error":"app"') == 100
        """,
        fake=False,
    )

    result.assert_outcomes(passed=3)


@pytest.mark.parametrize("arguments", [[], ["-n", "1"]], ids=["alone", "under xdist"])
def test_a_gate_is_run_in_a_thread_too(session, small_trace, arguments):
    result = session(
        """
        import asyncio, threading
        import pytest
        from small_app import app

        def replayed(replay_gate, tmp_path):
            try:
                replay_gate("small.jsonl", target=app, slos=["p50 < 20s"])
            except pytest.skip.Exception:
                pass  # the machine was too busy
            return (tmp_path / "replay-gate-1" / "steps.jsonl").read_text().count('"status":200')

        @pytest.mark.asyncio
        async def test_of_an_event_loop(replay_gate, tmp_path):
            assert await asyncio.to_thread(replayed, replay_gate, tmp_path) == 100

        def test_of_ones_own(replay_gate, tmp_path):
            seen = []
            thread = threading.Thread(target=lambda: seen.append(replayed(replay_gate, tmp_path)))
            thread.start()
            thread.join()
            assert seen == [100]
        """,
        *arguments,
        fake=False,
    )

    result.assert_outcomes(passed=2)


def test_a_real_trace_is_replayed_against_an_application_by_name_or_as_an_object(session, small_trace):
    result = session(
        """
        import pytest
        from pathlib import Path
        from small_app import app

        @pytest.mark.parametrize("target", ["asgi:small_app:app", app])
        def test_p50(replay_gate, target, tmp_path):
            try:
                replay_gate("small.jsonl", target=target, slos=["p50 < 20s"])
            finally:
                (run,) = tmp_path.iterdir()
                assert run.joinpath("verdict.json").exists()
                assert run.joinpath("steps.jsonl").read_text().count('"status":200') == 100
        """,
        fake=False,
    )

    outcomes = result.parseoutcomes()
    # A machine too busy to send in time makes the verdict inconclusive, and nothing else does.
    assert outcomes.get("passed", 0) + outcomes.get("skipped", 0) == 2, result.stdout.str()
