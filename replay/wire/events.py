"""Times the token events of a server-sent event stream, from bytes cut anywhere, without parsing JSON.

An event counts as a token when one of its data lines carries something to show. Which do not is told by the
bytes alone (a table, below): `[DONE]`, an empty line, and those chunks of a chat completion that only name the
role, only give the usage, or only say why the answer ended. A stream in another layout counts every event.

An event happens in the read that brings its end (the empty line). Events that one read brings together happen
together, so the gaps between them are 0: the client cannot know more, and spreading them would invent it.

Line ends and fields: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import re

# A chat completion's chunk with one of these and none of the next is no token. Both ways of spacing JSON.
_NOTHING_IN = tuple(
    mark.replace(b":", colon)
    for mark in (
        b'"choices":[]',
        b'"delta":{}',
        b'"content":""',
        b'"content":null',
        b'"delta":{"role":"assistant"}',
    )
    for colon in (b":", b": ")
)
# A null or an empty string shows nothing, nor does a number: a usage has its own "reasoning_tokens".
_YET_SOMETHING = re.compile(
    rb'"(?:content|reasoning(?:_content)?|refusal)": ?"[^"]|"tool_calls": ?\[\{|"function_call": ?\{'
).search
_EMPTY = (b"", b"[DONE]")
_BOM = b"\xef\xbb\xbf"
# A longer value is judged by its first bytes, however it is cut, and no more of its line is kept.
_VALUE_READ_BYTES = 64 * 1024
_LINE_KEPT_BYTES = _VALUE_READ_BYTES + len(_BOM) + len(b"data:")


class SseTimer:
    """Fed with a stream's bytes as they come; keeps when its tokens came.

    first_token_ns: 0 until there is one. itl_ns: gaps between token events, one fewer than token_count.
    """

    __slots__ = (
        "_follows_cr",
        "_has_token",
        "_is_start",
        "_last_ns",
        "_rest",
        "first_token_ns",
        "itl_ns",
        "token_count",
    )

    def __init__(self) -> None:
        self._rest = b""
        self._follows_cr = self._has_token = False
        self._is_start = True
        self._last_ns = 0
        self.first_token_ns = self.token_count = 0
        self.itl_ns: list[int] = []

    def __repr__(self) -> str:
        return f"<SseTimer {self.token_count} tokens>"

    def feed(self, data: bytes, now_ns: int) -> None:
        """Read these bytes, which came at now_ns."""
        # Nearly every read brings exactly one event of one line: no line is cut out for it.
        if (
            not self._rest
            and not self._has_token
            and not self._follows_cr
            and data.startswith(b"data:")
            and data.endswith(b"\n\n")
            and data.find(b"\n") == len(data) - 2
            and b"\r" not in data
        ):
            self._is_start = False
            if _is_token(data[5:-2]):
                self._token(now_ns)
            return
        self._feed_lines(data, now_ns)

    def _feed_lines(self, data: bytes, now_ns: int) -> None:
        if self._follows_cr and data:
            self._follows_cr = False
            if data[0] == 0x0A:
                data = data[1:]
        if not data:
            return
        lines = data.splitlines(True)
        last = lines[-1]
        rest = b""
        if last[-1] == 0x0D:
            self._follows_cr = True
        elif last[-1] != 0x0A:
            rest = last
            lines.pop()
        if not lines:
            if len(self._rest) < _LINE_KEPT_BYTES:
                self._rest += rest[: _LINE_KEPT_BYTES - len(self._rest)]
            return
        lines[0] = self._rest + lines[0]
        self._rest = rest[:_LINE_KEPT_BYTES]
        for line in lines:
            self._line(line.rstrip(b"\r\n"), now_ns)

    def _line(self, line: bytes, now_ns: int) -> None:
        if self._is_start:
            self._is_start = False
            line = line.removeprefix(_BOM)
        if not line:
            if self._has_token:
                self._has_token = False
                self._token(now_ns)
        elif line.startswith(b"data:") and not self._has_token:
            self._has_token = _is_token(line[5:])

    def _token(self, now_ns: int) -> None:
        if self.token_count:
            self.itl_ns.append(now_ns - self._last_ns)
        else:
            self.first_token_ns = now_ns
        self._last_ns = now_ns
        self.token_count += 1


def _is_token(value: bytes) -> bool:
    """Whether the value of a data line carries something to show."""
    value = value[:_VALUE_READ_BYTES]
    if len(value) < 8 and value.strip() in _EMPTY:
        return False
    return not any(mark in value for mark in _NOTHING_IN) or bool(_YET_SOMETHING(value))
