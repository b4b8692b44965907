"""The lake: where everything lies in a home, and how traces are stored in it and read again.

Parquet files are the store of record. How files change, so that a crash at any moment loses nothing, is told in `store`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pipesim import __version__
from pipesim.errors import RequestError
from pipesim.identity import safe_name
from pipesim.schema import TRACE_TABLES, Table
from pipesim.store import Store
from pipesim.trace import Trace
from pipesim.upgrade import COLUMNS, outdated, write_upgraded

#: In a folder of artifacts, the file that names the current one.
CURRENT = "current.json"


class Lake(Store):
    """The home that holds everything: `PIPESIM_HOME`.

    Args:
        home: A folder, or `s3://bucket/prefix`. It is made if it does not exist; work that a crash interrupted is finished.

    Raises:
        RequestError: If the folder cannot be made or written, or the object store refuses.
        WorkError: If the object store does not answer.
    """

    def __init__(self, home: Path | str) -> None:
        super().__init__(home)
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
                elif self.mirror or file.exists():  # which a mirror need not have brought
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
