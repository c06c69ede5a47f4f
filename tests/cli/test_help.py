"""Every command's help: what it does, examples that can be pasted, and the exit codes it may end with."""

import re
import shlex

import click
import pytest

from replay.cli.main import cli
from replay.exit_codes import EXIT_BAD_INPUT, EXIT_CODES


def commands(group=cli, path=("replay",)):
    yield path, group
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


EACH = pytest.mark.parametrize(
    ("path", "command"), [pytest.param(path, command, id=" ".join(path)) for path, command in commands()]
)


def shown(path, command):
    context = None
    for name, part in zip(path, parents(path, command), strict=True):
        context = click.Context(part, info_name=name, parent=context, terminal_width=80)
    return command.get_help(context)


def parents(path, command):
    group = cli
    for name in path[1:-1]:
        yield group
        group = group.get_command(click.Context(group), name)
    if len(path) > 1:
        yield group
    yield command


@EACH
def test_help_fits_a_terminal_of_80_columns(path, command):
    assert [line for line in shown(path, command).splitlines() if len(line) > 80] == []


@EACH
def test_help_ends_with_the_exit_codes_of_the_one_table(path, command):
    listed = shown(path, command).split("Exit codes:\n")[1]
    codes = [int(found) for found in re.findall(r"^  (\d+) ", listed, re.MULTILINE)]

    assert codes == sorted(codes)
    assert {0, EXIT_BAD_INPUT} <= set(codes) <= {EXIT_BAD_INPUT, *EXIT_CODES.values()}


def options_of(command):
    return [param for param in command.params if isinstance(param, click.Option)]


@EACH
def test_many_options_stand_under_headings_each_under_one(path, command):
    if len(options_of(command)) <= 12:
        return
    listed = re.split(r"^([A-Z][\w ]*) options:$", shown(path, command), flags=re.MULTILINE)[1:]
    parts = dict(zip(listed[::2], listed[1::2], strict=True))

    assert re.findall(r"^  .*?(--[\w-]+)", parts.pop("Other").split("\n\n")[0], re.MULTILINE) == ["--help"]
    assert set(parts) <= set(command.parts)
    for option in options_of(command):
        name = re.escape(max(option.opts, key=len))
        at = re.compile(rf"^  (-\w, )?{name}\b(?!-)", re.MULTILINE)
        assert sum(bool(at.search(part)) for part in parts.values()) == (not option.hidden), name


def test_no_heading_names_an_option_that_no_command_has():
    known = {option.name for _, command in commands() for option in options_of(command)}

    assert {
        name for _, command in commands() for names in getattr(command, "parts", {}).values() for name in names
    } <= known


@EACH
def test_help_has_examples_of_this_command_with_options_that_exist(path, command):
    examples = [shlex.split(example.replace("\\\n", " ")) for example in command.examples]

    assert len(examples) >= 2
    for words in examples:
        assert tuple(words[: len(path)]) == path
        assert shlex.join(words[:2]) in shown(path, command)
        if not isinstance(command, click.Group):
            known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
            assert {word for word in words[len(path) :] if word.startswith("-")} <= known


@EACH
def test_no_option_is_helped_by_half_a_sentence(path, command):
    """Of the verdicts: that says nothing to whoever reads one option."""
    helps = [option.help for option in command.params if isinstance(option, click.Option) and option.help]

    assert [text for text in helps if text.startswith(("Of ", "Off ", "As ", "Than "))] == []
    assert [text for text in helps if not text.split("  [")[0].rstrip().endswith((".", ":"))] == []


def test_commands_are_grouped_by_what_people_want_to_do():
    assert re.findall(r"^(\w[\w ]*):$", shown(("replay",), cli), re.MULTILINE)[1:7] == [
        "Replay",
        "Judge",
        "Explain",
        "Traces",
        "Planes",
        "Set up",
    ]
