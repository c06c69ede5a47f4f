"""A run that is added up while it goes on: the same as reading its files again."""

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.dialects.types import BodyFacts, Usage
from replay.engine.records.recorder import Recorder
from replay.engine.records.summing import Summing
from replay.engine.records.writer import FileWriter
from replay.engine.types import Knobs
from replay.engine.walker import Pace, Walk
from replay.results.manifest_types import Generator, Manifest, TraceFacts
from replay.results.summary import rebuild
from replay.trace.types import LlmCall, Recorded, Request, Session, Step
from tests.support.attempts import attempt

MS = 1_000_000
ORIGIN_NS = 7_000_000_000
HAPPENINGS = 80

MANIFEST = Manifest(
    schema="replay.run/1",
    status="finished",
    version="0",
    started_at="",
    trace=TraceFacts(name="t", sha256="0", sessions=9, steps=99, resolution_ms=1.0),
    target={},
    options={"warmup_s": 0.02},
    seed=1,
    host={},
    clock={},
    generator=Generator(verdict="ok", reasons=[]),
)

UNUSUAL = (
    {"is_new_connection": True, "connect_ns": 3 * MS},
    {"is_stream": True, "first_token_ns": ORIGIN_NS + 10**9, "itl_ns": [1000, 2000], "token_count": 3},
    {"facts": BodyFacts(usage=Usage(3, 4))},
    {"number": 2},
    {"stale_retries": 1, "stale_sent_ns": ORIGIN_NS + 100 * MS, "stale_end_ns": ORIGIN_NS + 101 * MS},
    {"instance": "i-1", "cold": True},
    {"error": "status_5xx", "status": 500},
    {"error": "timeout", "censored": True, "phase": "body"},
    {"error": "timeout", "censored": True, "phase": "connect", "sent_ns": 0, "first_byte_ns": 0, "status": 0},
    {"error": "connect", "phase": "connect", "sent_ns": 0, "first_byte_ns": 0, "status": 0, "request_bytes": 0},
    {"error": "interrupted", "first_byte_ns": 0},
)


def a_step(random):
    """Of a trace that tells little of it, or much."""
    step = Step(id=random.choice("abc"), kind=random.choice(["tool", "llm"]), name=random.choice("uvwxyz"))
    step.took_ms = random.choice([None, 12.5, random.uniform(0, 1e4)])
    if random.random() < 0.3:
        step.request = Request("GET", "/", body_bytes=random.choice([None, 9]))
    if random.random() < 0.3:
        step.recorded = Recorded(
            status=random.choice([None, 200, 404, 429]), ttft_ms=random.choice([None, 1.5])
        )
    if random.random() < 0.3:
        tokens = random.choice([0, 5])
        step.llm = LlmCall(input_tokens=tokens, output_tokens=7, stream=random.random() < 0.5)
    return step


def an_attempt(random, walk):
    """As a wire leaves one: answered as usual, mostly."""
    intended_ns = ORIGIN_NS + random.randrange(100 * MS)
    sent_ns = intended_ns + random.choice([900, 2 * MS, 60 * MS])
    first_byte_ns = sent_ns + random.randrange(1, 5 * MS)
    usual = {
        "intended_ns": intended_ns,
        "started_ns": sent_ns - 500,
        "sent_ns": sent_ns,
        "first_byte_ns": first_byte_ns,
        "end_ns": first_byte_ns + random.choice([0, 1, 5 * MS, 10**12]),
        "status": random.choice([200, 200, 404]),
        "request_bytes": 90,
        "response_bytes": 2,
    }
    unusual = random.choice(UNUSUAL) if random.random() < 0.4 else {}
    return attempt(a_step(random), walk, **{**usual, **unusual})


def record(recorder, random, walks):
    """One of the things that a recorder is told, or does in between."""
    walk = random.choice(walks)
    now_ns = ORIGIN_NS + random.randrange(10**9)
    match random.choice(["ended"] * 8 + ["retried", "wait", "unsent", "over", "second", "work", "work"]):
        case "ended":
            recorder.ended(an_attempt(random, walk))
        case "retried":
            lost = an_attempt(random, walk)
            lost.error = lost.error or "timeout"
            recorder.retried(lost)
        case "wait":
            recorder.wait(walk, a_step(random), ORIGIN_NS, now_ns, withheld=random.random() < 0.3)
        case "unsent":
            reason = random.choice(["skip-rest", "read_only", "duration", "late"])
            recorder.unsent(walk, a_step(random), random.choice([None, now_ns]), reason)
        case "over":
            walk.has_failed = random.random() < 0.3
            recorder.session_over(walk, walk.start_ns + random.randrange(10**9))
        case "second":
            recorder.close_second(now_ns)
        case "work":
            recorder.work()


@pytest.mark.parametrize(("block_lines", "kept_steps"), [(1, 1), (4, 5), (4, 8192), (1024, 8192)])
@settings(max_examples=12)
@given(seed=st.integers(0, 1 << 32))
def test_a_run_added_up_as_it_goes_has_the_summary_that_its_files_give(
    tmp_path_factory, block_lines, kept_steps, seed
):
    directory, random = tmp_path_factory.mktemp("run"), Random(seed)
    walks = [
        Walk(Session(f"s-{n}", 0.0, [Step(id="a", kind="tool", name="u")]), Pace(Knobs()), 0) for n in range(9)
    ]
    with pytest.MonkeyPatch.context() as patched:
        for module in ("folding", "summary"):
            patched.setattr(f"replay.results.{module}.MOST_SERIES", 5)
        patched.setattr("replay.engine.records.summing._BLOCK_LINES", block_lines)
        patched.setattr("replay.engine.records.summing._BLOCK_RECORDS", block_lines)
        patched.setattr("replay.results.instants._BLOCK_STEPS", kept_steps)
        recorder = Recorder(directory, "target", FileWriter(), 0.02, MANIFEST.trace.resolution_ms)
        recorder.start(ORIGIN_NS)
        for _ in range(HAPPENINGS):
            record(recorder, random, walks)
        recorder.finish(ORIGIN_NS + 10**9)
        found = recorder.summary(MANIFEST)
        read = rebuild(directory, MANIFEST)

    assert msgspec.json.encode(found) == msgspec.json.encode(read)


def test_what_waits_to_be_added_is_bounded(tmp_path):
    """A run without a moment to spare adds blocks up all the same, once so many wait."""
    summing = Summing(None)
    cells = ("s", "tool", "u", 0, 1, 2, 3, 200, None, None)
    while not summing.is_pressing:
        summing.plain(cells * 1024)
        summing.gather()

    while summing.is_pressing:
        assert summing.work()
    assert summing.is_behind
