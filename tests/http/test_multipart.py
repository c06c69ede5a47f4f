"""Multipart bodies cut at their boundary and put together again."""

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.http.multipart import Part, with_contents

FORM = "multipart/form-data; boundary=b"


def parts_of(body, content_type=FORM):
    """The parts that are told, and what is made of the body where each keeps its content."""
    told = []

    def keep(part):
        told.append(part)
        return part.content

    return told, with_contents(body, content_type, keep, "(withheld)")


def part(*headers, content=""):
    return Part(list(headers), content)


def of_disposition(value):
    return part(("content-disposition", value)).field_names


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_parts_are_what_stands_between_the_lines_of_the_boundary(end):
    lines = ["--b", "A: 1", "B:  two", "\twords ", "", "one", "--a", "", "--b \t", "", "", "two", "--b--", ""]

    parts, made = parts_of(end.join(lines))

    assert parts == [
        part(("a", "1"), ("b", "two words"), content=f"one{end}--a{end}"),
        part(content=f"{end}two"),
    ]
    assert made == end.join(lines)


@pytest.mark.parametrize(
    "cut", ["--b--", "--b--\r\n", "--b\r\n\r\n--b--", "\r\n--b--", "--b\n--b\n--b--", "--b"]
)
def test_a_form_without_anything_in_it_stays_as_it_is(cut):
    assert parts_of(cut) == ([], cut)


@pytest.mark.parametrize(
    ("body", "made"),
    [
        ("before\r\n--b\r\n\r\nx\r\n--b--", "(withheld)\r\n--b\r\n\r\nx\r\n--b--"),
        ("--b\r\n\r\nx\r\n--b--\r\nafter", "--b\r\n\r\nx\r\n--b--\r\n(withheld)"),
        ("--b\r\nwithout a head\r\n--b--", "--b\r\n(withheld)\r\n--b--"),
        ("--b\r\nA: cut off", "--b\r\n(withheld)"),
        ("--b\r\nA b: 1\r\n\r\nx\r\n--b--", "--b\r\n(withheld)\r\n--b--"),
        ("--b\r\n\r\nx\r\n--bc\r\ny\r\n--b--", "--b\r\n(withheld)\r\n--b--"),
        ("--b\r\n\r\nx\r\n--b\ry\r\n--b--", "--b\r\n(withheld)\r\n--b--"),
        ("--b\r\n\r\nx\r\n--b--y\r\n--b\r\n\r\nz\r\n--b--", "--b\r\n(withheld)\r\n--b\r\n\r\nz\r\n--b--"),
    ],
)
def test_what_has_not_the_shape_of_a_part_is_withheld(body, made):
    assert parts_of(body)[1] == made


@pytest.mark.parametrize(
    ("content_type", "first"),
    [
        ("multipart/form-data; boundary=b", "--b"),
        ('multipart/mixed;x=y;BOUNDARY = "b c?"', "--b c?"),
        ("multipart/form-data", "--b"),
        ("multipart/form-data; boundary=other", "--b"),
        ("multipart/form-data; boundary=b; boundary=b", "--b"),
    ],
)
def test_the_boundary_is_the_stated_one_or_else_the_one_of_the_first_line(content_type, first):
    assert parts_of(f"{first}\r\n\r\nx\r\n{first}--", content_type)[0] == [part(content="x")]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("nothing of the kind", FORM),
        ("", FORM),
        ("--", FORM),
        ("\r\n--\r\n\r\nx", "multipart/form-data; boundary="),
        ("--a\r\n\r\nx\r\n--b\r\n\r\ny", "multipart/form-data; boundary=a; boundary=b"),
    ],
)
def test_without_one_boundary_there_are_no_parts(body, content_type):
    assert parts_of(body, content_type) == ([], None)


def test_a_stated_boundary_counts_whatever_the_first_line_is():
    body = "--a\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--"

    assert parts_of(body) == ([part(content="y")], "(withheld)\r\n--b\r\n\r\ny\r\n--b--")


@pytest.mark.parametrize(
    ("disposition", "names"),
    [
        ("form-data; name=a", ["a"]),
        ('form-data; filename="; name=x"; NAME = "a;b"', ["a;b"]),
        (r'form-data; name="p\ass"', [r"p\ass", "pass"]),
        ('form-data; name="p%61ss"', ["p%61ss", "pass"]),
        ('form-data; name="a"; name=b;', ["a", "b"]),
        ('form-data; name=""', [""]),
        ("form-data; filename=name", []),
        ("attachment", []),
        ("form-data; name*=utf-8''pass", None),
        ('form-data; name="pass', None),
        ("form-data; name=pass word", None),
        ("form-data; name", None),
    ],
)
def test_a_field_has_every_name_that_a_reader_may_give_it(disposition, names):
    found = of_disposition(disposition)

    assert (None if found is None else list(dict.fromkeys(found))) == names


def test_headers_that_are_there_twice_tell_nothing():
    twice = part(*[("content-disposition", "form-data; name=a"), ("content-type", "a/b")] * 2)

    assert (twice.field_names, twice.content_type) == (None, None)
    assert part().field_names == []
    assert part().content_type == ""


@pytest.mark.parametrize(
    ("name", "coding", "is_plain"),
    [
        ("content-transfer-encoding", "8BIT", True),
        ("content-transfer-encoding", "base64", False),
        ("content-transfer-encoding", "quoted-printable", False),
        ("content-encoding", "gzip", False),
        ("content-encoding", "identity", True),
    ],
)
def test_a_coded_part_does_not_stand_for_itself(name, coding, is_plain):
    assert part((name, coding)).is_plain == is_plain


lines = st.lists(st.sampled_from(["", "--", "--b", "--b--", "--bb", "A: 1", " x", "x", "\r", "-"]), max_size=12)


@given(lines, st.sampled_from(["\r\n", "\n"]))
def test_a_body_of_which_nothing_is_withheld_is_put_together_as_it_was(pieces, end):
    body = end.join(pieces)

    made = parts_of(body)[1]

    assert made is None or made == body or "(withheld)" in made


@given(st.lists(st.text("ab- \r\n", max_size=12), min_size=1, max_size=4))
def test_whole_bodies_are_cut_as_the_standard_library_cuts_them(contents):
    # The standard library ends a line at a bare carriage return too, which no standard of HTTP does.
    contents = [content for content in contents if "\n--b" not in f"\n{content}".replace("\r", "\n")]
    body = "".join(f"--b\r\nX-A: 1\r\n\r\n{content}\r\n" for content in contents) + "--b--\r\n"
    text = f"Content-Type: multipart/mixed; boundary=b\r\n\r\n{body}"
    theirs = email.message_from_string(text, policy=email.policy.HTTP)

    ours, made = parts_of(body)

    assert made == body
    assert [found.content for found in ours] == contents
    assert len(ours) == (len(theirs.get_payload()) if contents else 0)
