"""Gives the site the layout of the repository, so that a link leads to the same place there as on GitHub.

A hook of MkDocs (mkdocs.yml), which by itself knows the files below docs/ alone, as if nothing were above them.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES_OUTSIDE = ("*.md", "examples/*.md", "traces/*.md", "targets/*.md", "targets/app/*.md")
_LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Where a pattern stands in the navigation, put the pages in that are named nowhere else in it."""
    config.nav = _unfolded(config.nav, named=set(_pages_in(config.nav)))
    return config


def _pages_in(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    else:
        for below in entry.values() if isinstance(entry, dict) else entry:
            yield from _pages_in(below)


def _unfolded(entry: Any, named: set[str]) -> Any:
    if isinstance(entry, dict):
        return {title: _unfolded(below, named) for title, below in entry.items()}
    if isinstance(entry, list):
        return [page for one in entry for page in _in_its_place(one, named)]
    return entry


def _in_its_place(entry: Any, named: set[str]) -> list[Any]:
    if isinstance(entry, str) and "*" in entry:
        matching = (path.relative_to(ROOT).as_posix() for path in ROOT.glob(entry))
        return sorted(page for page in matching if page not in named)
    return [_unfolded(entry, named)]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Name each file by its path from the root of the repository; add pages outside docs/, and what pages link to."""
    ours = [file for file in files if file.src_dir == config.docs_dir]
    for file in ours:
        files.remove(file)
    paths = {Path(config.docs_dir, file.src_uri) for file in ours}
    paths.update(path for pattern in PAGES_OUTSIDE for path in ROOT.glob(pattern))
    pages = [path for path in paths if path.suffix == ".md"]
    paths.update(path for page in pages for path in _linked_from(page))
    for path in sorted(paths):
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def _linked_from(page: Path) -> set[Path]:
    """The files of the repository that a page links to; a link that leads nowhere is MkDocs' to tell of."""
    found = {(page.parent / link).resolve() for link in _LINK.findall(page.read_text(encoding="utf-8"))}
    return {path for path in found if path.is_file() and path.is_relative_to(ROOT)}
