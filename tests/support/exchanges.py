"""Exchanges as the recording proxy saw them."""

from replay.recording.types import Exchange, SessionRef

MS = 1_000_000


def exchange(path="/", body=b"", **fields):
    return Exchange(
        **{
            "number": 1,
            "session": SessionRef("s", "header"),
            "method": "POST" if body else "GET",
            "path": path,
            "client_path": path,
            "headers": [],
            "upstream": "",
            "begin_ns": 5 * MS,
            "first_byte_ns": 7 * MS,
            "end_ns": 15 * MS,
            "body": body,
            "body_bytes": len(body or b""),
            "status": 200,
            **fields,
        }
    )
