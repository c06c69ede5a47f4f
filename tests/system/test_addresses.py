"""With few addresses, what would end the process or hang as it is loaded is not begun to be loaded."""

import subprocess
import sys

import pytest

from replay.system import addresses

resource = pytest.importorskip("resource")

LIMITED = """
import resource, sys
import {first}
from pathlib import Path
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + {room_mb} * 2**20,) * 2)
from replay.system.addresses import hold_to_room
hold_to_room()
try:
    import {then}
except MemoryError as why:
    print("refused:", why)
else:
    print("loaded")
"""


@pytest.fixture
def one_thread(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")


@pytest.mark.skipif(sys.platform != "linux", reason="addresses in use are asked of Linux")
@pytest.mark.parametrize(("first", "then"), [("json", "numpy"), ("numpy", "scipy.special")])
@pytest.mark.parametrize(("room_mb", "said"), [(45, "refused: "), (600, "loaded")])
def test_a_library_is_loaded_where_it_fits_and_else_refused(one_thread, first, then, room_mb, said):
    """At 45 MB scipy's OpenBLAS asks for its buffer for ever, and numpy's ends the process."""
    program = LIMITED.format(first=first, then=then, room_mb=room_mb)

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )

    assert ended.stdout.startswith(said)


def test_without_a_limit_nothing_is_looked_at(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    before = list(sys.meta_path)

    addresses.hold_to_room()

    assert sys.meta_path == before
