"""Content codings: taken off whole or in parts, and never more than allowed."""

import gzip
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


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "br", "zstd"]))
def test_what_is_no_such_body_never_raises(body, coding):
    found = uncoded(body, coding, 4096)

    assert found is None or len(found) <= 4096
