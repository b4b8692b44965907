"""Logs in, canonical rows out: reading, typing, validation, folding and accounting, the same for every log format."""

from pipesim.ingest.accounts import FileAccount, IngestReport, RefusedFile
from pipesim.ingest.load import ingest
from pipesim.ingest.sources import find_source, source_names

__all__ = ["FileAccount", "IngestReport", "RefusedFile", "find_source", "ingest", "source_names"]
