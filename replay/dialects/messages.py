"""Reads the messages of a WebSocket as the events that they are: a token where it brings content, an end, an error.

A message is one event, without the lines that server-sent events put around theirs; else nothing differs.
"""

import re

from replay.dialects.streams import StreamReader

_LINE_END = re.compile(rb"\r\n|\r|\n")


class MessageEvents(StreamReader):
    """Fed with whole messages. It is never cut short: who waits for messages knows which is the last."""

    __slots__ = ()

    @property
    def is_cut_short(self) -> bool:
        return False

    @property
    def is_over(self) -> bool:
        """Whether an error has come, or the end that the layout of a model's answer has."""
        if self.error is not None:
            return True
        dialect = self._dialect
        return dialect is not None and dialect.family == "model" and self.has_ended

    def take(self, message: bytes, now_ns: int) -> None:
        """Read this message, which came at now_ns."""
        if b"\n" in message or b"\r" in message:
            # Between the parts of a JSON document any white space is as good.
            message = _LINE_END.sub(b"\ndata: ", message)
        block = b"data: " + message
        mould = self._mould
        if (mould is not None and mould.fits(block)) or self._shows(block):
            self._token(now_ns)
