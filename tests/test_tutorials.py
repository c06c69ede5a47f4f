"""The README and the tutorials can be followed from a fresh clone: commands in their order, at a higher speed."""

import re
import shlex
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from replay.cli.main import cli
from tests.support.waiting import until

ROOT = Path(__file__).parent.parent
PAGES = [page for page in sorted((ROOT / "docs" / "tutorials").glob("*.md")) if page.stem != "index"] + [
    ROOT / "README.md"
]
BIN = Path(sys.executable).parent
FASTER = 10
# Figures, what is left out, reasons of verdicts; and why it is not known what a cold start adds, since steps that queue on
# a busy machine are other steps.
MAY_DIFFER = r"\.\.\.|\d|^   |^what a cold start adds is not known|^included$"
# A command that worked: done or passed, failed, inconclusive.
WORKED = (0, 1, 3)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def commands(block):
    """The commands of a block, a line each, but for what is written into a file by a here-document."""
    lines, whole, end = block.splitlines(), [], None
    for line in lines:
        if end is None:
            whole.append(line)
            begins = re.search(r"<<'(\w+)'", line)
            end = begins[1] if begins else None
        else:
            whole[-1] += "\n" + line
            end = None if line == end else end
    return whole


def faster(words):
    """A command with its --speed raised."""
    before = ["", *words]
    return [
        str(float(word) * FASTER) if last == "--speed" else word
        for last, word in zip(before, words, strict=False)
    ]


class Shell:
    """Does what a page says: replay in this process, what goes to the background and all else as processes."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = {"8080": free_port(), "8081": free_port()}
        self.jobs = []
        self.code = 0
        for name in ("targets", "traces", "examples"):
            shutil.copytree(ROOT / name, folder / name)
        for target in (folder / "targets").glob("*.toml"):
            target.write_text(self.here(target.read_text()))

    def here(self, text):
        """With ports that are free here."""
        for port, free in self.ports.items():
            text = re.sub(rf"(?<!\d){port}(?!\d)", str(free), text)
        return text

    def do(self, line):
        """What the command prints on stdout."""
        words = shlex.split(self.here(line), comments=True) if "\n" not in line else []
        if words[-1:] == ["&"]:
            self.jobs.append(self._begin(words[:-1]))
        elif words[:1] == ["kill"]:
            for word in words[1:]:
                self._end(self.jobs[-1 if word == "$!" else int(word.removeprefix("%")) - 1])
        elif words[:1] == ["replay"]:
            return self._replay(words[1:])
        elif words[:1] == ["echo"]:
            return words[1].replace("$?", str(self.code)) + "\n"
        else:
            return subprocess.run(
                ["bash", "-ec", self.here(line)], cwd=self.folder, check=True, capture_output=True, text=True
            ).stdout
        return ""

    def _replay(self, words):
        ran = CliRunner().invoke(cli, faster(words))
        assert ran.exit_code in WORKED, f"{words}: {ran.output}"
        self.code = ran.exit_code
        return ran.stdout

    def _begin(self, words):
        if "--modelled" in words and "--boot" not in words:
            words = faster(words if "--speed" in words else [*words, "--speed", "1"])
        listens = [port for port in self.ports.values() if str(port) in words] or [self.ports["8080"]]
        job = subprocess.Popen(
            [BIN / "replay" if words[0] == "replay" else sys.executable, *words[1:]],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: accepts(listens[0]))
        return job

    def _end(self, job):
        job.terminate()
        job.wait(timeout=60)

    @contextmanager
    def open(self):
        try:
            yield self
        finally:
            for job in self.jobs:
                if job.poll() is None:
                    job.kill()
                    job.wait()


def accepts(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def words_of(text):
    return " ".join(text.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_can_be_followed(page, tmp_path, monkeypatch):
    """Of what is shown, each line without a figure comes again, but for reasons of verdicts, which a busy machine changes."""
    monkeypatch.chdir(tmp_path)
    came = ""
    with Shell(tmp_path).open() as shell:
        for kind, block in re.findall(r"^```(sh|text)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            if kind == "sh":
                came = "".join(shell.do(line) for line in commands(block))
            else:
                shown = [line for line in block.splitlines() if not re.search(MAY_DIFFER, line)]
                assert [line for line in shown if words_of(line) not in words_of(came)] == [], came
        assert all(job.poll() is not None for job in shell.jobs), "the page ends what it began"
