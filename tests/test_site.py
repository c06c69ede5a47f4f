"""The documentation as a site: every page in it, as GitHub shows it, every link with its end, and nothing from other hosts."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parent.parent
PAGES = [
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "examples/*.md", "traces/*.md", "targets/**/*.md")
    for path in sorted(ROOT.glob(pattern))
]
# What a reader sees as a part of its own; whether an item of a list is a paragraph, too, is only space.
PARTS = ("h1", "h2", "h3", "h4", "li", "ol", "ul", "tr", "pre", "code", "img", "em", "strong", "blockquote")
# What a browser fetches by itself, and by which attribute.
FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "use": "href"}


def test_every_page_is_in_the_navigation():
    """Also where nothing is installed that makes the site."""
    text = (ROOT / "mkdocs.yml").read_text().split("\nnav:\n")[1]
    named = re.findall(r"(?:- |: )([\w./*-]+\.md)$", text, re.MULTILINE)
    there = {path for name in named for path in ROOT.glob(name)}

    assert [str(page) for page in PAGES if ROOT / page not in there] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("material", reason="mkdocs-material is installed by the lock, and by ./scripts/site")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        # Strict: a page left out of the navigation, a link or an anchor that leads nowhere ends it.
        build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True))
    return folder


def page_of(site, path):
    name = Path() if path.stem in ("README", "index") else Path(path.stem)
    return site / path.parent / name / "index.html"


def test_every_page_is_there_with_the_parts_that_github_shows(site):
    """Python-Markdown wants a blank line before a list, and four blanks before what belongs to an item."""
    github = MarkdownIt("commonmark").enable("table")
    differ = {}
    for path in PAGES:
        page = page_of(site, path).read_text()
        article = page[page.index("<article") : page.index("</article>")]
        expected = github.render((ROOT / path).read_text())
        for part in PARTS:
            counts = [len(re.findall(rf"<{part}[ >]", text)) for text in (expected, article)]
            if counts[0] != counts[1]:
                differ[f"{path} <{part}>"] = counts

    assert differ == {}


class Fetches(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = set()

    def handle_starttag(self, tag, attributes):
        if tag in FETCHED:
            self.found.add(dict(attributes).get(FETCHED[tag]) or "")


def test_a_page_loads_nothing_from_another_host(site):
    parser = Fetches()
    for page in site.rglob("*.html"):
        parser.feed(page.read_text())
    styles = "".join(path.read_text() for path in site.rglob("*.css"))

    assert "assets/images/favicon.png" in parser.found
    assert not [url for url in parser.found if re.match(r"(https?:)?//", url)]
    assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", styles)


def test_a_file_that_a_page_links_to_comes_along(site):
    assert (site / "targets" / "staging.toml").read_bytes() == (ROOT / "targets" / "staging.toml").read_bytes()


def test_search_finds_every_page(site):
    index = (site / "search" / "search_index.json").read_text()

    assert '"location":"docs/verdicts/#slos"' in index
    assert '"location":"examples/"' in index
