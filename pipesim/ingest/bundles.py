"""Staging of files: small ones that are written alike go through the reader together, as each pass has its price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import duckdb

from pipesim.catalog import quote_name
from pipesim.errors import FileError
from pipesim.ingest.accounts import FileAccount
from pipesim.ingest.mapping.shaping import Shape, shaped
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.lines import each_file
from pipesim.ingest.reading.parquet_records import damaged_files
from pipesim.ingest.reading.records import Form, Records
from pipesim.ingest.reading.tabular import find_form, read_records, stream_records
from pipesim.ingest.reading.unit import Unit
from pipesim.ingest.reading.unit_records import unit_records
from pipesim.ingest.sources.base import Projection, Source
from pipesim.ingest.sources.native import NATIVE_FIELDS
from pipesim.ingest.staging import Staging

#: Files of fewer bytes are small.
SMALL_BYTES = 4 << 20
#: How many rows of a Parquet file are shaped at a time.
_SHAPED_ROWS = 200_000


@dataclass
class Bundle:
    """Files that are read together.

    Args:
        form: How their records are written; None where the source translates entries.
        projections: What their records hold.
        shape: What is done with their rows first.
        files: The files by their numbers.
        forms: The form of each, unless the source translates entries.
    """

    form: Form | None
    projections: Sequence[Projection]
    shape: Shape | None
    files: dict[int, LogFile] = field(default_factory=dict)
    forms: dict[int, Form] = field(default_factory=dict)

    def is_like(self, other: Bundle) -> bool:
        """Whether the files of another bundle can be read with these."""
        return (self.form, self.projections, self.shape) == (other.form, other.projections, other.shape)

    def unread(self) -> set[str]:
        """Return the columns that no projection reads, where all files have the same ones."""
        if self.form is None or self.form.format == "json":
            return set()
        fields = [f for p in self.projections for f in [*p.fields.values(), *([p.event_at] if p.event_at else [])]]
        read = " ".join([*(f.sql for f in fields), *(p.where for p in self.projections)])
        return {name for name in self.form.names if quote_name(name) not in read}


def stage_files(
    staging: Staging, files: Sequence[LogFile], source: Source, failed: dict[int, FileError] | None
) -> list[FileAccount]:
    """Stage the records of files, and count their lines.

    Args:
        staging: Where the rows and refusals go.
        files: The files; their numbers are their places in this sequence.
        source: Their format.
        failed: Where the error of a file that cannot be read is put, by its number; by default it is raised.

    Returns:
        An account a file, with what can be said before the rows are folded.
    """
    accounts = [FileAccount(file.name, bytes=file.size) for file in files]
    for bundle in _bundles(staging, files, source, failed):
        unused: dict[int, set[str]] = {number: set(bundle.unread()) for number in bundle.files}
        for records in _guarded(staging, bundle, source, failed):
            for number, lines in records.lines.items():
                accounts[number].lines += lines
            for number, lines in records.blank_or_header.items():
                accounts[number].blank_or_header += lines
            for number, names in records.unused().items():
                unused[number] |= names
        known = source.known_unused() | (bundle.shape.reads if bundle.shape else frozenset())
        for number, found in unused.items():
            accounts[number].unused = sorted(found - known)
    return accounts


def _bundles(staging: Staging, files: Sequence[LogFile], source: Source, failed: dict[int, FileError] | None) -> list[Bundle]:
    """Put small files that are alike together, and each large one by itself."""
    bundles: list[Bundle] = []
    shared: list[Bundle] = []
    for number, file in enumerate(files):
        try:
            own = _bundle_of(staging, file, source)
        except FileError as error:
            if failed is None:
                raise
            failed[number] = error
            continue
        # Rows of Parquet that are shaped come in batches, of one file at a time.
        single = own.shape and (own.shape.beside or file.format == "parquet")
        small = file.size < SMALL_BYTES and not single
        bundle = next((b for b in shared if small and b.is_like(own)), own)
        if bundle is own:
            bundles.append(own)
            if small:
                shared.append(own)
        bundle.files[number] = file
        if own.form:
            bundle.forms[number] = own.form
    return bundles


def _bundle_of(staging: Staging, file: LogFile, source: Source) -> Bundle:
    if source.units(file) is not None:
        return Bundle(None, source.projections(file, NATIVE_FIELDS), None)
    if file.format == "sqlite":
        raise FileError(
            "this is a SQLite database", where=file.name, remedy="name the system it belongs to, as in --source mlflow"
        )
    shape = source.shape(file)
    form = find_form(staging.con, file, source.wanted_fields(file), source.layout(file))
    return Bundle(form, source.projections(file, [*form.names, *(shape.fields if shape else [])]), shape)


def _guarded(staging: Staging, bundle: Bundle, source: Source, failed: dict[int, FileError] | None) -> Iterator[Records]:
    """Stage a bundle's files, and find out which ones are damaged where the database cannot go on."""
    try:
        yield from _staged(staging, bundle, source, failed)
    except duckdb.Error:
        damaged = damaged_files(staging.con, bundle.files) if bundle.form and bundle.form.format == "parquet" else {}
        if not damaged:
            raise
        if failed is None:
            raise next(iter(damaged.values())) from None
        failed.update(damaged)


def _staged(staging: Staging, bundle: Bundle, source: Source, failed: dict[int, FileError] | None) -> Iterator[Records]:
    """Stage a bundle's files, and yield what was read of them batch by batch."""
    log = next(iter(bundle.files))
    if bundle.form is None:

        def entries(number: int, file: LogFile) -> Iterator[tuple[int, Unit]]:
            return ((number, unit) for unit in source.units(file) or ())

        for batch in unit_records(staging.con, each_file(bundle.files, entries, failed), NATIVE_FIELDS):
            yield staging.add(log, batch, bundle.projections)
        # What was refused so far shows the record; what is kept of a refused entry is how it stands in the file.
        staging.forget_raw(bundle.files)
        return
    rest = None
    if bundle.shape is None and (plain := stream_records(staging.con, bundle.files, bundle.forms, failed)):
        stream, records = plain
        if staging.add_at_once(records, bundle.projections, once=True):
            rest = stream.rest()
            yield replace(records, lines=stream.lines, blank_or_header=stream.aside)
    rows = _SHAPED_ROWS if bundle.shape else None
    batches = read_records(staging.con, bundle.files, bundle.forms, rest=rest, rows=rows, failed=failed)
    for batch in shaped(staging.con, batches, bundle.shape) if bundle.shape else batches:
        yield staging.add(log, batch, bundle.projections)
