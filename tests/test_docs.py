"""What the README and the docs show is there, and works as shown."""

import re
import shlex
from collections import Counter
from pathlib import Path

import click
import pytest

from replay.cli.compare import compare
from replay.cli.main import cli
from replay.cli.replaying.gate import gate
from replay.judge.gate.judging import CONFIDENCE
from replay.judge.measures.slo import parse_slo
from replay.judge.statistics.quantile import least_n
from replay.results.types import ERROR_CLASSES
from replay.target.file import load_target
from replay.trace.file.stream import read_sessions
from replay.trace.types import Expect, JsonCheck

ROOT = Path(__file__).parent.parent
VERDICTS = (ROOT / "docs" / "verdicts.md").read_text()
DOCS = ROOT / "docs"
# What a run, an environment or a tool has left is no page of ours.
EVERY_PAGE = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part in ("runs", "dist") for part in page.relative_to(ROOT).parts)
)
# The changelog names what has gone as well.
PAGES = [page for page in EVERY_PAGE if page != ROOT / "CHANGELOG.md"]
each_page = pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: str(page.relative_to(ROOT)))


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


def judging_a_sample_trace():
    """Commands that replay a sample trace in order to judge it, of all pages and all help."""
    lines = [parameter.values[0] for parameter in commands()]
    lines += [example.replace("\\\n", "") for command in (cli, gate, compare) for example in command.examples]
    for line in lines:
        words = shlex.split(line, comments=True)
        judges = words[:2] in (["replay", "gate"], ["replay", "compare"]) and "--dry-run" not in words
        if judges and words[2].startswith("traces/"):
            yield pytest.param(words, id=line[:60])


@pytest.mark.parametrize("words", list(judging_a_sample_trace()))
def test_every_command_that_judges_a_sample_trace_makes_steps_enough_for_a_p99(words):
    steps = sum(len(session.steps) for session in read_sessions(ROOT / words[2]))
    scale = int(words[words.index("--scale") + 1]) if "--scale" in words else 1

    assert steps * scale >= least_n(0.99, CONFIDENCE)


def prose_of(page):
    """A page without its samples of code."""
    return re.sub(r"^```.*?^```$|`[^`\n]+`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors_of(page):
    """What a link into a page may name: its headings, as GitHub makes names of them."""
    found = Counter()
    for heading in re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S), re.M
    ):
        name = (
            re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)).lower().replace(" ", "-")
        )
        yield f"{name}-{found[name]}" if found[name] else name
        found[name] += 1


@each_page
def test_every_link_leads_to_a_file_and_to_a_heading_in_it(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
        place, _, anchor = link.partition("#")
        if "://" in link or link.startswith("mailto:"):
            continue
        leads_to = page.parent / place if place else page
        assert leads_to.exists(), link
        assert leads_to.resolve().is_relative_to(ROOT), link
        assert not anchor or anchor in anchors_of(leads_to), link


def test_every_page_of_the_docs_is_in_an_index():
    for index in (DOCS / "index.md", DOCS / "decisions" / "index.md"):
        named = set(re.findall(r"\]\(([^)#:]+)\)", index.read_text()))
        pages = {page.name for page in index.parent.glob("*.md")} - {"index.md"}
        folders = {f"{inside.parent.name}/index.md" for inside in index.parent.glob("*/index.md")}

        assert pages | folders <= named


def test_decisions_are_numbered_one_after_the_other_and_have_their_parts():
    pages = sorted((DOCS / "decisions").glob("[0-9]*.md"))

    assert [int(page.name[:3]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text()
        assert text.startswith(f"# {page.name[:3]}: "), page.name
        parts = re.findall(r"^\*\*(.+?)\.\*\*", text, re.MULTILINE)
        assert parts == ["Context", "Decision", "What was tried or measured", "Consequences"], page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_modules_that_a_page_names_are_there(page):
    text = page.read_text()
    for path in re.findall(r"`((?:replay|tests|scripts|targets|traces|docs)/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path
    for name in re.findall(r"`(replay(?:\.\w+)+)`", text):
        # An attribute of a module may stand behind it.
        parts = name.split(".")
        places = [ROOT.joinpath(*parts[:n]) for n in (len(parts), len(parts) - 1) if n > 1]
        assert any(place.is_dir() or place.with_suffix(".py").exists() for place in places), name


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


def test_the_login_that_a_target_file_has_as_a_comment_can_be_used(tmp_path):
    written = (ROOT / "targets" / "staging.toml").read_text()
    (block,) = re.findall(r"^# (\[login\]\n(?:# .+\n)+)\n", written, re.MULTILINE)
    target = tmp_path / "target.toml"
    target.write_text('url = "http://127.0.0.1:1"\n' + re.sub(r"^# ", "", block, flags=re.MULTILINE))

    login = load_target(str(target)).login
    assert (login.carrier, login.columns, login.variables) == ("x-session", ("user",), ("STAGING_PASSWORD",))


def test_the_login_that_is_shown_can_be_used(tmp_path):
    page = (ROOT / "docs" / "safety.md").read_text()
    (block,) = re.findall(r"^```toml\n(\[login\]\n.*?)^```", page, re.MULTILINE | re.DOTALL)
    target = tmp_path / "target.toml"
    target.write_text('url = "http://127.0.0.1:1"\n' + block)

    login = load_target(str(target)).login
    assert (login.carrier, login.before_token, login.variables) == (
        "authorization",
        "Bearer ",
        ("SHOP_PASSWORD",),
    )
