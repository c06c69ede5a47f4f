"""`replay plane serve`: what it says, and how it ends."""

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.refusals import refusal

COMMAND = [sys.executable, "-m", "replay", "plane", "serve", "--modelled"]


@contextmanager
def served(*options: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """A server in a process of its own, and the first line that it said."""
    with subprocess.Popen([*COMMAND, *options], stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, process.stderr.readline()
        finally:
            process.kill()


@pytest.mark.parametrize(("signal_number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_listens_on_a_free_port_until_a_signal_ends_it(signal_number, code):
    with served("--port", "0", "--speed", "100x") as (process, said):
        url = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", said)[1]
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/tools/x") as answer:
            assert answer.status == 200
        process.send_signal(signal_number)

        assert process.wait(timeout=10) == code
        assert process.stderr.read() == ""


def test_a_port_in_use_is_said_plainly():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with served("--port", str(port)) as (process, said):
            assert process.wait(timeout=10) == 4
            assert re.fullmatch(
                rf"replay: cannot listen on 127\.0\.0\.1 port {port}: .*in use.* Try another --port, or port 0\.\n",
                said,
            )


def test_the_port_that_is_taken_is_the_one_that_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with served("--port", "0", "--plane", "serverless", "--control-port", str(port)) as (process, said):
            assert process.wait(timeout=10) == 4
            assert said == (
                f"replay: cannot listen on 127.0.0.1 port {port}: address already in use. Try another --control-port, or "
                "port 0.\n"
            )


@pytest.mark.parametrize("given", [["--control-port", "0"], ["--series", "x.jsonl"], ["--max-instances", "3"]])
def test_what_is_of_instances_is_refused_where_there_are_none(given):
    code, said = refusal("plane", "serve", "--modelled", *given)

    assert code == 2
    assert said.startswith(f"{given[0]} is for planes with instances: add --command, or --plane")


def test_it_listens_on_loopback_only():
    code, said = refusal("plane", "serve", "--modelled", "--host", "0.0.0.0")

    assert code == 2
    assert said == (
        "--host 0.0.0.0 is not a loopback address; a plane is for this machine only. Use 127.0.0.1."
    )


def test_it_wants_to_be_told_what_to_serve():
    code, said = refusal("plane", "serve")

    assert code == 2
    assert said == (
        "say what to serve: --modelled, --trace with a recording that answers, or --command with how an instance is started."
    )


@pytest.mark.parametrize("wrong", [["--speed", "0"], ["--error-rate", "1.5"], ["--port", "70000"]])
def test_a_value_out_of_range_is_bad_usage(wrong):
    assert refusal("plane", "serve", "--modelled", *wrong)[0] == 2
