"""Paths that would climb out of the prefix of a target's URL, kept below it. Pure.

A target's URL may end in a path, below which all its requests belong: `https://gateway.example/staging`. A trace is not
to be trusted with `/../production`, nor are values that answers fill into its paths; and servers and gateways differ in
what they take for a dot segment: how often they decode, whether an encoded slash or a backslash ends a segment, whether
a semicolon or an empty segment counts. So what stands for one to any of them counts as one, and what only some of them
take for a segment to climb out of counts as none.
"""

import re

# Two dots, or what may become one when it is decoded again and again.
_MAY_CLIMB = re.compile(r"\.\.|%(?:2[5e]|%|.%|32|[46]5)", re.IGNORECASE).search
_SLASH = re.compile(r"[/\\]")
# What dots, slashes and semicolons are made of, and the encodings of these.
_DECODED = {f"{ord(character):02x}": character for character in "%./\\;0123456789abcdefABCDEF"}


def below_root(path: str) -> str:
    """The path of a request as it is, or, where it climbs above its root, resolved at it as RFC 3986, section 5.2.4."""
    if _MAY_CLIMB(path) is None:
        return path
    hierarchy, mark, query = path.partition("?")
    kept: list[str] = []
    depth = 0
    climbs = ends_in_dots = False
    for segment in hierarchy.split("/")[1:]:
        pieces = _SLASH.split(_decoded(segment))
        # Some servers take what follows a semicolon for parameters of the segment.
        names = [piece.partition(";")[0] for piece in pieces]
        ends_in_dots = names[-1] in (".", "..")
        if ".." not in names:
            depth += names[0] not in ("", ".")
            if names != ["."]:
                kept.append(segment)
            continue
        before = ".."
        for piece, name in zip(pieces, names, strict=True):
            if name == "..":
                depth -= 1
                climbs = climbs or depth < 0
                del kept[-1:]
            elif name != ".":
                kept.append(piece)
                # To some, pieces between which a slash is encoded are one segment, or parameters all of them.
                depth += name != "" and before == ".."
            before = name if name == piece else ";"
    if not climbs:
        return path
    if ends_in_dots:
        kept.append("")
    return f"/{'/'.join(kept)}{mark}{query}"


def _decoded(segment: str) -> str:
    """The segment as it is once nothing is left to decode; in time with its length, however often that takes."""
    if "%" not in segment:
        return segment
    found: list[str] = []
    for character in segment:
        found.append(character)
        while len(found) > 2 and found[-3] == "%" and (decoded := _DECODED.get("".join(found[-2:]).lower())):
            found[-3:] = decoded
    return "".join(found)
