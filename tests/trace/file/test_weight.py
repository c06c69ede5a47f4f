"""The weight of JSON, told without decoding it."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import replay.trace.file.weight as weight
from replay.trace.file.weight import is_too_heavy

DOCUMENTS = st.recursive(
    st.none() | st.integers() | st.text('a",{}[]\\\u00e9'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('a",{}[]\\'), inner, max_size=4),
    max_leaves=40,
)


def weighed(document, levels):
    """What the module finds out from bytes, by walking what was decoded."""
    found = 0

    def walk(value, level):
        nonlocal found
        if isinstance(value, list | dict) and (levels is None or level <= levels):
            own = weight._ARRAY_BYTES if isinstance(value, list) else weight._OBJECT_BYTES
            found += own + weight._VALUE_BYTES * (1 + max(0, len(value) - 1))
            for inner in value.values() if isinstance(value, dict) else value:
                walk(inner, level + 1)

    walk(document, 1)
    return found


@given(document=DOCUMENTS, levels=st.none() | st.integers(1, 4), chunk=st.integers(1, 12))
def test_it_is_that_of_the_document_wherever_its_bytes_are_cut(document, levels, chunk):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(weight, "_CHUNK_BYTES", chunk)

        assert weight._decoded_bytes(json.dumps(document).encode(), levels) == weighed(document, levels)


@pytest.mark.parametrize("part", ["{}", "[]", '{"a":1}', '"a"', "7", '{"a":{"b":[]}}'])
def test_it_is_no_less_than_half_of_what_python_takes(part):
    n = 1000
    document = json.loads("[" + ",".join([part] * n) + "]")

    def size(value):
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return sys.getsizeof(value) + sum(map(size, inner))

    assert weight._decoded_bytes(json.dumps(document).encode(), None) > size(document) / 2


def test_only_what_is_decoded_counts(monkeypatch):
    monkeypatch.setattr(weight, "MOST_DECODED_BYTES", 64 << 20)
    monkeypatch.setattr(weight, "_LIGHT_BYTES", 0)
    values = b"7," * 1_500_000
    assert is_too_heavy(b"[" + values + b"7]")
    assert not is_too_heavy(b'{"body":[' + values + b"7]}", levels=1)
    assert not is_too_heavy(b'["' + values + b'"]')
