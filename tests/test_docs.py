"""What the README and the docs show is there, and works as shown."""

import re
import shlex
from pathlib import Path

import click
import pytest

from replay.cli.main import cli

ROOT = Path(__file__).parent.parent
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
        command = command.commands[rest.pop(0)]
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
        for command in groups.pop().commands.values():
            assert command.help
            if isinstance(command, click.Group):
                groups.append(command)
