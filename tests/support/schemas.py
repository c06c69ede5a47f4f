"""Files held to the schemas that `replay schema` prints, by somebody else's validator."""

import json
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator

from replay.schemas.making import schema_of


@cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(schema_of(name))


def misfits(name: str, document: object) -> list[str]:
    """In what a document does not fit the schema of that name."""
    return [
        f"{error.json_path}: {error.message}"
        for error in sorted(validator(name).iter_errors(document), key=lambda error: error.json_path)
    ]


def misfits_of_file(name: str, path: Path) -> list[str]:
    """The same of a file, each line of it where it is JSON Lines. A file without any line is none."""
    text = path.read_text()
    documents = text.splitlines() if path.suffix == ".jsonl" else [text]
    assert documents, f"{path} is empty"
    return [
        f"{path.name}, {n}: {one}"
        for n, line in enumerate(documents, 1)
        for one in misfits(name, json.loads(line))
    ]
