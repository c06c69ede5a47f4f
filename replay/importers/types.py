"""What packages of other teams import to bring a format: the same types that our own importers keep to."""

from replay.assembly.types import Importer, ImportOptions, ImportResult, SessionLines

__all__ = ["ImportOptions", "ImportResult", "Importer", "SessionLines"]
