"""Records of Claude Code's own logs."""

import json
from datetime import UTC, datetime, timedelta

START = datetime(2026, 6, 1, tzinfo=UTC)
USAGE = {
    "input_tokens": 2,
    "cache_creation_input_tokens": 30,
    "cache_read_input_tokens": 400,
    "output_tokens": 5,
}


def at(ms):
    return (START + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def prompt(ms, **fields):
    return {
        "type": "user",
        "timestamp": at(ms),
        "sessionId": "s",
        "message": {"role": "user", "content": "do it"},
        **fields,
    }


def result(ms, tool, agent=None, error=False, **fields):
    block = {"type": "tool_result", "tool_use_id": tool, "content": "...", "is_error": error}
    extra = {} if agent is None else {"toolUseResult": {"agentId": agent, "status": "completed"}}
    return {
        "type": "user",
        "timestamp": at(ms),
        "sessionId": "s",
        "message": {"content": [block]},
        **extra,
        **fields,
    }


def output(ms, message, *blocks, usage=USAGE, **fields):
    body = {
        "id": message,
        "model": "m-1",
        "content": list(blocks) or [{"type": "text", "text": "."}],
        "usage": usage,
    }
    return {"type": "assistant", "timestamp": at(ms), "sessionId": "s", "message": body, **fields}


def use(tool, name="Bash", **arguments):
    return {"type": "tool_use", "id": tool, "name": name, "input": arguments}


def write(path, *records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path
