"""The probe finds what a target that goes cold was told to do."""

import contextlib
import http.server
import json
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import numpy as np
import pytest

from replay import __version__
from replay.engine.prober import Prober
from replay.engine.types import RunOptions
from replay.judge.cold.types import ColdVerdict
from replay.results.rundir import RunDir
from replay.results.summary import rebuild
from replay.scale.conductor import NotStarted
from replay.target.errors import TargetError
from replay.target.login import Login
from replay.target.sending import SessionRules
from replay.target.target import Target
from replay.trace.errors import TraceError
from replay.trace.types import Request, Step
from replay.trials.coldstart.experiment import Answer, Experiment, ProbeFailed, ProbePlan
from replay.trials.coldstart.probing import probe_coldstart

KEEP_ALIVE_S, BOOT_S = 0.9, 0.25
STEP = Step("probe", "http", "GET /", request=Request("GET", "/"))


@pytest.fixture(params=["says", "silent"])
def cold_target(request):
    process = subprocess.Popen(
        [
            sys.executable,
            str(Path(__file__).parent / "cold_server.py"),
            str(KEEP_ALIVE_S),
            str(BOOT_S),
            request.param,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    url = process.stdout.readline().strip()
    says = request.param == "says"
    try:
        yield Target(
            url=url,
            name="cold",
            cold_header="x-cold" if says else None,
            instance_header="x-instance" if says else None,
        )
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def asked_in_virtual_time(target, plan, *, late_s=0.0, keep_alive_s=60.0, boot_ms=700.0):
    """The verdict on a target that goes cold after so long: each answer takes 20 ms, and what it boots for.

    late_s: how much later than it was asked for a probe is sent after an idle time.
    """
    experiment = Experiment(target, plan)
    says = target.cold_header is not None
    rng = np.random.default_rng(1)
    asks, now_ns, ended_ns, up_ns = experiment.asks(), 0, None, 0
    ask = next(asks)
    while True:
        now_ns += round((ask.idle_s + (late_s if ask.idle_s else 0.0)) * 1e9)
        answers = []
        for _ in range(ask.requests):
            # A run's clock begins at its start, and what is sent there is not unsent.
            now_ns = max(now_ns, 1) if ask.is_at_once or ended_ns is None else ended_ns
            if ended_ns is None or (now_ns - ended_ns > keep_alive_s * 1e9 and now_ns > up_ns):
                up_ns = now_ns + round(boot_ms * 1e6)
            end_ns = max(now_ns, up_ns) + round(20e6 + rng.uniform(0, 1e6))
            answers.append(Answer(now_ns, end_ns, 200, cold=now_ns < up_ns if says else None))
            if not ask.is_at_once:
                ended_ns = end_ns
        ended_ns = now_ns = max(answer.end_ns for answer in answers)
        try:
            ask = asks.send(answers)
        except StopIteration:
            return experiment.verdict("run")


SAYS = Target(url="http://t", name="t", cold_header="x-cold")
SILENT = Target(url="http://t", name="t")


@pytest.mark.parametrize("target", [SAYS, SILENT])
@pytest.mark.parametrize("keep_alive_s", [0.3, 9.0, 60.0, 300.0])
def test_a_probe_finds_how_long_a_target_stays_warm_and_what_a_boot_adds(target, keep_alive_s):
    verdict = asked_in_virtual_time(target, ProbePlan(bursts=(3,)), keep_alive_s=keep_alive_s)

    low, high = verdict.keep_alive_s
    assert low <= keep_alive_s <= high
    assert high - low <= max(0.1 * high, 0.3)
    assert verdict.cold.method == ("header" if target.cold_header else "inferred")
    assert verdict.cold.added_of == verdict.cold.count
    assert verdict.cold.added_ms == pytest.approx(700.0, abs=1)
    if verdict.cold.added_ci_ms is not None:
        assert verdict.cold.added_ci_ms[0] <= 700.0 <= verdict.cold.added_ci_ms[1]
    assert [(burst.size, burst.cold) for burst in verdict.bursts] == [(3, 3)]
    assert verdict.notes == []


def test_probes_that_went_out_late_are_told_of():
    verdict = asked_in_virtual_time(SAYS, ProbePlan(), late_s=20.0)

    assert verdict.notes[-1] == (
        "an idle time was 20 s longer than was asked for, since the probe after it was not ready sooner: it is told as "
        "long as it was"
    )


@pytest.mark.parametrize("target", [SAYS, SILENT])
@pytest.mark.parametrize("late_s", [0.05, 0.5, 3.0, 20.0, 90.0])
@pytest.mark.parametrize("keep_alive_s", [9.0, 60.0, 300.0])
def test_a_probe_that_goes_out_late_tells_of_the_idle_time_that_it_ended(target, late_s, keep_alive_s):
    """By the asked idle times a target that stays warm for 60 s had gone cold between 37 and 40."""
    verdict = asked_in_virtual_time(target, ProbePlan(), late_s=late_s, keep_alive_s=keep_alive_s)

    low, high = verdict.keep_alive_s
    # An excess that is less than the precision is left out.
    assert low <= keep_alive_s <= 1.1 * high
    assert not any("no sharp limit" in note for note in verdict.notes)
    assert all(bucket.share in (0, 1) for bucket in verdict.idle_curve)


def test_probes_are_recorded_as_steps_of_a_run_are(cold_target, tmp_path):
    waits = []
    plan = ProbePlan(first_s=1.0, most_s=4.0, precision=1.0, bursts=(3,))

    outcome = probe_coldstart(
        cold_target,
        STEP,
        plan,
        out=tmp_path / "out",
        on_wait=lambda idle_s, why: waits.append(idle_s),
    )

    summary = rebuild(tmp_path / "out")
    assert summary.status == "finished"
    assert summary.generator.reasons == ["it has no self-check: it is of probes of a target, not of a replay"]
    assert RunDir(tmp_path / "out").read_manifest().version == __version__
    verdict = outcome.verdict
    assert verdict.cold.method == ("header" if cold_target.cold_header else "inferred")
    if cold_target.cold_header:
        # However late probes go out, it has gone cold after the longest idle time, and a boot is never shorter.
        assert verdict.keep_alive_s[1] <= 4.0
        assert verdict.cold.latency_ms.min >= BOOT_S * 1000 * 0.95
        assert [burst.size for burst in verdict.bursts] == [3]
        assert sum(waits) <= plan.most_wait_s
    written = msgspec.json.decode((tmp_path / "out" / "verdict.json").read_bytes(), type=ColdVerdict)
    assert written == verdict
    lines = (tmp_path / "out" / "steps.jsonl").read_text().splitlines()
    in_bursts = sum(burst.size for burst in verdict.bursts)
    assert len(lines) == 1 + verdict.cold.warm_ms.n + verdict.probes + in_bursts


def test_a_path_that_fails_ends_the_experiment_with_a_sentence(truth, tmp_path):
    step = Step("probe", "http", "GET /", request=Request("GET", "/x?do=503"))

    with pytest.raises(ProbeFailed, match="answered with status 503; choose another --path"):
        probe_coldstart(Target(url=truth.url, name="t"), step, out=tmp_path / "out")


@pytest.mark.parametrize("cold_target", ["says"], indirect=True)
def test_two_workers_find_what_one_process_does_and_share_a_burst(cold_target, tmp_path):
    out = tmp_path / "out"
    plan = ProbePlan(first_s=1.0, most_s=1.0, precision=1.0, bursts=(4,))

    outcome = probe_coldstart(cold_target, STEP, plan, out=out, options=RunOptions(workers=2))

    verdict = outcome.verdict
    assert verdict.keep_alive_s == (0.0, 1.0)
    assert (verdict.probes, verdict.cold.count) == (2, 2)
    assert verdict.cold.latency_ms.min >= BOOT_S * 1000 * 0.95
    assert [burst.size for burst in verdict.bursts] == [4]
    assert msgspec.json.decode((out / "verdict.json").read_bytes(), type=ColdVerdict) == verdict
    runs = {path.name: rebuild(path) for path in sorted(out.iterdir()) if path.is_dir()}
    assert list(runs) == ["01-11", "02-1", "03-1", "04-4"]
    assert [worker.steps for worker in runs["04-4"].workers] == [2, 2]


def test_a_target_that_does_not_answer_two_workers_leaves_nothing(tmp_path):
    target = Target(url="http://127.0.0.1:9", name="t")

    with pytest.raises(NotStarted, match=r"could not begin: .*http://127\.0\.0\.1:9"):
        probe_coldstart(target, STEP, out=tmp_path / "out", options=RunOptions(workers=2))

    assert not (tmp_path / "out").exists()


class Shop(http.server.BaseHTTPRequestHandler):
    """Takes requests that carry the token of the latest login. seen: paths, in order."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append("login")
        self._answer(
            self.server.login_status, {"token": f"t-{len(self.server.seen)}", "expires_in": self.server.lasts_s}
        )

    def do_GET(self):
        logins = [n for n, one in enumerate(self.server.seen, 1) if one == "login"]
        is_in = bool(logins) and self.headers["authorization"] == f"Bearer t-{logins[-1]}"
        self.server.seen.append("probe")
        self._answer(200 if is_in else 401, {})

    def _answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_): ...


@pytest.fixture
def shop():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    server.seen, server.lasts_s, server.login_status = [], 3_600, 200
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def logging_in(server, **changed):
    login = Login(path="/login", json={"a": 1}, **{"token": "/token", "expires_in": "/expires_in", **changed})
    return Target(url=f"http://127.0.0.1:{server.server_address[1]}", name="shop", login=login)


def test_a_target_that_sessions_log_in_to_is_logged_in_to_once_before_it_is_left_alone(shop, tmp_path):
    plan = ProbePlan(first_s=0.05, most_s=0.2)

    verdict = probe_coldstart(logging_in(shop), STEP, plan, out=tmp_path / "out").verdict

    assert shop.seen.count("login") == 1
    assert shop.seen[0] == "login"
    assert shop.seen.count("probe") == 1 + verdict.cold.warm_ms.n + verdict.probes
    records = [json.loads(line) for line in (tmp_path / "out" / "steps.jsonl").read_text().splitlines()]
    assert [record.get("handshake", False) for record in records].count(True) == 1


def test_a_token_that_does_not_last_as_long_as_the_target_is_left_alone_ends_the_experiment(shop, tmp_path):
    shop.lasts_s = 5

    with pytest.raises(ProbeFailed, match=r"within which another login would wake the target\. Look less far"):
        probe_coldstart(logging_in(shop), STEP, ProbePlan(first_s=0.05, most_s=0.2), out=tmp_path / "out")


def test_a_login_that_gives_no_token_is_told(shop, tmp_path):
    with pytest.raises(
        ProbeFailed, match=r"shop: POST /login has no token at /nothing, so nothing could be probed\."
    ):
        probe_coldstart(logging_in(shop, token="/nothing"), STEP, out=tmp_path / "one")
    shop.login_status = 403
    with pytest.raises(ProbeFailed, match=r"POST /login was answered with status 403, so"):
        probe_coldstart(logging_in(shop), STEP, out=tmp_path / "two")


@pytest.mark.anyio
async def test_a_login_is_made_anew_only_where_its_token_would_not_last(shop, tmp_path):
    async with Prober(logging_in(shop), tmp_path, "run") as prober:
        await prober.send([STEP])
        [(token, _)] = prober._tokens.values()

        assert await prober.stay_logged_in(1.0) is None
        # A whole life from now is more than is left of it.
        assert await prober.stay_logged_in(token.lives_s - 1e-9) is not None
        [attempt] = await prober.send([STEP])
        assert (attempt.status, shop.seen.count("login")) == (200, 2)


@pytest.mark.parametrize(
    ("target", "keep_alive_s", "why"),
    [
        (SILENT, 1e9, "no service time far above that of warm requests"),
        (SILENT, 60.0, "service time far above that of warm requests"),
        (SAYS, 1e9, "the target says so"),
    ],
)
def test_why_probes_were_taken_for_cold_or_warm_is_said_as_it_was(target, keep_alive_s, why):
    """Of a target that was never cold it was said that service times were far above warm ones."""
    assert asked_in_virtual_time(target, ProbePlan(), keep_alive_s=keep_alive_s).cold.why == why


def test_an_idle_time_begins_when_a_login_before_it_has_ended():
    experiment = Experiment(SAYS, ProbePlan(first_s=1.0, most_s=1.0))
    asks = experiment.asks()
    at = 1_000_000

    def answer(idle_s=0.0, login_s=0.0):
        nonlocal at
        since = at + int(login_s * 1e9)
        at = since + int(idle_s * 1e9)
        sent, at = at, at + 1_000_000
        return Answer(sent, at, 200, cold=False, idle_since_ns=since if login_s else None)

    ask = next(asks)
    asks.send([answer() for _ in range(ask.requests)])
    with contextlib.suppress(StopIteration):
        while True:
            asks.send([answer(idle_s=1.0, login_s=5.0)])

    assert experiment.verdict("run").notes == [
        "it was still warm after 1 s, unless someone else kept it so; look further with --max-idle"
    ]


@pytest.mark.parametrize("path", ["", "x", "/\r\nx-other: 1\r\n"])
def test_a_path_that_no_trace_may_hold_is_refused_before_anything_is_sent(path, tmp_path):
    """A line end in it went out as a header of its own."""
    target = Target(url="http://127.0.0.1:9", name="shop")
    step = Step("probe", "http", "GET", request=Request("GET", path))

    with pytest.raises(TraceError, match="the probe has the path"):
        probe_coldstart(target, step, out=tmp_path / "out")

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changed", "options", "says"),
    [
        ({}, RunOptions(workers=2), r"each of several workers would.*Probe from one process\."),
        ({"path": "/login/{{session}}"}, RunOptions(), r"its login says who a session is"),
        ({"token": None, "token_header": None}, RunOptions(), r"its login gives cookies alone"),
    ],
)
def test_a_login_that_a_probe_cannot_make_is_refused_before_anything_is_sent(changed, options, says, tmp_path):
    login = Login(**{"path": "/login", "token": "/token", **changed})
    target = Target(url="http://127.0.0.1:9", name="shop", login=login, session=SessionRules(cookies=True))

    with pytest.raises(TargetError, match=says):
        probe_coldstart(target, STEP, out=tmp_path / "out", options=options)

    assert not (tmp_path / "out").exists()
