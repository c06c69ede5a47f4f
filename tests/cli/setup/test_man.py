"""`replay man`: pages that man can show, which say what --help says."""

import re
import shutil
import subprocess

import click
import pytest
from click.testing import CliRunner

from replay.cli.main import cli
from replay.cli.replaying.gate import gate


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("man") / "man1"
    result = CliRunner().invoke(cli, ["man", str(folder)])
    assert result.exit_code == 0, result.output
    assert re.fullmatch(r".*man1: \d+ pages\n", result.stdout)
    return {path.name: path.read_text() for path in folder.iterdir()}


def plain(page):
    return re.sub(r"\\&", "", page.replace("\\-", "-").replace("\\(dq", '"')).replace("\\e", "\\")


def names_of(group, path):
    yield f"{path}.1"
    if isinstance(group, click.Group):
        for name in group.list_commands(click.Context(group)):
            yield from names_of(group.get_command(click.Context(group), name), f"{path}-{name}")


def test_every_command_has_a_page(pages):
    assert {*pages} == set(names_of(cli, "replay"))


def test_a_page_says_what_help_says(pages):
    page = plain(pages["replay-gate.1"])

    for part in ('.SH "TARGET OPTIONS"', '.SH "EXIT CODES"', '.SH "EXAMPLES"', *gate.examples):
        assert part in page
    for option in gate.params:
        if isinstance(option, click.Option):
            assert max(option.opts, key=len) in page
            assert " ".join(option.help.split()).split("  [")[0].split(" [")[0] in page


def test_pages_lead_to_one_another(pages):
    for name, page in pages.items():
        near = re.findall(r"([\w-]+)\(1\)", plain(page).split('.SH "SEE ALSO"')[1])
        assert near, name
        assert {f"{other}.1" for other in near} <= set(pages)


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not on this machine")
def test_groff_has_nothing_against_them(pages):
    page = "".join(pages.values())
    read = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z"], input=page.encode(), capture_output=True)

    assert read.stderr.decode() == ""
