"""Feed every parser with inputs that nobody vouches for, and print a table of what came of them.

    ./scripts/fuzz --inputs 1000000 --seed 7 trace slo import:har

Each parser has a process of its own, so that its memory is its own and one that dies takes no other along. Inputs are
led by coverage where atheris is installed (pip install atheris), else made by mutation alone; the table says which.
What breaks the contract (tests/fuzz/contract.py) is made short, and kept under tests/fuzz/crashes with --keep, where
the tests try it for ever after. Exit code 1 if anything was found.
"""

import argparse
import hashlib
import mmap
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.fuzz.contract import tried
from tests.fuzz.fuzzing import Finding, Tally, by_coverage, by_mutation, shortened

ROOT = Path(__file__).parent.parent
CRASHES = ROOT / "tests" / "fuzz" / "crashes"
MOST_DATA_BYTES = 8 << 30
# Code that no signal interrupts, as in a library in C; also longer than it takes to import and instrument replay.
SILENT_CPU_S = 60.0
_LOOK_S = 0.2
_MOST_DEATHS = 20
_TOLD_BYTES = 1 << 20
_MEMORY = "/dev/shm"  # files of inputs never touch the disk where there is another place


def main() -> int:
    asked = _asked()
    if asked.retry:
        return _retried(asked)
    if asked.child:
        _child(asked)
        return 0
    print(
        "| parser | engine | inputs | accepted | findings | worst ms | memory MB |\n|---|---|---|---|---|---|---|"
    )
    has_found = False
    for name in _names(asked.names):
        tally = _supervised(name, asked)
        if asked.engine == "atheris":
            _drop_slowed(tally)
        print(
            f"| {name} | {tally.engine} | {tally.inputs:,} | {tally.accepted:,} | {len(tally.findings)} "
            f"| {tally.worst_ms:.0f} | {tally.peak_mb:.0f} |",
            flush=True,
        )
        for finding in tally.findings.values():
            has_found = True
            _tell(name, finding, keep=asked.keep)
    return 1 if has_found else 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Feed every parser with inputs that nobody vouches for.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="parsers; all of them if none is named")
    parser.add_argument("--inputs", type=int, default=10_000, help="for each parser (default: %(default)s)")
    parser.add_argument("--seconds", type=float, help="go on to the next parser after this long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=("atheris", "mutation"), default=_best_engine())
    parser.add_argument("--keep", action="store_true", help="keep what was found under tests/fuzz/crashes")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--retry", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _best_engine() -> str:
    return "atheris" if find_spec("atheris") else "mutation"


def _names(wanted: list[str]) -> list[str]:
    from tests.fuzz.harnesses import HARNESSES

    unknown = [name for name in wanted if name not in HARNESSES]
    if unknown:
        sys.exit(f"{unknown[0]}: no such parser. Known are: {', '.join(HARNESSES)}.")
    return wanted or list(HARNESSES)


def _supervised(name: str, asked: argparse.Namespace) -> Tally:
    """One parser in its own process, begun again behind an input that ended it, until all inputs were tried."""
    total = Tally(name, asked.engine)
    ends_at = None if asked.seconds is None else time.monotonic() + asked.seconds
    memory = _MEMORY if Path(_MEMORY).is_dir() else None
    for round_ in range(_MOST_DEATHS):
        left = asked.inputs - total.inputs
        if left <= 0 or (ends_at is not None and time.monotonic() > ends_at):
            break
        with tempfile.TemporaryDirectory(prefix="replay-fuzz-", dir=memory) as folder:
            total.join(_one_process(name, asked, left, asked.seed + round_, Path(folder), ends_at))
    return total


def _one_process(
    name: str, asked: argparse.Namespace, inputs: int, seed: int, folder: Path, ends_at: float | None
) -> Tally:
    out, under_way = folder / "tally.json", folder / "under-way"
    under_way.write_bytes(bytes(_TOLD_BYTES))
    command = [sys.executable, __file__, "--child", name, "--inputs", str(inputs), "--seed", str(seed)]
    command += ["--engine", asked.engine, str(folder)]
    if ends_at is not None:
        command += ["--seconds", str(max(1.0, ends_at - time.monotonic()))]
    said = folder / "said"
    with said.open("wb") as stderr:
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=stderr)
    seen, since_s = -1, 0.0
    while child.poll() is None:
        time.sleep(_LOOK_S)
        n, data = _under_way(under_way)
        if n != seen:
            seen, since_s = n, _cpu_s(child.pid)
        elif _cpu_s(child.pid) - since_s > SILENT_CPU_S:
            child.kill()
            child.wait()
            return _died(name, asked.engine, n, data, f"computed {SILENT_CPU_S:g} s without an end")
    if out.exists():
        return msgspec.json.decode(out.read_bytes(), type=Tally)
    n, data = _under_way(under_way)
    last_words = said.read_bytes().decode("utf-8", "replace").strip()[-300:]
    return _died(name, asked.engine, n, data, f"ended with {child.returncode}: {last_words}")


def _drop_slowed(tally: Tally) -> None:
    """Take out what was slow for being watched line by line alone: a plain process takes these inputs in time."""
    for place, finding in list(tally.findings.items()):
        if not place.startswith("slow"):
            continue
        with tempfile.TemporaryDirectory(prefix="replay-fuzz-") as folder:
            data = Path(folder) / "data"
            data.write_bytes(finding.shortest)
            command = [sys.executable, __file__, "--child", tally.name, "--retry", str(data), folder]
            if subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode == 0:
                del tally.findings[place]


def _retried(asked: argparse.Namespace) -> int:
    """0 if one input keeps the contract."""
    from tests.fuzz.harnesses import HARNESSES

    inside = Path(asked.names[0]) / "files"
    inside.mkdir()
    return int(tried(HARNESSES[asked.child], asked.retry.read_bytes(), inside).finding is not None)


def _cpu_s(pid: int) -> float:
    """What a process has computed; 0 once it is gone."""
    try:
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except (OSError, IndexError):
        return 0.0
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def _under_way(path: Path) -> tuple[int, bytes]:
    data = path.read_bytes()
    size = int.from_bytes(data[8:16], "big")
    return int.from_bytes(data[:8], "big"), data[16 : 16 + size]


def _died(name: str, engine: str, n: int, data: bytes, why: str) -> Tally:
    return Tally(name, engine, n + 1, findings={"the process": Finding("the process", why, data)})


def _child(asked: argparse.Namespace) -> None:
    """Try the inputs of one parser, tell the last one through a file, and the tally at the end."""
    # Not of addresses, of which the library for charts reserves more than any machine has memory.
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_DATA_BYTES, MOST_DATA_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    folder = Path(asked.names[0])
    if asked.engine == "atheris":
        import atheris

        with atheris.instrument_imports(include=["replay"], enable_loader_override=False):
            from tests.fuzz.harnesses import HARNESSES
    else:
        from tests.fuzz.harnesses import HARNESSES

    harness = HARNESSES[asked.child]
    ends_at = None if asked.seconds is None else time.monotonic() + asked.seconds
    inside = folder / "files"
    inside.mkdir(exist_ok=True)

    def done(tally: Tally) -> None:
        for finding in tally.findings.values():
            if not finding.place.startswith(("slow", "memory")):
                finding.shortest = shortened(harness, finding, inside)
        (folder / "tally.json").write_bytes(msgspec.json.encode(tally))

    with (folder / "under-way").open("r+b") as file, mmap.mmap(file.fileno(), _TOLD_BYTES) as told:

        def watch(n: int, data: bytes) -> None:
            told[:16] = n.to_bytes(8, "big") + min(len(data), _TOLD_BYTES - 16).to_bytes(8, "big")
            told[16 : 16 + len(data)] = data[: _TOLD_BYTES - 16]

        if asked.engine == "atheris":
            by_coverage(harness, asked.inputs, asked.seed, inside, watch, done, ends_at)
        done(by_mutation(harness, asked.inputs, asked.seed, inside, watch, ends_at))


def _tell(name: str, finding: Finding, *, keep: bool) -> None:
    data = finding.shortest
    print(f"  {finding.place} ({finding.inputs:,} inputs): {finding.why}: {data[:200]!r}", flush=True)
    if keep:
        folder = CRASHES / name.replace(":", "-")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)


if __name__ == "__main__":
    sys.exit(main())
