"""Paths that would climb out of the prefix of a target's URL, kept below it. Pure.

A target's URL may end in a path, below which all its requests belong: `https://gateway.example/staging`. A trace is not
to be trusted with `/../production`, nor are values that answers fill into its paths; and servers and gateways differ in
what they take for a dot segment, so that all that any of them does counts as one.
"""

import re

_MAY_CLIMB = re.compile(r"(?:\.|%(?:25)*2e){2}", re.IGNORECASE).search
_DOT = re.compile(r"%(?:25)*2e", re.IGNORECASE)
_SLASH = re.compile(r"%(?:25)*(?:2f|5c)|\\", re.IGNORECASE)


def below_root(path: str) -> str:
    """The path of a request as it is, or, where it climbs above its root, resolved at it as RFC 3986, section 5.2.4."""
    if _MAY_CLIMB(path) is None:
        return path
    before, mark, query = path.partition("?")
    segments = _SLASH.sub("/", _DOT.sub(".", before)).split("/")[1:]
    kept: list[str] = []
    climbs = False
    for segment in segments:
        # Some servers take what follows a semicolon for parameters of the segment.
        name = segment.partition(";")[0]
        if name == "..":
            climbs = climbs or not kept
            del kept[-1:]
        elif name != ".":
            kept.append(segment)
    if not climbs:
        return path
    if segments[-1].partition(";")[0] in (".", ".."):
        kept.append("")
    return f"/{'/'.join(kept)}{mark}{query}"
