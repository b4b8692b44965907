"""The store: where everything lies, and how files change so that a crash at any moment loses nothing.

Parquet files are the store of record. Everything that one step writes goes through one `Transaction`: files are written
aside, flushed, then a record of the intended renames is stored, then the renames happen. A crash before the record leaves
the old state; a crash after it is finished by whoever opens the lake next. Readers never see half a file.

A home on an object store is read from a mirror on disk, which every commit reaches by way of the store (`object_store`).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Literal

import duckdb
import polars as pl
from filelock import FileLock, Timeout

from pipesim import __version__
from pipesim.errors import RequestError, WorkError
from pipesim.object_store.address import Address
from pipesim.object_store.mirror import Mirror
from pipesim.schema import TRACE_TABLES, Table
from pipesim.trace import Trace
from pipesim.upgrade import COLUMNS, outdated, write_upgraded

#: A commit takes milliseconds, a publication seconds; an ingest reads whole logs, and ingests go one after the other.
_LOCK_TIMEOUT_S = {"commit": 120.0, "publish": 600.0, "ingest": 3600.0}
#: How often a lock is asked for that another process holds: as a commit takes milliseconds, waiting is not to take longer.
_ASK_EVERY_S = 0.002
#: A mirror is brought up to date under the commit lock, and for the first time that may be all there is.
_PULL_TIMEOUT_S = 3600.0
#: With less than this on the disk, that is the cause of whatever could not be written.
_NO_ROOM_BYTES = 1 << 16
#: In a folder of artifacts, the file that names the current one.
CURRENT = "current.json"
Lock = Literal["commit", "publish", "ingest"]
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def safe_name(name: str, what: str) -> str:
    """Return the name if it may stand in a path, so that no name from outside can leave its folder.

    Raises:
        RequestError: If it is empty, over 100 characters, or holds anything but letters, digits, `.`, `_` and `-`.
    """
    if not _SAFE_NAME.fullmatch(name):
        raise RequestError(
            f"{name!r} cannot be the name of a {what}",
            remedy="use letters, digits, '.', '_' and '-', beginning with a letter or digit, 100 characters at most",
        )
    return name


def content_hash(*parts: str | bytes) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of the parts, each delimited."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:16]


def file_hash(path: Path, first_bytes: int | None = None) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of a file's bytes, or of the first ones only."""
    with path.open("rb") as file:
        if first_bytes is None:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
        digest = hashlib.sha256()
        while first_bytes and (block := file.read(min(first_bytes, 1 << 20))):
            digest.update(block)
            first_bytes -= len(block)
        return digest.hexdigest()[:16]


class Transaction:
    """A set of file changes that happens as a whole or not at all. Made by `Lake.transaction`."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._id = uuid.uuid4().hex
        self._staging = lake.root / ".staging" / self._id
        with lake.hold("commit"):  # else whoever recovers the lake just now might take the folder for an abandoned one
            self._staging.mkdir(parents=True)
            self._owner = FileLock(self._staging / "owner.lock", timeout=0)
            self._owner.acquire()
        self._record = lake.root / ".staging" / f"{self._id}.commit"
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
            "moves": [[str(s.relative_to(self._lake.root)), str(t.relative_to(self._lake.root))] for s, t in self._moves],
            "removals": [str(path.relative_to(self._lake.root)) for path in removals],
        }
        mirror = self._lake.mirror
        upload = mirror.upload(self._moves) if mirror else None
        with self._lake.hold("commit"):
            done = mirror.commit(upload, removals) if mirror and upload else None
            draft = self._staging / "commit.draft"
            draft.write_text(json.dumps(record), encoding="utf-8")
            flush(draft)
            draft.replace(self._record)
            _flush_names(self._record.parent)
            self._lake.finish(self._record)
            if mirror and done:
                mirror.note(done)

    def close(self) -> None:
        """Drop what was staged and not committed; what a commit could not finish is kept for the next one to finish."""
        self._owner.release()
        if not self._record.exists():
            shutil.rmtree(self._staging, ignore_errors=True)


class Lake:
    """The home that holds everything: `PIPESIM_HOME`.

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
        self._upgrade()

    # --- where things lie -------------------------------------------------------------------------------------------

    @property
    def lake(self) -> Path:
        """The folder of Parquet files."""
        return self.root / "lake"

    @property
    def models(self) -> Path:
        """The folder of fitted workload models."""
        return self.root / "models"

    @property
    def reports(self) -> Path:
        """The folder of HTML reports."""
        return self.root / "reports"

    @property
    def scenarios(self) -> Path:
        """The folder of scenario files that were added to this home."""
        return self.root / "scenarios"

    @property
    def warehouse(self) -> Path:
        """The DuckDB catalogue of views."""
        return self.root / "warehouse.duckdb"

    def observed_file(self, table: str, ingest_id: str) -> Path:
        """Where one ingest keeps its rows of a table."""
        return self.lake / "observed" / table / f"{ingest_id}.parquet"

    def ingest_manifest(self, ingest_id: str) -> Path:
        """Where one ingest keeps what it was made from and its accounting."""
        return self.lake / "observed" / "manifests" / f"{ingest_id}.json"

    def ingest_manifests(self) -> list[Path]:
        """Return the manifests of all ingests."""
        return sorted((self.lake / "observed" / "manifests").glob("*.json"))

    def quarantine_file(self, ingest_id: str) -> Path:
        """Where one ingest keeps the lines it refused."""
        return self.lake / "quarantine" / f"{ingest_id}.parquet"

    def synthetic_folder(self, trace: str) -> Path:
        """Where one synthetic trace lies."""
        return self.lake / "synthetic" / safe_name(trace, "trace")

    def simulated_folder(self, table: str, scenario: str, replication: int) -> Path:
        """Where one replication of a scenario keeps its rows of a table (or its `summaries` or `manifests`)."""
        return self.lake / "simulated" / table / f"scenario={safe_name(scenario, 'scenario')}" / f"replication={replication}"

    def analytics_file(self, name: str) -> Path:
        """Where one analytics table lies."""
        return self.lake / "analytics" / f"{name}.parquet"

    # --- changing files ---------------------------------------------------------------------------------------------

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

    def look_for_scenarios(self) -> None:
        """Bring the scenario files that people have put onto the object store by other means, if the home is on one."""
        if self.mirror:
            with self.hold("commit"):
                self.mirror.look("scenarios")

    def bring_simulated(self) -> None:
        """Bring the results of simulations from the object store, if the home is on one."""
        if self.mirror:
            with self.reading(simulated=True):
                pass

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
        try:
            transaction = Transaction(self)
            yield transaction
            transaction.commit()
        except (OSError, duckdb.Error, pl.exceptions.PolarsError) as error:
            if not self._is_full(error):
                raise
            raise WorkError(
                "there is no room left on the disk",
                where=str(self.root),
                remedy="make room and run the command again; what was stored before is as it was",
            ) from error
        finally:
            if transaction:
                transaction.close()

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

    def _upgrade(self) -> None:
        """Give the files of an earlier version the columns that tables have got since."""
        mark = self.root / ".staging" / "columns.json"
        if mark.is_file() and json.loads(mark.read_text(encoding="utf-8")) == COLUMNS:
            return
        # On one machine, whoever opens the lake does this; another one could remove a file meanwhile, and find it back.
        with self.lock() if self.mirror else nullcontext(), self.transaction() as tx:
            for file, table in outdated(self.lake):
                write_upgraded(file, table, tx.stage(file))
            tx.write_json(COLUMNS, mark)

    # --- traces -----------------------------------------------------------------------------------------------------

    def load_observed(self) -> Trace:
        """Return everything that was ingested, without provenance."""
        with self.reading():
            return self._read_observed()

    def count_observed(self, table: str) -> int:
        """Return how many rows of a table were ingested."""
        with self.reading():
            files = sorted((self.lake / "observed" / table).glob("*.parquet"))
            return sum(int(pl.scan_parquet(file).select(pl.len()).collect().item()) for file in files)

    def _read_observed(self) -> Trace:
        return Trace({t: _read(sorted((self.lake / "observed" / t).glob("*.parquet"))) for t in TRACE_TABLES})

    def save_synthetic(self, trace: Trace, manifest: Mapping[str, Any]) -> None:
        """Store a synthetic trace under its name and make it the current one."""
        folder = self.synthetic_folder(trace.name)
        with self.transaction() as tx:
            for table in trace:
                tx.write_frame(trace[table], folder / f"{table}.parquet")
            tx.write_json({**manifest, "pipesim": __version__}, folder / "manifest.json")
            tx.write_json({"current": trace.name}, folder.parent / CURRENT)

    def load_synthetic(self, name: str) -> Trace:
        """Return a stored synthetic trace.

        Raises:
            RequestError: If there is none of that name.
        """
        folder = self.synthetic_folder(name)
        if not folder.is_dir():
            raise RequestError(f"there is no synthetic trace {name!r}", remedy="make one with `pipesim synthesize`")
        return Trace.load(folder, "synthetic", name)

    def save_simulated(self, trace: Trace, replication: int, summary: pl.DataFrame, manifest: Mapping[str, Any]) -> None:
        """Store one replication of a scenario (the trace's name) in place of any earlier one; empty tables have no file."""
        with self.transaction() as tx:
            for table in trace:
                file = self.simulated_folder(table, trace.name, replication) / f"{table}.parquet"
                if trace[table].height:
                    tx.write_frame(trace[table], file)
                elif file.exists():
                    tx.remove(file)
            tx.write_frame(summary, self.simulated_folder("summaries", trace.name, replication) / "summaries.parquet")
            tx.write_json(
                {**manifest, "pipesim": __version__},
                self.simulated_folder("manifests", trace.name, replication) / "manifest.json",
            )

    def load_simulated(self, scenario: str, replication: int = 0) -> Trace:
        """Return one replication of a simulated scenario.

        Raises:
            RequestError: If it was not simulated.
        """
        self.bring_simulated()
        files = {t: self.simulated_folder(t, scenario, replication) / f"{t}.parquet" for t in TRACE_TABLES}
        if not files["task_runs"].is_file():
            raise RequestError(
                f"replication {replication} of scenario {scenario!r} was not simulated",
                remedy="run `pipesim simulate` on its scenario file first",
            )
        return Trace({t: pl.read_parquet(f) for t, f in files.items() if f.is_file()}, "simulated", scenario)

    def save_experiment(self, name: str, tables: Mapping[str, pl.DataFrame]) -> None:
        """Store what an experiment varied, tried or found, in place of what an earlier one of that name did.

        Args:
            name: The experiment's name.
            tables: Rows by the names of tables in `pipesim.experiments_schema.EXPERIMENT_TABLES`.
        """
        with self.transaction() as tx:
            for table, rows in tables.items():
                tx.write_frame(rows, self.lake / "simulated" / table / f"{safe_name(name, 'experiment')}.parquet")

    def load_experiments(self, table: Table) -> pl.DataFrame:
        """Return what all experiments keep in a table, by their names."""
        self.bring_simulated()
        files = sorted((self.lake / "simulated" / table.name).glob("*.parquet"))
        rows: pl.DataFrame = pl.concat([table.empty(), *(table.conform(pl.read_parquet(file)) for file in files)])
        return rows

    def load_summary(self, scenario: str, replication: int) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return the row of figures of a stored replication and its manifest, or None if it was not simulated."""
        row = self.simulated_folder("summaries", scenario, replication) / "summaries.parquet"
        manifest = self.simulated_folder("manifests", scenario, replication) / "manifest.json"
        if self.mirror:
            with self.hold("commit"):
                if not self.mirror.fetch([str(file.relative_to(self.root)) for file in (row, manifest)]):
                    return None
        if not (row.is_file() and manifest.is_file()):
            return None
        return pl.read_parquet(row, hive_partitioning=False).row(0, named=True), json.loads(
            manifest.read_text(encoding="utf-8")
        )

    def simulated_scenarios(self) -> list[str]:
        """Return the names of the scenarios of which a replication is stored, in order."""
        folders = (self.lake / "simulated" / "summaries").glob("scenario=*")
        return sorted(folder.name.removeprefix("scenario=") for folder in folders)

    def replications(self, scenario: str) -> list[int]:
        """Return the numbers of the stored replications of a scenario, ascending."""
        self.bring_simulated()
        folder = self.simulated_folder("summaries", scenario, 0).parent
        return sorted(int(path.name.removeprefix("replication=")) for path in folder.glob("replication=*"))

    def drop_replications(self, scenario: str, keep: int) -> None:
        """Remove the stored replications numbered `keep` and above, which an earlier, larger run left."""
        self.bring_simulated()
        gone = [
            folder
            for folder in (self.lake / "simulated").glob(f"*/scenario={scenario}/replication=*")
            if int(folder.name.removeprefix("replication=")) >= keep
        ]
        if not gone:  # as there mostly is nothing, which needs no commit
            return
        with self.transaction() as tx:
            for folder in gone:
                for path in folder.iterdir():
                    tx.remove(path)
        for folder in gone:
            with suppress(OSError):  # somebody has just simulated it again
                folder.rmdir()

    def current(self, folder: Path) -> str | None:
        """Return the name of the current artifact in `models`, `lake/synthetic` or `lake/quality`, or None before the first."""
        return current(folder)


def current(folder: Path) -> str | None:
    """Return the name of the current artifact in a folder laid out as those of a lake, or None before the first."""
    pointer = folder / CURRENT
    return str(json.loads(pointer.read_text(encoding="utf-8"))["current"]) if pointer.is_file() else None


def connect(memory_limit: str | None = None) -> duckdb.DuckDBPyConnection:
    """Return an in-memory DuckDB connection whose session zone is UTC and which never reaches the network."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    con.execute("SET autoinstall_known_extensions = false")
    if memory_limit:
        con.execute("SET memory_limit = ?", [memory_limit])
    return con


def _read(files: list[Path]) -> pl.DataFrame:
    return pl.read_parquet(files) if files else pl.DataFrame()


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
