"""One trial: a command, a fault at a random instant, and what must hold afterwards. The same for the same seed, as far as
the machine's own timing allows."""

import http.client
import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.checks import gate_problems, problems_of
from tests.faults.commands import Command, prepare
from tests.faults.disk import changes_in
from tests.faults.powercut import state_after, whole_state, write_out

CHILD = Path(__file__).parent / "child.py"
# A command that goes on for longer after its fault does not end.
MOST_S = 120.0
# On a busy machine one that had just been started hears of its end late.
_GONE_WITHIN_S = 20.0
_DOCUMENTED = (0, 1, 2, 3, 4, 130)
_OF_BEFORE = ("junit.xml",)
_MARK = "REPLAY_FAULTS_TRIAL"


class Target:
    """Answers every request after some milliseconds; can be taken away and given back at the same port."""

    def __init__(self) -> None:
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.begin()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def begin(self) -> None:
        """Listen, at the same port as before; done again while somebody's connection still has it."""
        for tries_left in range(100, -1, -1):
            if self._server is not None:
                return
            try:
                self._server = _Server(("127.0.0.1", self.port), _Answers)
            except OSError:
                if not tries_left:
                    raise
                time.sleep(0.05)
                continue
            self.port = self._server.server_address[1]
            threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def end(self) -> None:
        """Close the port and every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, *arguments: Any) -> None:
        self._open: set[Any] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def server_close(self) -> None:
        super().server_close()
        for connection in self._open:
            try:
                connection.shutdown(2)
            except OSError:
                pass

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed reset their connections."""


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        time.sleep(0.015)
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_GET  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_: Any) -> None: ...


class Plan(NamedTuple):
    """A fault, drawn. told: to the child. acts: what is done to it, and when, in seconds from its start. ends_by: signals
    that may end it, besides its documented exit codes.
    """

    told: dict[str, Any] | None = None
    acts: tuple[tuple[float, Callable[["subprocess.Popen[str]", Target], None]], ...] = ()
    ends_by: tuple[int, ...] = ()
    words: str = ""


Fault = Callable[[Command, random.Random, float], Plan]


def _signalled(number: signal.Signals) -> Fault:
    def drawn(command: Command, chance: random.Random, usual_s: float) -> Plan:
        at_s = chance.uniform(0.0, usual_s)
        return Plan(
            acts=((at_s, lambda child, _: _send(child, number)),),
            ends_by=(-number,),
            words=f"{number.name} after {at_s:.2f} s",
        )

    return drawn


def _stopped(command: Command, chance: random.Random, usual_s: float) -> Plan:
    at_s, for_s = chance.uniform(0.0, usual_s), chance.uniform(0.2, 1.5)
    return Plan(
        acts=(
            (at_s, lambda child, _: _send(child, signal.SIGSTOP)),
            (at_s + for_s, lambda child, _: _send(child, signal.SIGCONT)),
        ),
        words=f"stopped after {at_s:.2f} s for {for_s:.2f} s",
    )


def _full(command: Command, chance: random.Random, usual_s: float) -> Plan:
    name, nth = chance.choice(command.files), chance.choice((1, 1, 2, 3, 5, 10))
    return Plan(told={"folder": "out", "full": (name, nth)}, words=f"no space from write {nth} to {name} on")


def _size(command: Command, chance: random.Random, usual_s: float) -> Plan:
    most = int(2 ** chance.uniform(0, 22))
    return Plan(told={"limits": {"FSIZE": most}}, words=f"files of {most} bytes at most")


def _descriptors(command: Command, chance: random.Random, usual_s: float) -> Plan:
    most = chance.choice((8, 12, 16, 20, 24, 32, 48))
    return Plan(told={"limits": {"NOFILE": most}}, words=f"{most} descriptors")


def _memory(command: Command, chance: random.Random, usual_s: float) -> Plan:
    # With less the libraries in C end the process themselves, or wait for ever, before a line of ours has run.
    most_mb = chance.randint(360, 1200)
    return Plan(
        told={"limits": {"AS": most_mb << 20}},
        ends_by=(-5, -6, -11, -9, 127),
        words=f"{most_mb} MB of addresses",
    )


def _target_gone(command: Command, chance: random.Random, usual_s: float) -> Plan:
    at_s, for_s = chance.uniform(0.0, usual_s), chance.uniform(0.0, 1.5)
    return Plan(
        acts=((at_s, lambda _, target: target.end()), (at_s + for_s, lambda _, target: target.begin())),
        words=f"the target goes after {at_s:.2f} s for {for_s:.2f} s",
    )


def _helper_killed(command: Command, chance: random.Random, usual_s: float) -> Plan:
    at_s = chance.uniform(0.0, usual_s)
    return Plan(acts=((at_s, _kill_helpers),), words=f"its own processes are killed after {at_s:.2f} s")


def _kill_helpers(child: "subprocess.Popen[str]", _: Target) -> None:
    """Kill what the command has started by now."""
    try:
        started = [path.read_text() for path in Path(f"/proc/{child.pid}/task").glob("*/children")]
    except OSError:
        return
    for pid in " ".join(started).split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass


def _send(child: "subprocess.Popen[str]", number: int) -> None:
    if child.poll() is None:
        child.send_signal(number)


FAULTS: dict[str, Fault] = {
    "none": lambda command, chance, usual_s: Plan(),
    "kill": _signalled(signal.SIGKILL),
    "term": _signalled(signal.SIGTERM),
    "int": _signalled(signal.SIGINT),
    "hup": _signalled(signal.SIGHUP),
    "stop": _stopped,
    "full-disk": _full,
    "file-size": _size,
    "descriptors": _descriptors,
    "memory": _memory,
    "target": _target_gone,
    "helper": _helper_killed,
}
POWER = "power"


class Outcome(NamedTuple):
    """What one trial came to. took_s: by the wall. code: None where it had to be ended."""

    problems: list[str]
    took_s: float
    code: int | None
    words: str = ""


def trial(command: Command, fault: str, seed: int, folder: Path, target: Target, usual_s: float) -> Outcome:
    """Run the command under this fault, in a folder of its own that is gone afterwards unless something is wrong."""
    chance = random.Random(f"{command.name} {fault} {seed}")
    plan = FAULTS[fault](command, chance, usual_s)
    prepare(folder)
    target.begin()
    ended = _ended(command, plan, folder, target)
    problems = [*_ending_problems(command, plan, ended), *problems_of(folder)]
    if command.name == "gate" and ended.code is not None:
        problems += gate_problems(folder, ended.code)
    if not problems:
        shutil.rmtree(folder)
    return Outcome(problems, ended.took_s, ended.code, plan.words)


def power_cuts(command: Command, cuts: int, seed: int, folder: Path, target: Target) -> Iterator[Outcome]:
    """Run the command once, noting what it does to the disk; then look at states that a power cut may have left."""
    prepare(folder)
    log = folder / "disk.log"
    target.begin()
    ended = _ended(command, Plan({"folder": "out", "log": str(log)}), folder, target)
    if ended.code not in _DOCUMENTED:
        yield Outcome([f"ends with {ended.code}: {ended.said}"], ended.took_s, ended.code)
        return
    changes = changes_in(log)
    noted = {path: content for path, content in whole_state(changes).items() if content is not None}
    if noted != _contents(folder / "out", noted):
        yield Outcome(["what was noted is not what was done"], ended.took_s, ended.code, str(folder))
        return
    chance = random.Random(f"{command.name} power {seed}")
    for n in range(cuts):
        at = chance.randint(0, len(changes))
        after = folder / f"cut-{n}"
        (after / "out").mkdir(parents=True)
        write_out(state_after(changes, at, chance), after / "out")
        problems = list(problems_of(after, may_be_torn=True))
        if not problems:
            shutil.rmtree(after)
        yield Outcome(
            problems, 0.0, ended.code, f"the power goes before change {at} of {len(changes)}: {after}"
        )


def _contents(folder: Path, noted: dict[str, bytes]) -> dict[str, bytes]:
    """What the files there hold, but for those of before the command that it left alone."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    found = {str(path.relative_to(folder)): path.read_bytes() for path in paths}
    return {path: content for path, content in found.items() if path in noted or path not in _OF_BEFORE}


class _Ended(NamedTuple):
    code: int | None
    said: str
    took_s: float
    left: list[int]


def _ended(command: Command, plan: Plan, folder: Path, target: Target) -> _Ended:
    """Start the command, do to it what was planned, and wait for its end and that of all its processes."""
    mark = secrets.token_hex(8)
    told = dict(plan.told or {})
    if "folder" in told:
        told["folder"] = str(folder / told["folder"])
    # Python keeps what it compiles, and takes half a file for a whole one where no more could be written.
    unkept = {"PYTHONDONTWRITEBYTECODE": "1"}
    begin_s = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, str(CHILD), *command.arguments(target.url)],
        cwd=folder,
        env={**os.environ, **unkept, "REPLAY_FAULTS": json.dumps(told), _MARK: mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    said: list[str] = []
    readers = [
        threading.Thread(target=_read, args=(pipe, said, command.traffic), daemon=True)
        for pipe in (child.stderr, child.stdout)
    ]
    for reader in readers:
        reader.start()
    try:
        for at_s, act in plan.acts:
            time.sleep(max(0.0, begin_s + at_s - time.monotonic()))
            act(child, target)
        child.wait(MOST_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return _Ended(None, "".join(said), MOST_S, _left(mark))
    took_s = time.monotonic() - begin_s
    left = _left(mark)
    for reader in readers:
        reader.join(1.0)
    return _Ended(child.returncode, "".join(said), took_s, left)


def _read(pipe: Any, said: list[str], has_traffic: bool) -> None:
    with pipe:
        for line in pipe:
            said.append(line)
            if has_traffic and "http://127.0.0.1:" in line:
                has_traffic = False
                url = "http://127.0.0.1:" + line.partition("http://127.0.0.1:")[2].split()[0].rstrip(".,/")
                threading.Thread(target=_ask, args=(url,), daemon=True).start()


def _ask(url: str) -> None:
    """Requests of two sessions, until nobody answers any more."""
    for n in range(400):
        request = urllib.request.Request(f"{url}/a/{n}", headers={"x-session": f"s-{n % 2}"})
        try:
            with urllib.request.urlopen(request, timeout=2) as answer:
                answer.read()
        except urllib.error.HTTPError:
            pass
        except (OSError, http.client.HTTPException):
            return
        time.sleep(0.005)


def _left(mark: str) -> list[int]:
    """The processes of this trial that are there after a while; they are ended then."""
    ends_at = time.monotonic() + _GONE_WITHIN_S
    while (left := _of_mark(mark)) and time.monotonic() < ends_at:
        time.sleep(0.05)
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return left


def _of_mark(mark: str) -> list[int]:
    wanted = f"{_MARK}={mark}".encode()
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if wanted in (process / "environ").read_bytes():
                    found.append(int(process.name))
            except OSError:
                continue
    return found


def _ending_problems(command: Command, plan: Plan, ended: _Ended) -> Iterator[str]:
    last = ended.said.strip()[-400:]
    if ended.code is None:
        yield f"does not end within {MOST_S:g} s: {last}"
    elif ended.code not in _DOCUMENTED and ended.code not in plan.ends_by:
        yield f"ends with {ended.code}: {last}"
    # A signal may come before Python has read a line of ours.
    if "Traceback" in ended.said and "Fatal Python error: init" not in ended.said:
        yield f"a traceback: {last}"
    if "fault of the program" in ended.said:
        yield f"calls itself at fault: {last}"
    if ended.code in (2, 4) and not ended.said.strip():
        yield "ends without a word"
    if ended.left:
        yield f"{len(ended.left)} processes are left running"
