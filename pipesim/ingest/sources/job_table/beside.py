"""Tables that lie beside a log and say more of what its rows name, as a list of machines does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path

import polars as pl

from pipesim.errors import FileError
from pipesim.identity import content_hash, file_hash
from pipesim.ingest.mapping.model import Join
from pipesim.ingest.mapping.shaping import Beside
from pipesim.ingest.reading.files import LogFile


@dataclass(frozen=True)
class Found:
    """Where the tables of a mapping's joins lie.

    Args:
        places: For each folder of log files, the file of each join, by its pattern.
    """

    places: dict[Path, dict[str, Path]]

    @property
    def paths(self) -> frozenset[Path]:
        """All of them."""
        return frozenset(path for inside in self.places.values() for path in inside.values())

    @cached_property
    def digest(self) -> str:
        """Identifies the content of all of them."""
        return content_hash(*(file_hash(path) for folder in sorted(self.places) for path in self.places[folder].values()))

    def table(self, join: Join, file: LogFile) -> Beside:
        """Return the table that a file's rows are joined with.

        Raises:
            FileError: If it cannot be read, lacks a column, or has two rows of one key.
        """
        path = self.places[file.path.parent][join.file]
        rows = _read(path, join)
        keys = list(join.by.values())
        missing = [name for name in (*keys, *join.columns.values()) if name not in rows.columns]
        if missing:
            raise FileError(
                f"it lacks the column {', '.join(missing)}", where=str(path), remedy=f"it has {', '.join(rows.columns)}"
            )
        taken = [pl.col(theirs).alias(ours) for ours, theirs in join.columns.items()]
        found = [pl.col(key).alias(f"#key {key}") for key in keys]
        rows = rows.select(*found, *taken).cast(pl.String).unique(maintain_order=True)
        keys = [f"#key {key}" for key in keys]
        twice = rows.filter(pl.struct(keys).is_duplicated())
        if not twice.is_empty():
            said = ", ".join(f"{key.removeprefix('#key ')} {twice[key][0]!r}" for key in keys)
            raise FileError(f"it says two different things of {said}", where=str(path), remedy="leave one row for each")
        return Beside(rows, {ours: f"#key {theirs}" for ours, theirs in join.by.items()})


def find_beside(joins: Sequence[Join], files: Sequence[LogFile]) -> Found:
    """Find the tables that joins name in the folders of log files.

    Raises:
        FileError: If a folder has none for a join, or several.
    """
    places: dict[Path, dict[str, Path]] = {}
    patterns = list(dict.fromkeys(join.file for join in joins))
    for folder in sorted({file.path.parent for file in files}):
        inside = sorted(path for path in folder.iterdir() if path.is_file())
        for pattern in patterns:
            fitting = [path for path in inside if fnmatch(path.name, pattern)]
            if len(fitting) != 1:
                raise FileError(
                    f"the mapping joins with {pattern}, of which there are {len(fitting)} here",
                    where=str(folder),
                    remedy="put that table beside the log, and no other of such a name",
                )
            places.setdefault(folder, {})[pattern] = fitting[0]
    return Found(places)


def _read(path: Path, join: Join) -> pl.DataFrame:
    try:
        if path.suffix in (".parquet", ".pq"):
            return pl.read_parquet(path)
        if path.suffix in (".jsonl", ".ndjson"):
            return pl.read_ndjson(path, infer_schema_length=None)
        header = list(join.header) or None
        return pl.read_csv(path, infer_schema=False, has_header=header is None, new_columns=header)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).split("\n", 1)[0]
        raise FileError(f"the table cannot be read ({reason})", where=str(path), remedy="correct it") from error
