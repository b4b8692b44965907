"""Logs in, canonical rows out: reading, typing, validation, folding and accounting, the same for every log format."""

from pipesim.ingest.accounts import FileAccount, IngestReport, RefusedFile
from pipesim.ingest.files import find_files
from pipesim.ingest.load import ingest, ingest_files
from pipesim.ingest.sources import AUTO, find_source, recognise_source, source_names, sources

__all__ = [
    "AUTO",
    "FileAccount",
    "IngestReport",
    "RefusedFile",
    "find_files",
    "find_source",
    "ingest",
    "ingest_files",
    "recognise_source",
    "source_names",
    "sources",
]
