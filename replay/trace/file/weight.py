"""What JSON weighs once it is decoded, told before it is: three bytes may become an object of a hundred and fifty.

So a file of some kilobytes that somebody sent could take all memory of this machine. The weight is an estimate from
commas and brackets, with CPython's sizes, and serves a bound that lies far above what recordings hold.
"""

import numpy as np

MOST_DECODED_BYTES = 1 << 30

# Below it, no JSON can weigh more than the bound.
_LIGHT_BYTES = 4 << 20
# A place in a list or a dict, with a short text or a number in it; a struct or a dict; a list.
_VALUE_BYTES, _OBJECT_BYTES, _ARRAY_BYTES = 56, 96, 56
_CHUNK_BYTES = 4 << 20
_QUOTE, _COMMA, _BEGIN_OBJECT, _END_OBJECT, _BEGIN_ARRAY, _END_ARRAY = b'",{}[]'


def is_too_heavy(data: bytes, levels: int | None = None) -> bool:
    """Whether decoding this would take more than a gigabyte beside what its texts take.

    levels: how deep it will be decoded, where what lies deeper stays text; 1 is the outermost value.
    """
    if len(data) < _LIGHT_BYTES:
        return False
    # All commas and brackets, those in texts and those too deep included, weigh at least as much.
    if _weight(data.count(b","), data.count(b"{"), data.count(b"[")) <= MOST_DECODED_BYTES:
        return False
    return _decoded_bytes(data, levels) > MOST_DECODED_BYTES


def _weight(commas: int, objects: int, arrays: int) -> int:
    values = commas + objects + arrays
    return values * _VALUE_BYTES + objects * _OBJECT_BYTES + arrays * _ARRAY_BYTES


def _decoded_bytes(data: bytes, levels: int | None) -> int:
    commas = objects = arrays = depth = 0
    is_inside = False
    start = 0
    while start < len(data):
        end = start + _CHUNK_BYTES
        while data[end - 1 : end] == b"\\":  # an escape is not cut
            end += 1
        plain = data[start:end].replace(b"\\\\", b"").replace(b'\\"', b"")
        start = end
        found = np.frombuffer(plain, np.uint8)
        # Odd between the quotes of a text; it wraps around, which keeps it odd.
        quotes = np.cumsum(found == _QUOTE, dtype=np.uint8) + np.uint8(is_inside)
        is_inside = bool(quotes[-1] & 1) if len(quotes) else is_inside
        found = found[(quotes & 1) == 0]
        if levels is not None:
            opens = (found == _BEGIN_OBJECT) | (found == _BEGIN_ARRAY)
            closes = (found == _END_OBJECT) | (found == _END_ARRAY)
            depths = depth + np.cumsum(opens.astype(np.int8) - closes.astype(np.int8), dtype=np.int64)
            depth = int(depths[-1]) if len(depths) else depth
            found = found[depths <= levels]
        commas += int(np.count_nonzero(found == _COMMA))
        objects += int(np.count_nonzero(found == _BEGIN_OBJECT))
        arrays += int(np.count_nonzero(found == _BEGIN_ARRAY))
    return _weight(commas, objects, arrays)
