"""Where the command begins: a machine on which it cannot even be imported is told of in a sentence."""

import os
import subprocess
import sys

import pytest

from replay.cli import entry


def test_what_cannot_be_imported_is_told_and_not_carried_out(monkeypatch, capsys):
    """With too little memory the libraries in C cannot be mapped, which ended in thirty lines of traceback."""
    monkeypatch.setitem(sys.modules, "replay.cli.main", None)

    with pytest.raises(SystemExit) as ended:
        entry.main()

    assert ended.value.code == 4
    said = capsys.readouterr().err
    assert said.startswith("replay: cannot be started on this machine: ")
    assert said.count("\n") == 1


def test_a_developer_gets_the_traceback(monkeypatch):
    monkeypatch.setitem(sys.modules, "replay.cli.main", None)
    monkeypatch.setenv("REPLAY_DEBUG", "1")

    with pytest.raises(ImportError):
        entry.main()


@pytest.mark.parametrize(("given", "then"), [(None, "1"), ("3", "3")])
def test_arrays_are_added_up_by_one_thread_unless_more_are_asked_for(monkeypatch, given, then):
    monkeypatch.setitem(sys.modules, "replay.cli.main", None)
    monkeypatch.setitem(os.environ, "OPENBLAS_NUM_THREADS", given or "")
    if given is None:
        monkeypatch.delenv("OPENBLAS_NUM_THREADS")

    with pytest.raises(SystemExit):
        entry.main()

    assert os.environ["OPENBLAS_NUM_THREADS"] == then


_INTERRUPTED_BY_AN_IMPORT = """
import os, signal, sys
from replay.cli.entry import main

class Forgets:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):  # until the interpreter looks for signals
            pass

class Finder:
    def find_spec(self, name, *_):
        if name == {module!r}:
            Forgets()

sys.meta_path.insert(0, Finder())
sys.argv = ["replay", "trace", "validate", "no-such-trace.jsonl"]
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there, a process cannot send itself Ctrl-C")
@pytest.mark.parametrize("module", ["replay.cli.main", "replay.cli.traces.trace_info"])
def test_ctrl_c_ends_a_command_that_is_being_imported_whatever_python_does_just_then(module):
    """In a destructor or a callback KeyboardInterrupt is printed and forgotten: the command went on and ended with 0."""
    code = _INTERRUPTED_BY_AN_IMPORT.format(module=module)

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert (told.returncode, told.stdout, told.stderr) == (130, "", "")
