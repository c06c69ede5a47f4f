"""JSON Schemas (2020-12) made from types: fields, bounds and what they mean all come from there. Pure."""

import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from replay.schemas.files import FILES, File
from replay.trace.types import EXTRA

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DEFS = "#/$defs/"
_LISTS = ("anyOf", "prefixItems")
_MAPS = ("properties", "$defs")
_SINGLE = ("items", "additionalProperties", "propertyNames")


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema of a file, or of each line of one in JSON Lines. Raises KeyError for a name not in FILES."""
    file = FILES[name]
    refs, defs = msgspec.json.schema_components(
        (*file.holds, *file.parts.values()), ref_template=_DEFS + "{name}"
    )
    kinds = refs[: len(file.holds)]
    for (field, _), ref in zip(file.parts.items(), refs[len(kinds) :], strict=True):
        _put_in(defs[_name_of(kinds[0])]["properties"][field], ref)
    root: dict[str, Any] = {"anyOf": list(kinds)}
    if len(kinds) == 1:
        # It may hold others of its own kind, which then are the whole again.
        root = defs.pop(_name_of(kinds[0]))
        for schema in (root, *defs.values()):
            _rename(schema, kinds[0]["$ref"], "#")
    schema = {"$schema": _DIALECT, "$id": _id(name, file), **root, "title": file.title}
    if defs:
        schema["$defs"] = dict(sorted(defs.items()))
    for part in _schemas(schema):
        _correct(part)
        if "required" in part:
            part["required"] = [field for field in part["required"] if field not in file.inherited]
    return schema


def _id(name: str, file: File) -> str:
    return f"urn:agent-replay:{name}:{file.version}"


def _name_of(ref: dict[str, str]) -> str:
    return ref["$ref"].removeprefix(_DEFS)


def _put_in(field: dict[str, Any], ref: dict[str, str]) -> None:
    """Say what a table holds that its type leaves open."""
    field["anyOf"] = [ref, *(one for one in field.get("anyOf", ()) if one != {"type": "object"})]
    field.pop("type", None)


def _schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and all within it; what is a name or a value there is none, whatever it is called."""
    yield schema
    inside = [schema[key] for key in _SINGLE if isinstance(schema.get(key), dict)]
    inside += [one for key in _LISTS for one in schema.get(key, ())]
    inside += [one for key in _MAPS for one in schema.get(key, {}).values()]
    for one in inside:
        yield from _schemas(one)


def _rename(schema: dict[str, Any], ref: str, to: str) -> None:
    for part in _schemas(schema):
        if part.get("$ref") == ref:
            part["$ref"] = to


def _is_endless(value: Any) -> bool:
    """Whether JSON has no number for it."""
    return isinstance(value, float) and not math.isfinite(value)


def _without_endless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_endless(one) for key, one in value.items() if not _is_endless(one)}
    return value


def _correct(part: dict[str, Any]) -> None:
    """Make of what msgspec writes what holds for our files."""
    # OpenAPI's, not JSON Schema's: strict validators refuse it.
    part.pop("discriminator", None)
    if "default" in part:
        if _is_endless(part["default"]):
            del part["default"]
        else:
            part["default"] = _without_endless(part["default"])
    if "description" in part:
        part["description"] = re.sub(r"(?<!\n)\n(?!\n)", " ", part["description"])
    if EXTRA in part.get("properties", {}):
        # Unknown fields are kept beside the known ones.
        del part["properties"][EXTRA]
        part.pop("additionalProperties", None)
