"""Lines of Codex's own logs."""

import json
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 21, tzinfo=UTC)


def at(ms):
    return (START + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def line(ms, kind, **payload):
    return {"timestamp": at(ms), "type": kind, "payload": payload}


def meta(name="s", parent=None):
    source = (
        "cli" if parent is None else {"subagent": {"thread_spawn": {"parent_thread_id": parent, "depth": 1}}}
    )
    return line(0, "session_meta", id=name, cli_version="0.114.0", source=source)


def user(ms):
    return line(ms, "event_msg", type="user_message", message="do it")


def text(ms):
    return line(ms, "response_item", type="message", role="assistant", content=[])


def call(ms, call_id, name="exec_command", arguments='{"cmd":"ls"}'):
    return line(ms, "response_item", type="function_call", name=name, arguments=arguments, call_id=call_id)


def output(ms, call_id):
    return line(ms, "response_item", type="function_call_output", call_id=call_id, output="...")


def tokens(ms, read, written, total):
    usage = {"input_tokens": read, "cached_input_tokens": 1, "output_tokens": written}
    return line(
        ms,
        "event_msg",
        type="token_count",
        info={"last_token_usage": usage, "total_token_usage": {"input_tokens": total}},
    )


def write(path, *lines):
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    return path
