"""The schemas themselves: by the standard, complete, and as strict as decoding is."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator
from msgspec.inspect import Metadata, StructType, Type, type_info

import replay.schemas.trace
import replay.trace.types
from replay.schemas.files import FILES
from replay.schemas.making import schema_of
from replay.trace.types import EXTRA
from tests.support.schemas import misfits

each_file = pytest.mark.parametrize("name", FILES)


def structs_in(info: Type, seen: set[type]) -> Iterator[StructType]:
    """Every struct that a value of the type may hold, once."""
    if isinstance(info, StructType):
        if info.cls in seen:
            return
        seen.add(info.cls)
        yield info
        inside = [field.type for field in info.fields]
    else:
        inside = [
            getattr(info, name)
            for name in ("type", "item_type", "key_type", "value_type")
            if isinstance(getattr(info, name, None), Type)
        ]
        inside += [*getattr(info, "types", ()), *getattr(info, "item_types", ())]
    for one in inside:
        yield from structs_in(one, seen)


def structs_of(name: str) -> list[StructType]:
    file, seen = FILES[name], set()
    return [
        struct for kind in (*file.holds, *file.parts.values()) for struct in structs_in(type_info(kind), seen)
    ]


def meaning_of(info: Type) -> str | None:
    while isinstance(info, Metadata):
        found = (info.extra_json_schema or {}).get("description")
        if found:
            return found
        info = info.type
    return None


@each_file
def test_it_is_a_schema_of_2020_12_with_a_name_and_a_title(name):
    schema = schema_of(name)

    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:agent-replay:{name}:1"
    assert schema["title"]


@each_file
def test_it_says_what_each_field_means_in_a_sentence_or_two(name):
    for struct in structs_of(name):
        for field in struct.fields:
            if field.encode_name != EXTRA:
                meaning = meaning_of(field.type)
                assert meaning, f"{struct.cls.__name__}.{field.name}"
                assert meaning.endswith((".", "?")), meaning


@each_file
def test_it_says_what_each_table_is_as_a_whole(name):
    assert [struct.cls.__name__ for struct in structs_of(name) if not struct.cls.__doc__] == []


@each_file
def test_it_refuses_unknown_fields_where_decoding_does(name):
    schema = schema_of(name)
    tables = {part["title"]: part for part in schema.get("$defs", {}).values() if "title" in part}
    whole = FILES[name].holds[0].__name__
    for struct in structs_of(name):
        keeps = any(field.encode_name == EXTRA for field in struct.fields)
        table = tables.get(struct.cls.__name__, schema if struct.cls.__name__ == whole else None)
        assert (table.get("additionalProperties") is False) == (struct.forbid_unknown_fields and not keeps)


@each_file
def test_it_is_the_same_each_time(name):
    assert msgspec.json.encode(schema_of(name)) == msgspec.json.encode(schema_of(name))


@each_file
def test_every_reference_leads_somewhere(name):
    # jsonschema resolves a reference when it comes to it.
    assert misfits(name, 5)
    schema = schema_of(name)
    text = msgspec.json.encode(schema).decode()
    assert {part.split('"')[0] for part in text.split("#/$defs/")[1:]} <= schema.get("$defs", {}).keys()


@pytest.mark.parametrize("kind", ["Session", "Step", "Request"])
def test_a_trace_is_described_as_it_is_read(kind):
    described, read = (
        {field.encode_name: field.required for field in msgspec.structs.fields(getattr(room, kind))}
        for room in (replay.schemas.trace, replay.trace.types)
    )

    assert described == read


def test_a_name_that_no_file_has_is_no_schema():
    with pytest.raises(KeyError):
        schema_of("nothing")


def test_the_page_on_files_has_a_line_for_each():
    page = (Path(__file__).parents[2] / "docs" / "files.md").read_text()

    assert re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE) == list(FILES)
