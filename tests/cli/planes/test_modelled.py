"""`replay plane serve --modelled` with instances: when it has them, and what it refuses."""

import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.refusals import refusal

COMMAND = [sys.executable, "-m", "replay", "plane", "serve", "--modelled"]


@contextmanager
def served(*options: str) -> Iterator[str]:
    """The address of a server in a process of its own."""
    with subprocess.Popen([*COMMAND, "--port", "0", *options], stderr=subprocess.PIPE, text=True) as process:
        try:
            yield re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", process.stderr.readline())[1]
        finally:
            process.kill()


def headers_of(url: str) -> dict[str, str]:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/tools/x") as answer:
        return {name.lower(): value for name, value in answer.headers.items()}


def test_alone_it_is_one_server_without_instances():
    with served("--speed", "100x") as url:
        assert "x-replay-instance" not in headers_of(url)


@pytest.mark.parametrize(
    "options",
    [
        ["--plane", "serverless", "--boot", "30ms", "--service", "1ms"],
        ["--boot", "lognormal:30ms,40ms", "--speed", "100x"],
        ["--service", "1ms", "--boot", "30ms"],
        ["--plane", "vm", "--max-instances", "1", "--speed", "100x"],
    ],
)
def test_any_option_of_instances_puts_them_behind_a_gateway(options):
    with served(*options) as url:
        headers = headers_of(url)

    assert headers["x-replay-instance"] == "i-1"
    assert headers["x-replay-fresh"] == "1"


def test_a_first_request_waits_for_the_boot_that_was_asked_for():
    with served("--boot", "150ms", "--service", "1ms") as url:
        assert float(headers_of(url)["x-replay-waited-ms"]) >= 150.0


def test_a_model_file_says_the_rest(tmp_path):
    file = tmp_path / "model.toml"
    file.write_text('boot = { of = "constant", ms = 5 }\nservice = { of = "constant", ms = 1 }\n')
    with served("--model", str(file)) as url:
        assert headers_of(url)["x-replay-cold"] == "1"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("boot = 3", "boot: must be a table, and is a number"),
        ("[faults]\nerror_ratio = 2", "faults: error_ratio must be between 0 and 1, not 2"),
        ("boots = 3", 'unknown key "boots". Did you mean "boot"?'),
    ],
)
def test_a_model_file_that_cannot_be_used_is_refused_with_the_place(tmp_path, text, why):
    file = tmp_path / "model.toml"
    file.write_text(text)
    code, said = refusal("plane", "serve", "--modelled", "--model", str(file))

    assert (code, said) == (2, f"{file}: {why}{'' if why.endswith('?') else '.'}")


def test_a_time_without_a_unit_is_bad_usage():
    code, said = refusal("plane", "serve", "--modelled", "--boot", "800")

    assert code == 2
    assert "'800' is not a valid time or distribution. Write 800ms, lognormal:P50,P99" in said


def test_processes_take_no_modelled_times():
    code, said = refusal("plane", "serve", "--command", "true", "--boot", "1s")

    assert (code, said) == (
        2,
        "--boot, --service and --model are for --modelled: a process takes its own time.",
    )


def test_instances_take_as_long_as_a_recording_did_where_the_request_says_so(tmp_path):
    file = tmp_path / "model.toml"
    file.write_text('as_recorded = true\nboot = { of = "constant", ms = 1 }\n')
    body = b'{"stream":true,"max_tokens":5,"messages":[]}'
    cases = [("/tools/x", None, "140.000", 0.14), ("/v1/chat/completions", body, "200.0 80.0", 0.2)]
    with served("--model", str(file)) as url:
        for path, data, recorded, least_s in cases:
            request = urllib.request.Request(
                url + path, data, {"x-replay-recorded-ms": recorded, "content-type": "application/json"}
            )
            began = time.monotonic()
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
                answer.read(1)
                first_s = time.monotonic() - began
                answer.read()
            assert time.monotonic() - began >= least_s
            assert first_s >= (0.08 if data else least_s)


@pytest.mark.parametrize(
    "options",
    [("--plane", "group"), ("--profile", "gce-mig"), ("--profile", "kubernetes-hpa", "--min-instances", "2")],
)
def test_a_group_of_machines_serves_from_its_beginning(options):
    """Its first machines were on before, so nobody waits for the 45 s that a machine boots."""
    with (
        served(*options, "--service", "1ms") as url,
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"{url}/tools/x", timeout=20
        ) as answer,
    ):
        assert answer.status == 200
        assert float(answer.headers["x-replay-waited-ms"]) < 5000


def test_a_group_that_scales_by_cpu_is_not_for_processes_whose_cpu_nobody_knows():
    code, said = refusal("plane", "serve", "--command", "true", "--profile", "gce-mig", "--port", "0")

    assert code == 2
    assert said.endswith(
        'needs instances whose CPU is known: modelled ones with sharing = "processor". Add that, or scale by '
        'target = "slots".'
    )


def test_a_recording_answers_and_is_accounted_for_at_the_end():
    command = [*COMMAND[:-1], "--trace", "traces/support-agent.jsonl", "--port", "0", "--speed", "100x"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            url = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", process.stderr.readline())[1]
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"{url}/tools/search?q=refund", timeout=20) as answer:
                assert answer.status == 200
            with pytest.raises(urllib.error.HTTPError, match="404") as refused:
                opener.open(f"{url}/nowhere", timeout=20)
            assert b"nothing in the recording answers this request" in refused.value.read()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0
            assert process.stderr.read() == (
                "2 requests; 1 of 320 recorded steps asked for\n"
                "  1  answered by method, path and body\n"
                "  1  not found, and answered with 404\n"
            )
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (
            ["--trace", "traces/support-agent.jsonl", "--command", "true"],
            "--trace and --command exclude each other",
        ),
        ([], "say what to serve: --modelled, --trace with a recording that answers, or --command"),
        (["--trace", "t.jsonl", "--modelled", "--host", "192.0.2.1"], "is not a loopback address"),
    ],
)
def test_what_cannot_be_served_is_refused(options, why):
    code, said = refusal("plane", "serve", *options)

    assert code == 2
    assert why in said
