"""What a mirror knows of the store: which version of each object a file is, up to which commit it followed each area."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from pipesim.object_store.state import area_of

_TABLES = """
CREATE TABLE IF NOT EXISTS files (area TEXT, path TEXT PRIMARY KEY, tag TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS of_area ON files (area);
CREATE TABLE IF NOT EXISTS marks (area TEXT PRIMARY KEY, mark TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cleared (only INTEGER PRIMARY KEY CHECK (only = 0), at REAL NOT NULL);
"""


class Index:
    """The index of a mirror, in one small SQLite file. It is used under the mirror's commit lock only.

    It may know less than is true, never more: a file is noted after it is in its place, a mark after all files of its area.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def tags(self, area: str) -> dict[str, str]:
        """Return the tag of each file of an area, by path."""
        with self._open() as con:
            return dict(con.execute("SELECT path, tag FROM files WHERE area = ?", [area]))

    def tag(self, path: str) -> str | None:
        """Return the tag of a file, or None if it is not known."""
        with self._open() as con:
            found = con.execute("SELECT tag FROM files WHERE path = ?", [path]).fetchone()
            return str(found[0]) if found else None

    def marks(self) -> dict[str, str]:
        """Return the commit up to which each area was followed."""
        with self._open() as con:
            return dict(con.execute("SELECT area, mark FROM marks"))

    def note(
        self, tags: Mapping[str, str] | None = None, *, gone: Collection[str] = (), marks: Mapping[str, str] | None = None
    ) -> None:
        """Note what was written, with its tags, and what was removed, and up to which commit areas were followed."""
        if not (tags or gone or marks):
            return
        with self._open() as con:
            con.executemany("DELETE FROM files WHERE path = ?", [(path,) for path in gone])
            rows = [(area_of(path), path, tag) for path, tag in (tags or {}).items()]
            con.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", rows)
            con.executemany("INSERT OR REPLACE INTO marks VALUES (?, ?)", list((marks or {}).items()))

    def cleared(self) -> float:
        """Return when this machine last looked for what dead ones left behind, in seconds since 1970."""
        with self._open() as con:
            found = con.execute("SELECT at FROM cleared").fetchone()
            return float(found[0]) if found else 0.0

    def note_cleared(self, at: float) -> None:
        """Note that this machine has just looked for what dead ones left behind."""
        with self._open() as con:
            con.execute("INSERT OR REPLACE INTO cleared VALUES (0, ?)", [at])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._file)) as con:
            if not con.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                con.executescript(_TABLES)
            with con:
                yield con
