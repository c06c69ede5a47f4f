"""What a worker's engine is told over a pipe whose other end may be killed at any byte."""

import msgspec
import pytest

from replay.scale.engine import whole_messages
from replay.scale.messages import Stop

WHOLE = msgspec.json.encode(Stop("enough")) + b"\n"


@pytest.mark.parametrize("cut", range(len(WHOLE)))
def test_a_message_that_was_cut_off_is_the_end_and_no_fault(cut):
    lines = (WHOLE * 2 + WHOLE[:cut]).splitlines(keepends=True)
    assert list(whole_messages(lines)) == [Stop("enough"), Stop("enough")]
