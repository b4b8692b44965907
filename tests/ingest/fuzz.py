"""Fuzz the reader of a log format: `python tests/ingest/fuzz.py slurm --minutes 10` (needs `pip install atheris`).

Guided by what code each input reaches, atheris changes the bytes of the format's fixtures. Whatever comes of it, the reader
must give entries that hold canonical records, or a `PipesimError` that says what is wrong; anything else is a finding, is kept
as `crash-*` in the current folder, and becomes a fixture once it is mended. Not collected by pytest.
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import atheris
import duckdb

with atheris.instrument_imports(include=["pipesim.ingest"]):
    from pipesim.errors import PipesimError
    from pipesim.ingest.reading.files import LogFile, find_files
    from pipesim.ingest.reading.records import Form
    from pipesim.ingest.reading.tabular import find_form, read_records, stream_records
    from pipesim.ingest.sources import Head, Source, find_source
from pipesim.lake import connect
from pipesim.schema import TRACE_TABLES

#: Where files are written fastest, on Linux.
_MEMORY = Path("/dev/shm")
FIXTURES = Path(__file__).parent / "fixtures"
#: The formats that are no translated ones: their lines are read by name of a source that reads such a file.
TABLES = {"csv": ("philly", ".csv"), "json": ("native", ".jsonl")}
SUFFIXES = {
    "argo": ".yaml",
    "slurm": ".txt",
    "swf": ".swf",
    "mlflow": ".db",
    "airflow": ".db",
    "wfformat": ".json",
    "openlineage": ".json",
}


def check_units(source: Source, path: Path) -> None:
    """Read every entry, and hold it to what a source promises."""
    (file,) = find_files([path], suffixes=source.suffixes)
    source.recognise(Head(file))
    units = source.units(file)
    if units is None:
        with connect() as con:
            check_records(con, file, find_form(con, file, source.wanted_fields(file)))
        return
    last = 0
    for unit in units:
        assert unit.number > last, "entries are numbered in order"
        last = unit.number
        assert not (unit.problem and not all(unit.problem)), "a problem has a rule and a sentence"
        for record in unit.records:
            table = TRACE_TABLES[str(record["table"])]
            unknown = record.keys() - table.by_name.keys() - {"table", "event_at"}
            assert not unknown, f"{table.name} has no {unknown}"
            assert all(value is None or isinstance(value, str | int | float | bool | datetime) for value in record.values())


def check_records(con: duckdb.DuckDBPyConnection, file: LogFile, form: Form) -> None:
    """Read every record, and have each line be one, or refused, or none by intention."""
    rest = None
    kept = lines = 0
    if streamed := stream_records(con, {0: file}, {0: form}):
        stream, records = streamed
        with contextlib.suppress(duckdb.InvalidInputException, duckdb.ConversionException):  # it is not plain after all
            kept = (
                con.execute(f"SELECT count(*) FROM ({records.select(records.fields)})").fetchall()[0][0] + stream.aside.total()
            )
            lines, rest = stream.lines.total(), stream.rest()
    for batch in read_records(con, {0: file}, {0: form}, rest=rest):
        whole = batch.sift() if batch.sift else batch
        kept += con.execute(f"SELECT count(*) FROM ({whole.select(whole.fields)})").fetchall()[0][0]
        kept += len({line.place for _, line in whole.bad}) + whole.blank_or_header.total()
        lines += whole.lines.total()
    assert kept == lines, f"{lines - kept} lines are lost"


def target(name: str, folder: Path) -> Callable[[bytes], None]:
    """Return the function that atheris calls with each input."""
    source_name, suffix = TABLES.get(name, (name, SUFFIXES.get(name, ".txt")))
    source = find_source(source_name)
    path = folder / f"input{suffix}"

    def one(data: bytes) -> None:
        path.write_bytes(data)
        with contextlib.suppress(PipesimError):
            check_units(source, path)

    return one


def lay_seeds(name: str, folder: Path) -> Path:
    """Return a folder of the format's fixtures as logs; those of databases are SQL that makes one."""
    if SUFFIXES.get(name) != ".db":
        return FIXTURES / name
    folder.mkdir()
    for script in (FIXTURES / name).glob("*.sql"):
        with contextlib.closing(sqlite3.connect(folder / f"{script.stem}.db")) as con:
            con.executescript(script.read_text(encoding="utf-8"))
            con.execute("VACUUM")
    return folder


def main() -> None:
    """Fuzz one format for some minutes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", choices=[*SUFFIXES, *TABLES])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seeds", type=Path, help="A folder of inputs to begin with; by default the format's fixtures.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        found = Path(folder) / "corpus"
        found.mkdir()
        seeds = asked.seeds or lay_seeds(asked.source, Path(folder) / "seeds")
        largest = max((file.stat().st_size for file in seeds.iterdir()), default=0) if seeds.is_dir() else 0
        options = [
            f"-max_total_time={round(asked.minutes * 60)}",
            f"-max_len={max(1 << 16, 2 * largest)}",
            "-timeout=300",
            "-rss_limit_mb=4096",
            "-print_final_stats=1",
        ]
        corpora = [str(found), *([str(seeds)] if seeds.is_dir() else [])]
        atheris.Setup([sys.argv[0], *options, *corpora], target(asked.source, Path(folder)))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
