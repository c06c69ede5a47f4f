"""What the README and the docs show is there, and works as shown."""

import re
import shlex
from pathlib import Path

import click
import pytest

from replay.cli.main import cli
from replay.judge.measures.slo import parse_slo
from replay.results.types import ERROR_CLASSES
from replay.target.target import load_target
from replay.trace.file.stream import read_sessions
from replay.trace.types import Expect, JsonCheck

ROOT = Path(__file__).parent.parent
VERDICTS = (ROOT / "docs" / "verdicts.md").read_text()
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def commands():
    for page in PAGES:
        for block in re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            for line in block.splitlines():
                if line.startswith(("replay ", "./scripts/")):
                    yield pytest.param(line, id=line[:60])


@pytest.mark.parametrize("line", list(commands()))
def test_every_command_that_is_shown_exists_with_its_options(line):
    words = shlex.split(line, comments=True)
    if words[0] != "replay":
        assert (ROOT / words[0]).exists()
        return
    command, rest = cli, words[1:]
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), rest.pop(0))
    known = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
    assert {word.split("=")[0] for word in rest if word.startswith("-")} <= known
    for word in rest:
        if word.startswith(("traces/", "targets/")):
            assert (ROOT / word).exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page):
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in link:
            assert (page.parent / link).exists(), link


def test_every_command_of_the_program_has_help_that_says_what_it_does():
    groups = [cli]
    while groups:
        group = groups.pop()
        context = click.Context(group)
        for command in (group.get_command(context, name) for name in group.list_commands(context)):
            assert command.help
            if isinstance(command, click.Group):
                groups.append(command)


def section_of(page, heading):
    return page.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize(
    "slo",
    [
        slo
        for line in section_of(VERDICTS, "SLOs").splitlines()
        if line.startswith("| `")
        for slo in re.findall(r"`([^`]+)`", line.split(" | ")[0])
    ],
)
def test_every_slo_of_the_table_can_be_read(slo):
    assert parse_slo(slo).text == slo


def test_the_classes_of_failures_are_those_that_the_program_knows():
    rows = re.findall(
        r"^\| `(\w+)` \| (.+) \|$", section_of(VERDICTS, "What counts as a failure"), re.MULTILINE
    )

    assert {name: says for name, says in rows if name in ERROR_CLASSES} == ERROR_CLASSES


def test_the_table_of_expectations_has_every_field():
    shown = section_of(VERDICTS, "What counts as a failure")

    assert {f"| `{name}` | " for name in Expect.__struct_fields__} <= set(
        re.findall(r"^\| `\w+` \| ", shown, re.MULTILINE)
    )
    assert {f"`{name}`" for name in JsonCheck.__struct_fields__} <= set(re.findall(r"`\w+`", shown))


def test_the_expectations_that_are_shown_can_be_used(tmp_path):
    shown = section_of(VERDICTS, "What counts as a failure")
    (rules,) = re.findall(r"^```toml\n(.*?)^```", shown, re.MULTILINE | re.DOTALL)
    (step,) = re.findall(r"^```json\n(.*?)^```", shown, re.MULTILINE | re.DOTALL)
    target, trace = tmp_path / "target.toml", tmp_path / "trace.jsonl"
    target.write_text(f'url = "http://127.0.0.1:1"\n{rules}')
    head = '{"format":"replay-trace","version":1,"name":"t"}'
    trace.write_text(f'{head}\n{{"id":"s","start_ms":0,"steps":[{step.strip()}]}}\n')

    (rule,) = load_target(str(target)).expect
    (session,) = read_sessions(trace)

    assert (rule.kind, rule.name, rule.status) == ("tool", "search*", ("2xx", 404))
    assert session.steps[0].expect == Expect(status=200, contains="ready")


def test_the_expectations_that_a_target_file_has_as_a_comment_can_be_used(tmp_path):
    written = (ROOT / "targets" / "staging.toml").read_text()
    (block,) = re.findall(r"^# (\[\[expect\]\]\n(?:# .+\n)+)\n", written, re.MULTILINE)
    target = tmp_path / "target.toml"
    target.write_text('url = "http://127.0.0.1:1"\n' + re.sub(r"^# ", "", block, flags=re.MULTILINE))

    assert load_target(str(target)).expect[0].json == {"/items": JsonCheck(type="array")}
