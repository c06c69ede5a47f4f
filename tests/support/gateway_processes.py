"""`replay plane serve --command`, as a process of its own, with small_app.py as its instances."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

APP = Path(__file__).parent / "small_app.py"
COMMAND = f"{sys.executable} {APP} $PORT"


class Served:
    """A running gateway: a process of its own."""

    def __init__(self, process):
        self.process = process
        self.control = self.url = None
        while self.url is None:
            line = process.stderr.readline()
            assert line, "the gateway ended"
            if line.startswith("control on "):
                self.control = line.split()[-1]
            elif line.startswith("listening on "):
                self.url = line.split()[-1]

    def get(self, path="/", timeout=20):
        """The status, the headers and the words of the body."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=timeout) as response:
                return response.status, response.headers, response.read().decode().split()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read().decode().split()

    def state(self):
        with urllib.request.urlopen(self.control + "/state", timeout=10) as response:
            return json.load(response)


@contextmanager
def gateway_processes():
    """What starts gateways with real instances, and ends them with the block."""
    running = []

    def start(*arguments, command=COMMAND, **environment):
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "replay",
                "plane",
                "serve",
                "--command",
                command,
                "--port",
                "0",
                "--control-port",
                "0",
                *arguments,
            ],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        running.append(process)
        return Served(process)

    yield start
    for process in running:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        process.stderr.close()
