"""Logs in, canonical rows out: reading, typing, validation, folding and accounting, the same for every log format."""

from pipesim.ingest.accounts import FileAccount, IngestReport, RefusedFile
from pipesim.ingest.load import ingest, ingest_files
from pipesim.ingest.preview import Preview, preview
from pipesim.ingest.reading.files import LogFile, find_files
from pipesim.ingest.sources import AUTO, Source, find_source, recognise_source, source_names, sources

__all__ = [
    "AUTO",
    "FileAccount",
    "IngestReport",
    "LogFile",
    "Preview",
    "RefusedFile",
    "Source",
    "find_files",
    "find_source",
    "ingest",
    "ingest_files",
    "preview",
    "recognise_source",
    "source_names",
    "sources",
]
