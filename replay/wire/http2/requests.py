"""Header blocks of requests, made from rendered heads without any state of HPACK (RFC 7541), so that any connection
takes any of them at any time: fields of the static table, and literals that are not to be indexed.
"""

from replay.http.fields import OF_THE_CONNECTION

# What RFC 9113, section 8.2.2, forbids; `te: trailers` is the one exception that it makes.
LEFT_OUT = frozenset(name.encode() for name in OF_THE_CONNECTION) | {b"te", b"transfer-encoding"}
# Whoever passes these on is to keep them out of its own tables (RFC 7541, section 7.1.3).
_SECRET = frozenset((b"authorization", b"cookie", b"proxy-authorization"))
_METHODS = {b"GET": b"\x82", b"POST": b"\x83"}
_AUTHORITY, _METHOD, _PATH = 1, 2, 4
_ROOT = b"\x84"
_HTTP, _HTTPS = b"\x86", b"\x87"
# Names of the static table (RFC 7541, appendix A) that requests have.
_STATIC = {
    name: 15 + index
    for index, name in enumerate(
        b"accept-charset accept-encoding accept-language accept-ranges accept access-control-allow-origin age allow "
        b"authorization cache-control content-disposition content-encoding content-language content-length "
        b"content-location content-range content-type cookie date etag expect expires from host if-match "
        b"if-modified-since if-none-match if-range if-unmodified-since last-modified link location max-forwards "
        b"proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie "
        b"strict-transport-security transfer-encoding user-agent vary via www-authenticate".split()
    )
}
_WITHOUT_INDEXING, _NEVER_INDEXED = 0x00, 0x10
# Heads of one target have most lines in common; what is in one alone, a trace id, pushes the rest out now and then.
_LINES_MOST = 4096


class _Lines(dict[bytes, bytes]):
    """Header lines with the fields that they are in a block, each made when it is first asked for.

    left_out: names of those that are nothing in a block; what a Connection header names joins them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.left_out = LEFT_OUT
        # By names as they are written: what a field with that name begins with, whatever its value is.
        self._begun: dict[bytes, bytes] = {}

    def __missing__(self, line: bytes) -> bytes:
        """Raises ValueError for what is no header line, or not one that may come here."""
        if len(self) >= _LINES_MOST:
            self.clear()
        name, _, value = line.partition(b":")
        begun = self._begun.get(name)
        if begun is None:
            made = self._field(line, name)
        else:
            value = value.strip(b" \t")
            size = len(value)
            made = begun + (_LENGTHS[size] if size < 127 else _integer(size, 7, 0)) + value
        self[line] = made
        return made

    def clear(self) -> None:
        super().clear()
        self._begun.clear()

    def _field(self, line: bytes, written: bytes) -> bytes:
        name, value = _parted(line)
        if name in self.left_out and not (name == b"te" and value.lower() == b"trailers"):
            if name == b"connection":
                named = {token.strip().lower() for token in value.split(b",")}
                if not self.left_out.issuperset(named):
                    self.left_out |= named
            return b""
        if name == b"host":
            raise ValueError("there is more than one Host header")
        how = _NEVER_INDEXED if name in _SECRET else _WITHOUT_INDEXING
        index = _STATIC.get(name)
        begun = _integer(index, 4, how) if index is not None else bytes((how,)) + _string(name)
        if name != b"te":
            self._begun[written] = begun
        return begun + _string(value)


class RequestBlocks:
    """Blocks of the requests to one URL; the lines that heads have in common are put into blocks once."""

    def __init__(self, *, is_tls: bool) -> None:
        self._scheme = _HTTPS if is_tls else _HTTP
        self._starts: dict[tuple[bytes, bytes], bytes] = {}
        self._fields = _Lines()

    def __repr__(self) -> str:
        return f"<RequestBlocks {len(self._starts)} starts, {len(self._fields)} fields>"

    def block(self, head: bytes) -> bytes:
        """The block of a rendered HTTP/1.1 head. Raises ValueError if it is not one."""
        lines = head.split(b"\r\n")
        if len(lines) < 4 or head[-4:] != b"\r\n\r\n":
            raise ValueError("the head does not end in an empty line")
        fields = self._fields
        left_out = fields.left_out
        start = self._starts.get((lines[0], lines[1]))
        if start is None:
            start = self._start(lines)
        block = start + b"".join([fields[line] for line in lines[2:-2]])
        if fields.left_out is not left_out:
            # A Connection header named some that were made before.
            fields.clear()
            return self.block(head)
        return block

    def _start(self, lines: list[bytes]) -> bytes:
        """The pseudo-headers, which come first: of the request line, and of Host, which is moved up to it."""
        at = next((n for n, line in enumerate(lines) if line[:5].lower() == b"host:"), None)
        if at is None:
            raise ValueError("there is no Host header")
        lines.insert(1, lines.pop(at))
        parts = lines[0].split(b" ")
        if len(parts) != 3 or parts[2] != b"HTTP/1.1" or not parts[0] or not parts[1]:
            raise ValueError("the request line is not method, target and HTTP/1.1")
        method, target, _ = parts
        start = (
            (_METHODS.get(method) or _literal(_METHOD, method))
            + self._scheme
            + (_ROOT if target == b"/" else _literal(_PATH, target))
            + _literal(_AUTHORITY, _parted(lines[1])[1])
        )
        if len(self._starts) >= _LINES_MOST:
            self._starts.clear()
        self._starts[lines[0], lines[1]] = start
        return start


def _parted(line: bytes) -> tuple[bytes, bytes]:
    """A header line's name, in lower case, and its value. Raises ValueError."""
    name, colon, value = line.partition(b":")
    if not colon or not name or name != name.strip():
        raise ValueError("a header line has no name")
    return name.lower(), value.strip(b" \t")


def _literal(index: int, value: bytes) -> bytes:
    """A field whose name is in the static table."""
    return _integer(index, 4, _WITHOUT_INDEXING) + _string(value)


def _string(text: bytes) -> bytes:
    return _integer(len(text), 7, 0) + text


def _integer(value: int, bits: int, first: int) -> bytes:
    """RFC 7541, section 5.1, in a byte that begins with first."""
    most = (1 << bits) - 1
    if value < most:
        return bytes((first | value,))
    out = bytearray((first | most,))
    value -= most
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_LENGTHS = tuple(bytes((size,)) for size in range(127))
