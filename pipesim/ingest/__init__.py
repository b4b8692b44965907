"""Logs in, canonical rows out: reading, typing, validation, folding and accounting, the same for every log format."""

from pipesim.ingest.load import FileAccount, IngestReport, ingest, known_files
from pipesim.ingest.sources import find_source, source_names

__all__ = ["FileAccount", "IngestReport", "find_source", "ingest", "known_files", "source_names"]
