"""The store: how the files of a home change, so that a crash at any moment loses nothing.

Everything that one step writes goes through one `Transaction`: files are written aside, flushed, then a record of the intended
renames is stored, then the renames happen. A crash before the record leaves the old state; a crash after it is finished by
whoever opens the store next. Readers never see half a file.

A home on an object store is read from a mirror on disk, which every commit reaches by way of the store (`object_store`).
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Literal

import duckdb
import polars as pl
from filelock import FileLock, Timeout

from pipesim.errors import RequestError, WorkError
from pipesim.object_store.address import Address
from pipesim.object_store.mirror import Mirror

#: A commit takes milliseconds, a publication seconds; an ingest reads whole logs, and ingests go one after the other.
_LOCK_TIMEOUT_S = {"commit": 120.0, "publish": 600.0, "ingest": 3600.0}
#: How often a lock is asked for that another process holds: as a commit takes milliseconds, waiting is not to take longer.
_ASK_EVERY_S = 0.002
#: A mirror is brought up to date under the commit lock, and for the first time that may be all there is.
_PULL_TIMEOUT_S = 3600.0
#: With less than this on the disk, that is the cause of whatever could not be written.
_NO_ROOM_BYTES = 1 << 16
Lock = Literal["commit", "publish", "ingest"]


class Transaction:
    """A set of file changes that happens as a whole or not at all. Made by `Store.transaction`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._id = uuid.uuid4().hex
        self._staging = store.root / ".staging" / self._id
        with store.hold("commit"):  # else whoever recovers the store just now might take the folder for an abandoned one
            self._staging.mkdir(parents=True)
            self._owner = FileLock(self._staging / "owner.lock", timeout=0)
            self._owner.acquire()
        self._record = store.root / ".staging" / f"{self._id}.commit"
        self._moves: list[tuple[Path, Path]] = []
        self._removals: list[Path] = []

    @property
    def scratch(self) -> Path:
        """A folder for intermediate files, gone when the transaction ends."""
        return self._staging

    def stage(self, target: Path) -> Path:
        """Return the path to write now so that `target` holds it after the commit."""
        staged = self._staging / f"{len(self._moves):06d}{target.suffix}"
        self._moves.append((staged, target))
        return staged

    def write_frame(self, frame: pl.DataFrame, target: Path) -> None:
        """Write a frame as Parquet: equal frames as equal bytes, also where another number of cores cut them into chunks."""
        frame.rechunk().write_parquet(self.stage(target), compression="zstd", compression_level=1)

    def write_json(self, value: Mapping[str, Any], target: Path) -> None:
        """Write a JSON object: sorted keys, so that equal values are equal bytes."""
        self.stage(target).write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def remove(self, target: Path) -> None:
        """Remove a file."""
        self._removals.append(target)

    def commit(self) -> None:
        """Make the changes; after this returns they are on disk."""
        for staged, _ in self._moves:
            flush(staged)
        moved = {target for _, target in self._moves}
        removals = [path for path in self._removals if path not in moved]
        record = {
            "moves": [[str(s.relative_to(self._store.root)), str(t.relative_to(self._store.root))] for s, t in self._moves],
            "removals": [str(path.relative_to(self._store.root)) for path in removals],
        }
        mirror = self._store.mirror
        upload = mirror.upload(self._moves) if mirror else None
        with self._store.hold("commit"):
            done = mirror.commit(upload, removals) if mirror and upload else None
            draft = self._staging / "commit.draft"
            draft.write_text(json.dumps(record), encoding="utf-8")
            flush(draft)
            draft.replace(self._record)
            _flush_names(self._record.parent)
            self._store.finish(self._record)
            if mirror and done:
                mirror.note(done)

    def close(self) -> None:
        """Drop what was staged and not committed; what a commit could not finish is kept for the next one to finish."""
        self._owner.release()
        if not self._record.exists():
            shutil.rmtree(self._staging, ignore_errors=True)


class Store:
    """The files of a home, and what keeps their changes whole.

    Args:
        home: A folder, or `s3://bucket/prefix`. It is made if it does not exist; work that a crash interrupted is finished.

    Raises:
        RequestError: If the folder cannot be made or written, or the object store refuses.
        WorkError: If the object store does not answer.
    """

    #: What opens the same lake again, a folder on this machine, a URL on any.
    home: Path | str
    #: The folder of files: the home folder, or this machine's mirror of a home on an object store.
    root: Path
    #: What follows the object store, if the home is on one.
    mirror: Mirror | None

    def __init__(self, home: Path | str) -> None:
        address = Address.find(home)
        self.root = address.mirror() if address else Path(home).absolute()
        self.home = str(address) if address else self.root
        option = "PIPESIM_CACHE" if address else "--home or PIPESIM_HOME"
        if set("=*?[") & set(str(self.root)):
            raise RequestError(
                "a home folder's path must not hold '=', '*', '?' or '[': tools that read Parquet give them a meaning",
                where=str(self.root),
                remedy=f"choose another folder with {option}",
            )
        try:
            (self.root / ".staging").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RequestError(
                f"cannot keep files in this home folder: {error.strerror}",
                where=str(self.root),
                remedy=f"name a folder that can be written with {option}",
            ) from error
        timeouts = _LOCK_TIMEOUT_S | ({"commit": _PULL_TIMEOUT_S} if address else {})
        self._locks = {
            name: FileLock(self.root / ".staging" / f"{name}.lock", timeout=timeout) for name, timeout in timeouts.items()
        }
        #: Who holds the commit lock now has brought nothing yet (0), most (1), or also what was simulated (2).
        self._brought = 0
        self.mirror = Mirror(address, self.root) if address else None
        self._recover()
        with self.reading():
            pass

    @contextmanager
    def lock(self, name: Lock = "commit") -> Iterator[None]:
        """Keep others from committing (ingesting) meanwhile, on all machines, or the processes of this one from publishing.

        What a dead one left undone is finished first, and the files are brought up to date.

        Raises:
            WorkError: If another process or machine holds the lock for too long.
        """
        elsewhere = self.mirror.lock(name, _LOCK_TIMEOUT_S[name]) if self.mirror and name != "publish" else nullcontext()
        with self.hold(name), elsewhere:
            with self.reading(simulated=name == "commit"):
                pass
            yield

    @contextmanager
    def reading(self, *, simulated: bool = False) -> Iterator[None]:
        """Keep the files as they are meanwhile, all as of one moment between two commits, the newest that there is.

        Args:
            simulated: Whether that goes for the results of simulations too, of a home on an object store. Of all files only
                these are not brought to every machine before somebody wants them.

        Raises:
            WorkError: If another process holds the lock for too long, or the object store does not answer.
        """
        with self.hold("commit"):
            before, wanted = self._brought, 1 + simulated
            if self.mirror and wanted > before:
                self.mirror.pull(simulated=simulated)
            self._brought = max(before, wanted)
            try:
                yield
            finally:
                self._brought = before

    @contextmanager
    def hold(self, name: Lock) -> Iterator[None]:
        """Hold a lock of this machine; under that of commits, first finish what a dead process left of one.

        Raises:
            WorkError: If another process holds it for too long.
        """
        try:
            lock = self._locks[name]
            with lock.acquire(poll_interval=_ASK_EVERY_S if name == "commit" else None):
                if name == "commit" and lock.lock_counter == 1:
                    for record in sorted((self.root / ".staging").glob("*.commit")):
                        self.finish(record)
                yield
        except Timeout as error:
            raise WorkError(
                f"another pipesim process has held this home folder's {name} lock for {lock.timeout:.0f} s",
                where=str(self.root),
                remedy="wait for it to finish, or stop it; nothing was changed",
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Collect file changes and commit them at the end; an exception inside leaves the lake as it was.

        Raises:
            WorkError: If there is no room on the disk for them.
        """
        transaction: Transaction | None = None
        with self.telling_of_room():
            try:
                transaction = Transaction(self)
                yield transaction
                transaction.commit()
            finally:
                if transaction:
                    transaction.close()

    @contextmanager
    def telling_of_room(self) -> Iterator[None]:
        """Tell of a full disk in words where something cannot be written for want of room.

        Raises:
            WorkError: If so.
        """
        try:
            yield
        except (OSError, duckdb.Error, pl.exceptions.PolarsError) as error:
            if not self._is_full(error):
                raise
            raise WorkError(
                "there is no room left on the disk",
                where=str(self.root),
                remedy="make room and run the command again; what was stored before is as it was",
            ) from error

    def _is_full(self, error: Exception) -> bool:
        # Libraries give the system's error in words of their own, Polars not even its number.
        told = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or os.strerror(errno.ENOSPC) in str(error)
        return told or shutil.disk_usage(self.root).free < _NO_ROOM_BYTES

    def finish(self, record: Path) -> None:
        """Carry out a committed transaction, from wherever it was interrupted. The lock must be held.

        Raises:
            WorkError: If a file cannot be moved into its place; the record stays, and the next commit tries again.
        """
        try:
            self._carry_out(json.loads(record.read_text(encoding="utf-8")))
        except OSError as error:
            raise WorkError(
                f"a finished change could not be put into its place ({error.strerror})",
                where=str(error.filename or self.root),
                remedy="make the folder writable and run any pipesim command: it completes the change; nothing is lost",
            ) from error
        record.unlink()

    def _carry_out(self, changes: dict[str, list[Any]]) -> None:
        folders = set()
        for staged_name, target_name in changes["moves"]:
            staged, target = self.root / staged_name, self.root / target_name
            if staged.exists() or not target.exists():  # else it was moved before
                target.parent.mkdir(parents=True, exist_ok=True)
                staged.replace(target)
                folders.add(target.parent)
        for name in changes["removals"]:
            (self.root / name).unlink(missing_ok=True)
        for folder in folders:
            _flush_names(folder)

    def _recover(self) -> None:
        staging = self.root / ".staging"
        if not any(path.suffix == ".commit" or path.is_dir() for path in staging.iterdir()):
            return
        with self.hold("commit"):
            for folder in (path for path in staging.iterdir() if path.is_dir()):
                owner = FileLock(folder / "owner.lock", timeout=0)
                try:
                    owner.acquire()
                except (Timeout, OSError):
                    continue  # its process is alive, or has just removed the folder itself
                owner.release()
                shutil.rmtree(folder, ignore_errors=True)


def flush(path: Path) -> None:
    """Make a file's bytes survive a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _flush_names(folder: Path) -> None:
    """Make the names in a folder survive a loss of power, where the system lets a folder be opened."""
    with suppress(OSError):
        flush(folder)
