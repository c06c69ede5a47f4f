"""Foreign recordings turned into traces: one module a format. The table of them is replay/importers/formats.py."""

from replay.assembly.types import Importer
from replay.importers.built_in import BuiltIn
from replay.importers.cleaned import Cleaned
from replay.importers.explained import Explained
from replay.importers.formats import FORMATS

IMPORTERS: dict[str, Importer] = {}
IMPORTERS |= {each.name: Explained(Cleaned(BuiltIn(each)), IMPORTERS) for each in FORMATS}
