"""The contract that other packages get for their importers, tried on ours; and that it finds what breaks it."""

import re
import sys

import msgspec
import pytest

from replay.assembly.types import ImportResult
from replay.importers import IMPORTERS
from replay.testing import IMPORTER_CHECKS, Sample
from replay.trace.errors import TraceError
from replay.trace.types import FORMAT, VERSION, Edge, Header, Request, Session, Step
from tests.support.recordings import FORMATS, in_place_of_mitmproxy


@pytest.fixture(autouse=True)
def _library(monkeypatch):
    for name, module in in_place_of_mitmproxy().items():
        monkeypatch.setitem(sys.modules, name, module)


every_check = pytest.mark.parametrize("check", IMPORTER_CHECKS, ids=lambda check: check.__name__)


@every_check
@pytest.mark.parametrize("name", IMPORTERS)
def test_every_importer_keeps_to_the_contract(name, check, tmp_path):
    written = FORMATS[name]
    check(IMPORTERS[name], Sample(written.suffix, lambda n, text: written.of(n, text).encode()), tmp_path)


class Doors:
    """A log of lines `MS PATH`. breaks: what it does wrong."""

    name, describe = "door-log", "Doors that were opened, a line each"

    def __init__(self, breaks=""):
        self._breaks = breaks
        self._reads = 0
        if breaks == "tells_its_name":
            self.name = "Door Log"

    def sniff(self, first_bytes):
        if self._breaks in ("knows_its_own_format", "knows_no_other"):
            return self._breaks == "knows_no_other"
        return re.match(rb"\d+ door-\S+\n", first_bytes) is not None

    def read(self, paths, options):
        breaks = self._breaks
        files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
        if breaks == "takes_a_folder_for_its_files":
            files = paths
        try:
            text = "".join(file.read_bytes().decode("utf-8", "replace") for file in files)
        except OSError as error:
            raise TraceError(f"{paths[0].name}: cannot be read.") from error
        found = [line.split(" door-") for line in text.split("\n") if re.fullmatch(r"\d{1,9} door-.*", line)]
        if not found:
            raise (KeyError if breaks == "refuses_what_is_no_recording" else TraceError)("doors: no requests.")
        if breaks == "imports_every_step":
            found = found[1:]
        self._reads += 1
        steps = []
        for n, (ms, path) in enumerate(found):
            named = path if breaks in ("takes_out_secrets", "takes_any_text") else "door"
            at_ms = float(ms) + (breaks == "imports_the_same_twice") * self._reads
            steps.append(Step(str(n), "http", named[:1000], at_ms=at_ms, request=Request("GET", "/door")))
        if breaks == "takes_out_secrets":
            steps = [msgspec.structs.replace(step, name=step.name[:400]) for step in steps]
        if breaks == "starts_steps_when_they_were":
            steps[0].at_ms += 5
            steps[1].after = (Edge("0", delay_ms=1),)
        header = Header(FORMAT, VERSION, options.name or "doors", resolution_ms=1.0)
        return ImportResult(header, lambda: iter([Session("s", 0.0, steps)]), ("Doors.",))


DOORS = Sample(".log", lambda n, text: "".join(f"{1000 * i} door-{text}\n" for i in range(n)).encode())


@every_check
def test_an_importer_of_another_package_can_keep_to_it(check, tmp_path):
    check(Doors(), DOORS, tmp_path)


@every_check
def test_what_breaks_it_is_found_and_said_in_a_sentence(check, tmp_path):
    with pytest.raises(AssertionError, match=r"\w.*\.\Z"):
        check(Doors(check.__name__), DOORS, tmp_path)
