"""The words that stand beside a status."""

import pytest

from replay.http.statuses import reason_of


@pytest.mark.parametrize(
    ("status", "reason"),
    [(200, b"OK"), (408, b"Request Timeout"), (431, b"Request Header Fields Too Large"), (599, b"Error")],
)
def test_a_status_has_its_reason_and_an_unknown_one_a_word_at_least(status, reason):
    assert reason_of(status) == reason
