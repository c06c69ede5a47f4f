"""Places of a request that can hold a secret, and a search for it in whatever form it was written."""

import base64
import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import zstandard
from pyarrow import parquet

SECRET = "hunter2CanaryAbCdEf0123456789"
"""Told by the name of where it stands only."""
SHAPED = {
    "OpenAI": f"sk-proj-{SECRET}",
    "GitHub": f"ghp_{SECRET}0123456",
    "AWS": "AKIAHUNTER2CANARYABC",
    "Google": "AIzaHunter2CanaryAbCdEf0123456789abcdef",
    "Slack": f"xoxb-{SECRET}",
    "JWT": "eyJodW50ZXIyIjoiY2FuYXJ5In0.eyJodW50ZXIyIjoiY2FuYXJ5In0.aHVudGVyMkNhbmFyeQ",
    "bearer": f"Bearer {SECRET}",
}
"""Told by their shape, wherever they stand. By whose they are."""


class Place(NamedTuple):
    """A request with a secret in one place. body: as it is sent."""

    path: str = "/a"
    headers: tuple[tuple[str, str], ...] = ()
    kind: str = "text/plain"
    body: bytes = b""


def places(secret: str, name: str = "api_key") -> dict[str, Place]:
    """A request for each place. name: under which it stands where a place has names."""
    quoted = quote(secret, safe="")
    document = json.dumps({"q": 1, "inner": [{name: secret}]})
    form = f"q=1&{name}={quoted}"
    multipart = f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{secret}\r\n--b--\r\n'
    coded = base64.b64encode(document.encode()).decode()
    return {
        "query": Place(f"/a?q=1&{name}={quoted}"),
        "matrix": Place(f"/a;{name}={quoted}/b"),
        "query in a query": Place(f"/a?next={quote(f'/b?{name}={quoted}', safe='')}"),
        "header": Place(headers=(("X-" + name.replace("_", "-"), secret),)),
        "authorization": Place(headers=(("Authorization", f"Bearer {secret}"),)),
        "cookie": Place(headers=(("Cookie", f"a=1; {name}={secret}"),)),
        "referer": Place(headers=(("Referer", f"http://h/a?{name}={quoted}"),)),
        "form": Place(kind="application/x-www-form-urlencoded", body=form.encode()),
        "multipart": Place(kind="multipart/form-data; boundary=b", body=multipart.encode()),
        "JSON": Place(kind="application/json", body=document.encode()),
        "JSON of another type": Place(kind="text/plain", body=document.encode()),
        "JSON lines": Place(kind="application/x-ndjson", body=f"{document}\n{document}\n".encode()),
        "JSON in a text": Place(kind="application/json", body=json.dumps({"arguments": document}).encode()),
        "base64": Place(kind="application/json", body=json.dumps({"data": coded}).encode()),
        "name and value": Place(kind="application/json", body=json.dumps([{"name": name, "value": secret}]).encode()),
        "list": Place(kind="application/json", body=json.dumps({name: [secret]}).encode()),
        "XML": Place(kind="application/xml", body=f"<a><{name}>{secret}</{name}></a>".encode()),
        "command": Place(body=f"export {name.upper()}={secret}; curl --{name.replace('_', '-')} {secret} h".encode()),
        "settings": Place(body=f"{name}: {secret}\n".encode()),
        "gzip": Place(
            kind="application/json", headers=(("Content-Encoding", "gzip"),), body=gzip.compress(document.encode())
        ),
    }  # fmt: skip


def texts(secret: str) -> dict[str, Place]:
    """Places without a name, in which only the shape of a secret tells it."""
    return {
        "segment": Place(f"/a/{quote(secret, safe='')}/b"),
        "text": Place(body=f"here is {secret} for you".encode()),
        "note": Place(headers=(("X-Note", secret),)),
        "JSON text": Place(kind="application/json", body=json.dumps({"q": [f"it is {secret} now"]}).encode()),
    }


def forms_of(secret: str) -> list[bytes]:
    """How it may be written: as it is, percent-encoded, in base64 of either alphabet at any offset, in hexadecimal."""
    found = [
        secret,
        quote(secret, safe=""),
        "".join(f"%{byte:02X}" for byte in secret.encode()),
        secret.encode().hex(),
    ]
    for before in range(3):
        coded = base64.b64encode(b"x" * before + secret.encode())[4:-4]
        found += [coded.decode(), coded.decode().replace("+", "-").replace("/", "_")]
    return [form.encode() for form in found]


def files_that_hold(secret: str, folder: Path) -> list[str]:
    """The files in a folder, those below it and inside compressed ones too, that hold the secret in any form."""
    forms = forms_of(secret)
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(form in data for data in _unpacked(path.read_bytes()) for form in forms)
    ]


def _unpacked(data: bytes) -> list[bytes]:
    if data.startswith(b"\x1f\x8b"):
        return [gzip.decompress(data)]
    if data.startswith(b"(\xb5/\xfd"):
        return [zstandard.ZstdDecompressor().stream_reader(data).read()]
    if data.startswith(b"PAR1"):
        # Its texts alone: what stands in pages is packed. Its schema and key-value pairs are read with them.
        file = parquet.ParquetFile(io.BytesIO(data))
        return [repr((file.read().to_pylist(), file.schema_arrow.metadata)).encode(), data]
    if data.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(data)) as inside:
            return [inside.read(name) for name in inside.namelist()]
    return [data]
