"""Databases as logs: a SQLite database, which its server may be writing, is copied as it stands at one instant.

Everything else reads the copy: it does not change while it is read, and its bytes, the write-ahead log's among them, say
whether anything is new. The database itself is locked against writing for no longer than the copy takes, and not at all if it
has a write-ahead log. Nothing is written beside it: SQLite makes files of its own beside a database with a write-ahead log,
even for a connection that only reads, so such a database is opened as unchanging where no server has it open.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from pipesim.errors import FileError

MAGIC = b"SQLite format 3\0"
#: How long a writer may keep the database locked, in seconds.
PATIENCE_S = 10.0
#: Where a database's header says whether it has a write-ahead log, and what it says then.
_JOURNAL, _WRITE_AHEAD = slice(18, 20), b"\2\2"


def copy_database(path: Path, folder: Path) -> Path:
    """Copy a database into a folder as it stands at one instant, what is still in its write-ahead log included.

    Args:
        path: The database.
        folder: An empty folder.

    Returns:
        The copy, which has no write-ahead log. Equal databases have equal copies.

    Raises:
        FileError: If the database is compressed, locked, damaged, or was left behind in the middle of a transaction.
    """
    target = folder / "copy.sqlite"
    with path.open("rb") as stream:
        header = stream.read(100)
    if not header.startswith(MAGIC):
        raise FileError("the database is compressed", where=str(path), remedy="decompress it first")
    try:
        if header[_JOURNAL] != _WRITE_AHEAD:
            _copy(f"{_uri(path)}?mode=ro", target)
        elif not _beside(path, "-wal"):
            _copy_at_rest(path, target)
        elif _beside(path, "-shm"):
            _copy(f"{_uri(path)}?mode=ro", target)
        else:
            # Nobody has it open: who has, keeps the file -shm. What the write-ahead log holds is worked into a second copy.
            left = folder / "left.sqlite"
            shutil.copyfile(path, left)
            shutil.copyfile(f"{path}-wal", f"{left}-wal")
            _copy(_uri(left), target)
        _insist_sound(path, target)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # as it quotes what is damaged
        raise _told(path, error) from error
    return target


def _copy_at_rest(path: Path, target: Path) -> None:
    before = path.stat()
    _copy(f"{_uri(path)}?mode=ro&immutable=1", target)
    after = path.stat()
    if _beside(path, "-wal") or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        # A server came up meanwhile, so that the files are there which this makes.
        target.unlink()
        _copy(f"{_uri(path)}?mode=ro", target)


def _copy(source: str, target: Path) -> None:
    with closing(sqlite3.connect(source, uri=True, timeout=PATIENCE_S)) as con, closing(sqlite3.connect(target)) as to:
        # The backup would wait for a lock for ever; a transaction that reads waits as long as it is told, and keeps the lock.
        con.execute("BEGIN")
        con.execute("SELECT count(*) FROM sqlite_master").fetchall()
        con.backup(to)
        to.execute("PRAGMA journal_mode = DELETE").fetchall()


def _insist_sound(path: Path, copy: Path) -> None:
    with closing(sqlite3.connect(f"{_uri(copy)}?mode=ro&immutable=1", uri=True)) as con:
        # What a table's owner forbids in it is no damage.
        con.execute("PRAGMA ignore_check_constraints = ON")
        found = [str(text) for (text,) in con.execute("PRAGMA quick_check")]
    damage = [text for text in found if text != "ok" and not text.startswith("NULL value in ")]
    if damage:
        raise sqlite3.DatabaseError(damage[0].replace("\n", " "))


def _told(path: Path, error: sqlite3.Error | UnicodeDecodeError) -> FileError:
    text = str(error)
    if "locked" in text:
        return FileError(
            f"the database was locked for {PATIENCE_S:g} s", where=str(path), remedy="try again, or ingest a backup of it"
        )
    if "disk is full" in text:
        return FileError(
            "there is no room for a copy of the database", where=str(path), remedy="let TMPDIR name a folder with more room"
        )
    if _beside(path, "-journal"):
        return FileError(
            f"the database was left in the middle of a transaction ({text})",
            where=str(path),
            remedy="have its own system open it, which completes or undoes the transaction, or ingest a backup of it",
        )
    return FileError(
        f"the database is damaged or cannot be opened ({text})",
        where=str(path),
        remedy="check that it may be read, copy it again (with the file that ends in -wal, if there is one), or recover what "
        'can be: sqlite3 FILE ".recover" | sqlite3 NEW.db',
    )


def _beside(path: Path, ending: str) -> bool:
    """Whether a file of SQLite's own lies beside a database, and is not empty."""
    beside = Path(f"{path}{ending}")
    return beside.exists() and beside.stat().st_size > 0


def _uri(path: Path) -> str:
    return path.resolve().as_uri()
