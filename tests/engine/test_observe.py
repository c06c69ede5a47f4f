"""What a plane says of itself, understood."""

import pytest

from replay.engine.observe import understood


def test_json_is_taken_as_it_is():
    assert understood(b'{"instances": {"idle": 1}}') == {"instances": {"idle": 1}}


def test_prometheus_text_becomes_numbers_under_their_names_and_labels():
    text = b"""# HELP x y
# TYPE x gauge
x 1
request_count{revision="a b",code="200"} 12 1700000000000
cpu{} 0.5
big 1e9
"""
    assert understood(text) == {
        "samples": {"x": 1.0, 'request_count{revision="a b",code="200"}': 12.0, "cpu{}": 0.5, "big": 1e9}
    }


@pytest.mark.parametrize("body", [b"<html>", b"{", b"x y z", b"\xff"])
def test_anything_else_is_refused(body):
    with pytest.raises(ValueError):  # noqa: PT011 - JSON and UTF-8 have words of their own
        understood(body)
