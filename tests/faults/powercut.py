"""What a disk may hold after the power went, from what was done to it. Pure, but for writing such a state out.

The model is that of a journalling file system in its usual mode (ext4 with data=ordered or writeback, XFS):

- what a file held at its last fsync is there; of what was written later any beginning may be, and past it zeros, where
  the size reached the disk before the data;
- names (create, rename, unlink, mkdir) reach the disk in their order, but when, nobody knows, up to the next fsync of
  any file, which takes the names before it along;
- a rename may so be on the disk before the data of the file that it names.
"""

import random
from pathlib import Path

from tests.faults.disk import Change

_NAMES = ("create", "rename", "unlink", "mkdir")


def state_after(changes: list[Change], at: int, chance: random.Random) -> dict[str, bytes | None]:
    """One state that the disk may be in when the power goes before the change of this number. None: a folder."""
    done = changes[:at]
    last_sync = max((n for n, change in enumerate(done) if change.what == "sync"), default=-1)
    names_until = chance.randint(last_sync + 1, len(done))
    tree: dict[str, int | None] = {}
    for change in done[:names_until]:
        if change.what in _NAMES:
            _renamed(tree, change)
    return {path: None if file is None else _content(done, file, chance) for path, file in tree.items()}


def whole_state(changes: list[Change]) -> dict[str, bytes | None]:
    """What the disk holds when all of it has reached it."""
    return state_after(
        [*changes, Change("sync"), *(Change("sync", n) for n in _files(changes))],
        len(changes) * 3,
        random.Random(0),
    )


def _files(changes: list[Change]) -> set[int]:
    return {change.file for change in changes if change.file}


def _renamed(tree: dict[str, int | None], change: Change) -> None:
    if change.what == "create":
        tree[change.path] = change.file
    elif change.what == "mkdir":
        tree[change.path] = None
    elif change.what == "unlink":
        tree.pop(change.path, None)
    elif change.path in tree:
        tree[change.to] = tree.pop(change.path)


def _content(done: list[Change], file: int, chance: random.Random) -> bytes:
    synced, now = b"", bytearray()
    for change in done:
        if change.file != file:
            continue
        if change.what == "write":
            now.extend(bytes(max(0, change.at - len(now))))
            now[change.at : change.at + len(change.data)] = change.data
        elif change.what == "truncate":
            del now[change.at :]
        elif change.what == "sync":
            synced = bytes(now)
    if bytes(now) == synced:
        return synced
    if not now.startswith(synced):
        return synced if chance.random() < 0.5 else bytes(now)
    there = chance.choice((len(synced), len(now), chance.randint(len(synced), len(now))))
    zeros = chance.choice((0, 0, len(now) - there))
    return bytes(now[:there]) + bytes(zeros)


def write_out(state: dict[str, bytes | None], folder: Path) -> None:
    """Make this state in an empty folder."""
    for path, content in sorted(state.items()):
        place = folder / path
        if content is None:
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
