"""Which keys of a JSON log tell what, and how lines with these keys are read. Pure."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec

from replay.importers.logs.json_keys import (
    ATTRIBUTES,
    DURATIONS,
    DURATIONS_BY_TEXT,
    ENDS,
    INSTANTS,
    NESTING,
    OF_ENVOY,
    OF_VEGETA,
    STARTS,
    TOLD,
    flat_key,
)
from replay.importers.logs.json_layouts import likely_layouts

_MOST_KEYS = 200
# Others can be no names of fields.
_IS_PLAIN_KEY = re.compile(r"[ !#-\[\]-~]*+").fullmatch


class Plan(msgspec.Struct, frozen=True):
    """Which keys tell what; of several the first one that says something. is_end: whether the instant is the end.

    counts_head: whether the size of what was sent is that of the response as a whole. told: by our names. attributes:
    by theirs. fields: by key, of the values that `decode_line` gives of a line, and `decode_lines` of each of many.
    """

    instant: str
    is_end: bool
    took: str | None
    took_unit: str
    counts_head: bool
    told: dict[str, tuple[str, ...]]
    attributes: dict[str, tuple[str, ...]]
    nesting: tuple[str, ...]
    fields: dict[str, str]
    decode_line: Callable[[bytes], Any]
    decode_lines: Callable[[bytes], list[Any]]

    @property
    def wanted(self) -> set[str]:
        """The keys that tell something."""
        by_name = chain(self.told.values(), self.attributes.values(), (self.nesting, (self.instant,)))
        return {*chain.from_iterable(by_name), *((self.took,) if self.took is not None else ())}


@lru_cache(256)
def plan_for(keys: tuple[str, ...]) -> Plan | None:
    """The plan for lines with these keys; None where they are to be read alone."""
    if len(keys) > _MOST_KEYS or not all(map(_IS_PLAIN_KEY, keys)):
        return None
    flat = {flat_key(key): key for key in keys}
    if len(flat) < len(keys) or set(keys) >= OF_VEGETA or likely_layouts(keys):
        return None
    if any("start" in key and key not in STARTS for key in flat):
        return None
    instants = [key for key in (*STARTS, *INSTANTS) if key in flat]
    durations = [key for key in DURATIONS if key in flat]
    is_sure = not any(key in flat for key in (*ENDS, *DURATIONS_BY_TEXT))
    if not instants or len(durations) > 1 or not is_sure:
        return None
    told = {name: tuple(flat[key] for key in known if key in flat) for name, known in TOLD.items()}
    # A method without a path may have it in what is otherwise the whole line of the request.
    if not (told["method"] and told["path"]) and (told["method"] or not told["line"]):
        return None
    attributes: dict[str, tuple[str, ...]] = {
        name: (flat[key],) for key, name in ATTRIBUTES.items() if key in flat
    }
    attributes["request_id"] = told.pop("request_id")
    fields = {key: f"value_{n}" for n, key in enumerate(keys)}
    decoder = _decoder(fields)
    return Plan(
        instant=flat[instants[0]],
        is_end=instants[0] not in STARTS,
        took=flat[durations[0]] if durations else None,
        took_unit=DURATIONS[durations[0]] if durations else "",
        counts_head=OF_ENVOY not in flat,
        told=told,
        attributes={name: found for name, found in attributes.items() if found},
        nesting=tuple(flat[key] for key in NESTING if key in flat),
        fields=fields,
        decode_line=decoder.decode,
        decode_lines=decoder.decode_lines,
    )


def _decoder(fields: Mapping[str, str]) -> msgspec.json.Decoder[Any]:
    """Decodes a line with these keys, and no others, in a third of the time that a dictionary takes."""
    values = [(field, Any) for field in fields.values()]
    names = {field: key for key, field in fields.items()}
    line = msgspec.defstruct("Line", values, rename=names, forbid_unknown_fields=True, gc=False)
    return msgspec.json.Decoder(line)
