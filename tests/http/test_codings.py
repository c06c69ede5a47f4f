"""Content codings: taken off whole or in parts, and never more than allowed."""

import contextlib
import gzip
import tracemalloc
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from replay.http.codings import CodingError, codings_of, uncoded, uncoder

BODY = b'{"error":{"message":"overloaded"}}' * 20


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKED = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "deflate (raw)": raw_deflate,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("name", PACKED)
def test_a_whole_body_comes_back(name):
    coding = name.partition(" ")[0]

    assert uncoded(PACKED[name](BODY), coding, 1 << 20) == BODY
    assert uncoded(PACKED[name](BODY), f" {coding.upper()} ", 1 << 20) == BODY


@pytest.mark.parametrize("name", [name for name in PACKED if name != "zstd"])
def test_a_body_in_parts_of_one_byte_comes_back(name):
    reader = uncoder(name.partition(" ")[0], 1 << 20)
    packed = PACKED[name](BODY)

    assert b"".join(reader.feed(packed[n : n + 1]) for n in range(len(packed))) == BODY


def test_codings_come_off_in_the_opposite_order():
    packed = brotli.compress(gzip.compress(BODY))

    assert uncoded(packed, "gzip, br", 1 << 20) == BODY
    assert codings_of("gzip, identity, br") == ["br", "gzip"]


@pytest.mark.parametrize("coding", ["compress", "gzip, rot13", "gzip, gzip, gzip, gzip", "aws-chunked"])
def test_what_is_not_known_is_not_guessed(coding):
    assert uncoded(BODY, coding, 1 << 20) is None
    assert uncoder(coding, 1 << 20) is None


@pytest.mark.parametrize("name", PACKED)
def test_a_bomb_gives_nothing(name):
    coding = name.partition(" ")[0]
    bomb = PACKED[name](b"\0" * 30_000_000)

    assert uncoded(bomb, coding, 1 << 20) is None
    reader = uncoder(coding, 1 << 20)
    if reader is not None:
        with pytest.raises(CodingError):
            reader.feed(bomb)


@pytest.mark.parametrize("name", PACKED)
def test_a_body_that_was_cut_is_none(name):
    assert uncoded(PACKED[name](BODY)[:-9], name.partition(" ")[0], 1 << 20) is None


def test_a_body_without_a_coding_is_left_as_it_is_however_long():
    assert uncoded(b"x" * 100, "", 10) == b"x" * 100
    assert uncoded(b"x" * 100, "identity", 10) == b"x" * 100


MEMBERS = gzip.compress(b"data: a\n\n") + gzip.compress(b"") + gzip.compress(b"data: b\n\n")


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(MEMBERS), 1 << 20])
@pytest.mark.parametrize("after", [b"", b"\0\0\0", b"\x1f", b"garbage"])
def test_every_member_of_gzip_comes_back_and_what_follows_the_last_does_not(size, after):
    packed = MEMBERS + after
    reader = uncoder("gzip", 1 << 20)

    parts = [reader.feed(packed[at : at + size]) for at in range(0, len(packed), size)]

    assert b"".join(parts) == uncoded(packed, "gzip", 1 << 20) == b"data: a\n\ndata: b\n\n"


def test_what_follows_a_body_is_not_kept():
    reader = uncoder("gzip", 1 << 20)
    reader.feed(gzip.compress(BODY))
    tracemalloc.start()
    try:
        for _ in range(50):
            assert reader.feed(b"x" * 65_536) == b""
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept_bytes < 200_000


def test_members_share_one_bound_and_many_cost_no_more_than_their_bytes():
    assert uncoded(gzip.compress(b"x" * 60) * 2, "gzip", 100) is None
    assert uncoded(gzip.compress(b"x" * 50) * 2, "gzip", 100) == b"x" * 100
    assert uncoded(gzip.compress(b"") * 50_000, "gzip", 1 << 20) == b""


def test_a_member_that_was_cut_leaves_a_body_that_was_cut():
    assert uncoded(MEMBERS[:-9], "gzip", 1 << 20) is None


def test_deflate_has_no_members():
    assert uncoded(zlib.compress(BODY) + gzip.compress(b"b"), "deflate", 1 << 20) == BODY


def test_every_frame_of_zstd_comes_back_and_one_that_was_cut_does_not():
    frame = zstandard.ZstdCompressor().compress(BODY)
    skippable = b"\x50\x2a\x4d\x18\x02\0\0\0xx"

    assert uncoded(skippable + frame + frame + skippable, "zstd", 1 << 20) == BODY * 2
    for end in range(len(frame) + 1, 2 * len(frame)):
        assert uncoded((frame * 2)[:end], "zstd", 1 << 20) is None


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_the_first_bytes_of_a_body_alone_are_a_body_that_was_cut(length):
    for name, pack in PACKED.items():
        assert uncoded(pack(BODY)[:length], name.partition(" ")[0], 1 << 20) is None


STARTS = [b"", *(pack(BODY) for pack in PACKED.values()), *(pack(BODY)[:9] for pack in PACKED.values())]


@given(
    st.sampled_from(STARTS),
    st.lists(st.binary(max_size=40), max_size=8),
    st.sampled_from(["gzip", "deflate", "br"]),
)
def test_whatever_comes_in_parts_is_refused_in_one_way_only(start, parts, coding):
    reader = uncoder(coding, 4096)
    with contextlib.suppress(CodingError):
        for part in (start, *parts):
            assert len(reader.feed(part)) <= 4096


@given(st.sampled_from(STARTS), st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "br", "zstd"]))
def test_what_is_no_such_body_never_raises(start, body, coding):
    found = uncoded(start + body, coding, 4096)

    assert found is None or len(found) <= 4096
