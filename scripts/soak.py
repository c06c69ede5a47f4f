"""Let a client, a recorder and a gateway with modelled instances run for a long time, and say whether they grow.

    ./scripts/soak --minutes 20 --rps 20 --out soak
    ./scripts/soak --virtual --hours 24 --sessions-per-minute 60

Every few seconds the resident memory, descriptors and threads of each process are sampled, and the sizes of what they
write. At the end each is flat or growing by the rule of tests/faults/growth.py. The gateway's instances boot, die and
answer with errors on purpose. --virtual replays a day and more in virtual time instead, and samples that one process.
Exit code 1 if anything grows, or a step is lost.
"""

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from replay.report.page.charts import COLOURS, Chart, ChartError, as_svg, spec_of
from tests.faults.growth import growth_of

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# An addition of less than this over the whole time is noise.
_LEAST = {"memory_mb": 3.0, "descriptors": 8.0, "threads": 1.0}
_REPLAY = (sys.executable, "-m", "replay")
_MODEL = """
seed = 1
[boot]
of = "lognormal"
p50_ms = 400
p99_ms = 900
[by_path]
"/*" = { of = "lognormal", p50_ms = 20, p99_ms = 90 }
[faults]
error_ratio = 0.01
"""
_STEPS = 10


def main() -> int:
    asked = _asked()
    with tempfile.TemporaryDirectory(prefix="replay-soak-") as made:
        room = Path(asked.out or made)
        room.mkdir(parents=True, exist_ok=True)
        samples = _virtual(room, asked) if asked.virtual else _live(room, asked)
        _write_samples(room / "samples.csv", samples)
        is_lost = _tell_counts(room / "run")
        is_growing = _tell_growth(samples)
        _draw(room / "memory.svg", samples)
    return 1 if is_growing or is_lost else 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Say whether client, recorder and gateway grow over a long time."
    )
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rps", type=float, default=20.0, help="requests a second (default: %(default)s)")
    parser.add_argument("--virtual", action="store_true", help="a simulated plane in virtual time instead")
    parser.add_argument("--hours", type=float, default=24.0, help="with --virtual: of virtual time")
    parser.add_argument("--sessions-per-minute", type=float, default=60.0, help="with --virtual")
    parser.add_argument(
        "--every", type=float, default=2.0, help="seconds between samples (default: %(default)s)"
    )
    parser.add_argument("--out", help="a folder to keep the run, the samples and the plot in")
    return parser.parse_args()


def _live(room: Path, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Client -> recorder -> gateway, until the time is over."""
    (room / "model.toml").write_text(_MODEL)
    trace = room / "trace.jsonl"
    _write_trace(trace, asked.rps)
    processes: dict[str, subprocess.Popen[str]] = {}
    try:
        model = (
            "--modelled",
            "--model",
            str(room / "model.toml"),
            "--idle-lifetime",
            "20s",
            "--max-instances",
            "6",
        )
        processes["gateway"] = _started(
            room, "gateway", "plane", "serve", *model, "--concurrency", "4", "--port", "0"
        )
        gateway = _address(room / "gateway.log", processes["gateway"])
        record = (
            "--listen",
            "127.0.0.1:0",
            "--upstream",
            gateway,
            "--session-header",
            "x-session",
            "--responses",
            "keep",
        )
        processes["recorder"] = _started(
            room, "recorder", "trace", "record", *record, "-o", str(room / "rec.jsonl")
        )
        recorder = _address(room / "recorder.log", processes["recorder"])
        run = (
            "run",
            str(trace),
            "-t",
            recorder,
            "--repeat",
            "--duration",
            f"{asked.minutes}m",
            "--grace",
            "10s",
        )
        processes["client"] = _started(room, "client", *run, "--out", str(room / "run"))
        return _sampled(processes, "client", asked.every, asked.minutes * 60 + 120)
    finally:
        for name in ("client", "recorder", "gateway"):
            if name in processes:
                _end(processes[name])


def _virtual(room: Path, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """A trace of many hours against a simulated plane, in virtual time."""
    trace, target = room / "trace.jsonl", Path("targets/simulated.toml")
    rate = ("--duration", f"{asked.hours}h", "--rate", str(asked.sessions_per_minute))
    subprocess.run([*_REPLAY, "trace", "synth", "steady", *rate, "-o", str(trace)], check=True)
    client = _started(
        room, "client", "plane", "simulate", str(trace), "-t", str(target), "--out", str(room / "run")
    )
    return _sampled({"client": client}, "client", asked.every, 3600.0)


def _write_trace(path: Path, rps: float) -> None:
    """A minute of sessions that take a value of an answer into the next request; streams are among them."""
    sessions = max(1, round(rps * 60 / _STEPS))
    lines: list[dict[str, Any]] = [
        {"format": "replay-trace", "version": 1, "name": "soak", "resolution_ms": 1.0}
    ]
    for n in range(sessions):
        steps: list[dict[str, Any]] = []
        for i in range(_STEPS):
            request: dict[str, Any] = {
                "method": "POST",
                "path": f"/t/{i}",
                "headers": {"x-session": f"s-{n}"},
                "json": {"n": i},
            }
            if i % 4 == 3:
                body = {"model": "m", "stream": True, "max_tokens": 8, "messages": []}
                request = {**request, "path": "/v1/chat/completions", "json": body}
            after = [{"step": f"a{i - 1}", "delay_ms": 60.0}] if i else []
            steps.append(
                {
                    "id": f"a{i}",
                    "kind": "tool",
                    "name": f"t{i}",
                    "at_ms": 90.0 * i,
                    "took_ms": 30.0,
                    "after": after,
                    "request": request,
                }
            )
        lines.append({"id": f"s-{n}", "start_ms": 60_000.0 * n / sessions, "steps": steps})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _started(room: Path, name: str, *words: str) -> "subprocess.Popen[str]":
    with (room / f"{name}.log").open("w") as log:
        return subprocess.Popen([*_REPLAY, *words], stdout=log, stderr=log, text=True)


def _address(log: Path, process: "subprocess.Popen[str]") -> str:
    """The address that a server says it listens on."""
    for _ in range(600):
        text = log.read_text()
        if "http://127.0.0.1:" in text.partition("\n")[0]:
            return "http://127.0.0.1:" + text.partition("http://127.0.0.1:")[2].split()[0].rstrip(".,;/")
        if process.poll() is not None:
            break
        time.sleep(0.1)
    sys.exit(f"{log}: no server came up: {log.read_text()[-500:]}")


def _sampled(
    processes: dict[str, "subprocess.Popen[str]"], until: str, every_s: float, most_s: float
) -> list[dict[str, Any]]:
    begin_s, samples = time.monotonic(), []
    while processes[until].poll() is None and time.monotonic() - begin_s < most_s:
        at_s = round(time.monotonic() - begin_s, 2)
        samples += [
            {"at_s": at_s, "process": name, **found}
            for name, process in processes.items()
            if (found := _sample(process.pid))
        ]
        time.sleep(every_s)
    return samples


def _sample(pid: int) -> dict[str, float]:
    """What a process holds now; nothing of one that has ended."""
    process = Path(f"/proc/{pid}")
    try:
        memory_mb = int((process / "statm").read_text().split()[1]) * _PAGE_BYTES / 1e6
        return {
            "memory_mb": round(memory_mb, 2),
            "descriptors": len(os.listdir(process / "fd")),
            "threads": len(os.listdir(process / "task")),
        }
    except (OSError, IndexError):
        return {}


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _write_samples(path: Path, samples: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["at_s", "process", *_LEAST])
        writer.writeheader()
        writer.writerows(samples)


def _tell_counts(run: Path) -> bool:
    """What became of the steps; whether any is lost, which none may be whatever fails."""
    summary = json.loads((run / "summary.json").read_text())
    counts, lag = summary["counts"], summary.get("dispatch_lag_us", {})
    told = counts["ok"] + counts["failed"] + counts["unsent"]
    print(
        f"{counts['steps']:,} steps: {counts['ok']:,} ok, {counts['failed']:,} failed, {counts['unsent']:,} unsent"
    )
    print(
        f"dispatch lag p50 {lag.get('p50')} µs, p99 {lag.get('p99')} µs; generator {summary['generator']['verdict']}"
    )
    sizes = {path.name: path.stat().st_size for path in run.iterdir() if path.is_file()}
    print("files: " + ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sorted(sizes.items())))
    return bool(told != counts["steps"])


def _tell_growth(samples: list[dict[str, Any]]) -> bool:
    is_growing = False
    print("| process | figure | median | per hour | added | |\n|---|---|---|---|---|---|")
    for name in dict.fromkeys(sample["process"] for sample in samples):
        own = [sample for sample in samples if sample["process"] == name]
        for figure, least in _LEAST.items():
            found = growth_of([s["at_s"] for s in own], [s[figure] for s in own], least)
            is_growing = is_growing or found.is_growing
            said = "growing" if found.is_growing else "flat"
            print(
                f"| {name} | {figure} | {found.median:.1f} | {found.per_hour:+.2f} | {found.added:+.2f} | {said} |"
            )
    return is_growing


def _draw(path: Path, samples: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(sample["process"] for sample in samples))
    spec = spec_of(
        [{"at": s["at_s"] / 60, "what": s["process"], "value": s["memory_mb"]} for s in samples],
        mark={"type": "line"},
        encoding={
            "x": {"field": "at", "type": "quantitative", "title": "time, min"},
            "y": {"field": "value", "type": "quantitative", "title": "resident memory, MB"},
            "color": {
                "field": "what",
                "type": "nominal",
                "title": None,
                "scale": {"domain": names, "range": list(COLOURS[: len(names)])},
            },
        },
    )
    try:
        path.write_text(as_svg(Chart("Memory over time", "resident memory of each process", spec, (), ())))
    except ChartError as error:
        print(error, file=sys.stderr)
        return
    print(f"plot: {path}")


if __name__ == "__main__":
    sys.exit(main())
