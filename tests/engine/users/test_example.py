"""The worked example of docs/trace.md does what the page says it does."""

import json
import re
from pathlib import Path

from replay.engine.run import replay_trace
from replay.engine.types import Knobs, RunOptions
from replay.target.file import load_target
from replay.target.sending import SessionRules
from replay.target.target import Target

PAGE = Path(__file__).parents[3] / "docs" / "trace.md"


def blocks():
    """Trace, users, target file, commands and requests, as the page has them."""
    text = PAGE.read_text().split("<!-- tested: users -->")[1]
    return re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[:5]


def told(asked):
    """A request as the page shows it: without the time."""
    body = json.loads(asked.body)
    body.pop("deliver", None)
    return f"{asked.method} {asked.path} {json.dumps(body, separators=(',', ':'))}"


def test_the_example_sends_what_the_page_says(who_is_who, tmp_path, monkeypatch):
    trace, users, target, _, requests = blocks()
    for name, content in (("trace.jsonl", trace), ("users.csv", users), ("staging.toml", target)):
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(type(who_is_who), "answer", lambda *_: (200, "set-cookie: sid=1; Path=/\r\n", b"{}"))
    assert load_target(str(tmp_path / "staging.toml")).session == SessionRules(cookies=True)
    aim = Target(url=who_is_who.url, name="t", session=SessionRules(cookies=True))

    replay_trace(
        tmp_path / "trace.jsonl",
        aim,
        RunOptions(knobs=Knobs(scale=2), data=str(tmp_path / "users.csv")),
        tmp_path / "run",
    )

    assert [told(asked) for asked in who_is_who.asked] == requests.splitlines()
    assert [asked.headers.get("x-run") for asked in who_is_who.asked] == [None, "s-1", None, "s-1~2"]
    assert [asked.headers.get("cookie") for asked in who_is_who.asked] == [None, "sid=1", None, "sid=1"]
