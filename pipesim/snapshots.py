"""Snapshots: the lake's Parquet files as of one moment between two commits, for readers that must not see them change.

A reader of Parquet opens a file more than once: to list it, for its footer, for its data. A file that is replaced or removed
in between makes the read fail, or worse, mixes two states. So readers are given second names (hard links) of the files: they
cost no space until the lake's own name goes to a newer file, and what they show never changes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipesim.lake import CURRENT, Lake
from pipesim.store import Transaction

#: The catalogue's name inside a published snapshot.
CATALOGUE = "catalogue.duckdb"
#: How long a snapshot outlives its successor's publication: time for reads that hold no lock on its catalogue.
GRACE_S = 300.0
_NO_SECOND_NAME = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


@contextmanager
def snapshot(lake: Lake) -> Iterator[Path]:
    """Pin what the lake holds now, and yield a folder that shows it in the same layout as `lake/` while the context is open.

    Raises:
        WorkError: If another process holds the commit lock for too long.
    """
    holder = Transaction(lake)  # nothing is committed; its folder goes when it closes, or when the lake recovers from a crash
    try:
        files = holder.scratch / "snapshot"
        pin(lake, files)
        yield files
    finally:
        holder.close()


def pin(lake: Lake, files: Path) -> None:
    """Give every Parquet file of the lake, and what says which artifact is current, a second name under a new folder.

    All are as of one moment between two commits.
    """
    with lake.reading(simulated=True):
        files.mkdir(parents=True)
        for folder, _, names in os.walk(lake.lake):
            wanted = [name for name in names if name.endswith(".parquet") or name == CURRENT]
            source, target = Path(folder), files / Path(folder).relative_to(lake.lake)
            if wanted:
                target.mkdir(parents=True, exist_ok=True)
            for name in wanted:
                give_second_name(source / name, target / name)


def give_second_name(path: Path, name: Path) -> None:
    """Hard-link a file, or copy it where the file system or its rights know no second names."""
    try:
        os.link(path, name)
    except OSError as error:
        if error.errno not in _NO_SECOND_NAME:
            raise
        shutil.copyfile(path, name)


class Published:
    """The folder `snapshots/`: one snapshot for each catalogue that somebody may still read; the link `current` is the newest.

    Its methods must be called under the lock `publish`.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._root = lake.root / "snapshots"
        self._current = self._root / "current"

    def new_folder(self) -> Path:
        """Return where the next snapshot is to lie."""
        return self._root / uuid.uuid4().hex[:12]

    def swap_in(self, files: Path) -> None:
        """Make a snapshot the current one, and its catalogue the one that clients find."""
        if self._current.exists():
            os.utime(self._current)  # its grace begins
        fresh, link = files / "fresh.duckdb", files / "current"
        give_second_name(files / CATALOGUE, fresh)
        link.symlink_to(files.name)
        # A write-ahead log that a client left belongs to the file that goes now.
        Path(f"{self._lake.warehouse}.wal").unlink(missing_ok=True)
        link.replace(self._current)
        fresh.replace(self._lake.warehouse)

    def prune(self) -> None:
        """Remove the snapshots that were replaced some time ago and whose catalogue nobody has open."""
        kept = self._current.resolve()
        for files in self._root.iterdir():
            if files.is_symlink() or files == kept or time.time() - files.stat().st_mtime < GRACE_S:
                continue
            if not in_use(files / CATALOGUE):
                shutil.rmtree(files, ignore_errors=True)


def in_use(file: Path) -> bool:
    """Tell whether any process has a DuckDB file open: DuckDB keeps a lock on it as long."""
    try:
        identity = file.stat()
    except FileNotFoundError:
        return False
    # Its own locks do not stand in a process's way, and merely to look for them would end them.
    for descriptor in Path("/dev/fd").iterdir():
        with suppress(OSError):
            if os.path.samestat(os.fstat(int(descriptor.name)), identity):
                return True
    with file.open("r+b") as probe:
        try:
            fcntl.lockf(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
