"""The sample traces: consistent in themselves, with the shapes that they promise, and made by their script."""

import subprocess
import sys
from pathlib import Path

import pytest

from replay.trace.file.stream import TraceReader
from replay.trace.types import Edge, Session, Step

ROOT = Path(__file__).parent.parent
NAMES = ("support-agent", "triage-burst", "pipeline-steady", "long-chain")


def sessions_of(name: str) -> list[Session]:
    with TraceReader(ROOT / "traces" / f"{name}.jsonl") as reader:
        return list(reader)


def due_ms(edge: Edge, steps: dict[str, Step]) -> float:
    parent = steps[edge.step]
    if edge.anchor == "start":
        return parent.at_ms + edge.delay_ms
    if edge.anchor == "first_byte":
        return parent.at_ms + parent.recorded.ttft_ms + edge.delay_ms
    return parent.at_ms + parent.took_ms + edge.delay_ms


def span_ms(sessions: list[Session]) -> float:
    return max(session.start_ms + step.at_ms + step.took_ms for session in sessions for step in session.steps)


def test_the_script_makes_the_same_bytes_again(tmp_path):
    script = [sys.executable, str(ROOT / "scripts" / "make-traces"), "--out", str(tmp_path)]
    subprocess.run(script, check=True, capture_output=True, timeout=60)

    for name in NAMES:
        kept = (ROOT / "traces" / f"{name}.jsonl").read_bytes()
        assert (tmp_path / f"{name}.jsonl").read_bytes() == kept, f"{name}: run scripts/make-traces"
    assert len(list(tmp_path.iterdir())) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
class TestEverySampleTrace:
    def test_is_small_and_says_what_it_is(self, name):
        path = ROOT / "traces" / f"{name}.jsonl"
        with TraceReader(path) as reader:
            header = reader.header

        assert path.stat().st_size < 400_000
        assert (header.name, header.resolution_ms) == (name, 1.0)
        assert "no real data" in header.source

    def test_starts_every_step_when_the_latest_of_its_edges_says(self, name):
        for session in sessions_of(name):
            steps = {step.id: step for step in session.steps}
            for step in session.steps:
                expected = max((due_ms(edge, steps) for edge in step.after), default=0.0)
                assert step.at_ms == expected, f"{session.id}, {step.id}"

    def test_records_a_first_token_within_every_stream(self, name):
        streams = [step for s in sessions_of(name) for step in s.steps if step.llm and step.llm.stream]
        assert all(0 < step.recorded.ttft_ms < step.took_ms for step in streams)

    def test_grows_prompts_by_whole_prefix_blocks(self, name):
        for session in sessions_of(name):
            before: tuple[int, ...] = ()
            for step in session.steps:
                if step.llm is None:
                    continue
                call = step.llm
                assert len(call.prefix) == call.input_tokens // call.prefix_block_tokens
                assert call.prefix[: len(before)] == before
                before = call.prefix

    def test_carries_the_audit_facts(self, name):
        for session in sessions_of(name):
            assert set(session.attributes) == {"agent", "model", "prompt_version", "final_action"}
            assert all(step.is_wait or step.attributes["policy"] for step in session.steps)


def test_the_readme_tells_the_counts_and_spans():
    readme = (ROOT / "traces" / "README.md").read_text()
    for name in NAMES:
        sessions = sessions_of(name)
        row = next(line for line in readme.splitlines() if line.startswith(f"| `{name}.jsonl`"))
        steps = sum(len(session.steps) for session in sessions)
        assert f"| {len(sessions)} | {steps} | {span_ms(sessions) / 1000:.0f} s |" in row


def test_the_support_agent_fans_out_from_a_first_byte_and_joins():
    sessions = sessions_of("support-agent")
    edges = [edge for session in sessions for step in session.steps for edge in step.after]
    answers = [step for session in sessions for step in session.steps if step.name == "answer"]

    assert 60_000 <= span_ms(sessions) <= 90_000
    assert {edge.anchor for edge in edges} == {"first_byte", "end"}
    assert {len(step.after) for step in answers} == {2, 3}


def test_the_triage_agent_comes_in_bursts_with_nothing_between():
    starts = [session.start_ms for session in sessions_of("triage-burst")]
    for burst in range(5):
        of_burst = starts[burst * 40 : (burst + 1) * 40]
        assert burst * 30_000 <= min(of_burst)
        assert max(of_burst) <= burst * 30_000 + 2_000


def test_the_pipeline_starts_a_session_every_half_second():
    assert [session.start_ms for session in sessions_of("pipeline-steady")] == [n * 500.0 for n in range(240)]


def test_the_long_chain_has_more_than_thirty_steps_in_a_row_and_idle_gaps():
    for session in sessions_of("long-chain"):
        assert len(session.steps) > 30
        assert all(len(step.after) == 1 for step in session.steps[1:])
        gaps = [edge.delay_ms for step in session.steps for edge in step.after if edge.delay_ms > 1_000]
        assert len(gaps) >= 3
        assert all(5_000 <= gap <= 60_000 for gap in gaps)
