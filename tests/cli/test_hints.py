"""A hint at what would make reading a long run quicker."""

import pytest

from replay.cli.hints import hint_at_columns
from replay.results.tables import cache
from replay.results.types import STEPS_FILE


@pytest.mark.parametrize(
    ("has_extra", "size_bytes", "is_said"), [(False, 2000, True), (True, 2000, False), (False, 10, False)]
)
def test_it_is_given_where_a_long_run_is_read_as_text_for_want_of_the_extra(
    tmp_path, monkeypatch, capsys, has_extra, size_bytes, is_said
):
    steps = tmp_path / STEPS_FILE
    steps.write_bytes(b"x" * size_bytes)
    monkeypatch.setattr(cache, "has_parquet", lambda: has_extra)
    monkeypatch.setattr(cache, "_LONG_BYTES", 1000)

    hint_at_columns(tmp_path / "none", tmp_path)

    out, err = capsys.readouterr()
    said = (
        f"replay: {steps}: 2 kB of text, read again by each command. With the extra parquet it would be read once, and "
        "take a third of the time from then on: pip install 'agent-replay[parquet]'\n"
    )
    assert (out, err) == ("", said if is_said else "")
