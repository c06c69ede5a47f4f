"""What numpy computes never reaches a file or `--json`: verdicts of real runs, walked to the last number."""

import json
import shlex

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from replay.cli.main import cli

TARGET = """
url = "http://127.0.0.1:1"
plane = "serverless"
[simulate.plane]
concurrency = 1
max_instances = 40
[simulate.instances]
seed = 1
[simulate.instances.boot]
of = "lognormal"
p50_ms = 400
p99_ms = 900
[simulate.instances.by_path]
"*" = { of = "lognormal", p50_ms = 60, p99_ms = 200 }
[cost]
price = "cloud-run-us-central1"
vcpu = 1
memory_gib = 1
"""
COMMANDS = [
    "gate --run RUN --slo 'p99 < 1s' --slo 'cold < 90%' --slo 'p99 < baseline * 1.2' --baseline OTHER",
    "compare --run RUN --run OTHER",
    "compare --recorded --run RUN",
    "coldstart --run RUN",
    "explain RUN",
    "cost RUN --price cloud-run-us-central1 --vcpu 1 --memory 1",
    "cost RUN --price cloud-run-us-central1 --vcpu 1 --memory 1 --machine gce-e2-us-central1:e2-standard-2 --machine-slots 8",
    "report RUN",
    "run TRACE -t TARGET --dry-run",
    "trace info TRACE",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("numbers")
    random = np.random.default_rng(1)
    lines = [{"format": "replay-trace", "version": 1, "name": "t", "resolution_ms": 1.0}]
    start_ms = 0.0
    for n in range(300):
        start_ms += float(random.exponential(150.0))
        steps = [
            {"id": id_, "kind": kind, "name": kind, "after": after, "at_ms": at_ms, "took_ms": 60.0,
             "recorded": {"status": 200}, "request": {"method": "GET", "path": f"/{id_}?n={n}"}}
            for id_, kind, after, at_ms in [("a", "llm", [], 0.0), ("b", "tool", [{"step": "a", "delay_ms": 5.0}], 65.0)]
        ]  # fmt: skip
        lines.append({"id": f"s-{n}", "start_ms": start_ms, "steps": steps})
    (folder / "TRACE").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "TARGET").write_text(TARGET)
    for seed, run in enumerate(("RUN", "OTHER")):
        simulated = invoke(f"plane simulate TRACE -t TARGET --seed {seed} --out {run}", folder)
        assert simulated.exception is None
    return folder


def invoke(command, folder):
    words = [str(folder / word) if word.isupper() else word for word in shlex.split(command)]
    return CliRunner().invoke(cli, [*words, "--json"], standalone_mode=False)


def of_numpy(value, place="$"):
    """Where a document holds what only numpy knows."""
    if isinstance(value, np.generic | np.ndarray):
        return [f"{place}: {type(value).__name__}"]
    if isinstance(value, msgspec.Struct):
        value = {name: getattr(value, name) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return [
            found
            for key, one in value.items()
            for found in of_numpy(key, f"{place} key") + of_numpy(one, f"{place}.{key}")
        ]
    if isinstance(value, list | tuple | set):
        return [found for n, one in enumerate(value) for found in of_numpy(one, f"{place}[{n}]")]
    return []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_document_holds_numbers_of_python(command, folder, monkeypatch):
    encode, seen = msgspec.json.encode, []

    def encoded(document, **options):
        seen.append(document)
        return encode(document, **options)

    monkeypatch.setattr(msgspec.json, "encode", encoded)

    done = invoke(command, folder)

    assert done.exception is None, done.exception
    assert done.return_value in (None, 0, 1, 3), done.output
    assert msgspec.json.decode(done.stdout)
    assert [found for document in seen for found in of_numpy(document)] == []
