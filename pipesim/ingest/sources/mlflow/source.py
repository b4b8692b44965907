"""The `mlflow` source: the SQLite database in which MLflow keeps its tracking store and its model registry.

The shape is that of the tables in `mlflow.store.tracking.dbmodels` and `mlflow.store.model_registry.dbmodels`, from MLflow 0.9,
which had only experiments, runs, metrics, params and tags, to 3.17; what a version lacks is not missed. Run on databases that
the SQL store of MLflow 3.17 wrote for the tests, and on tables made by hand in the shape of 0.9; not on the database of a
server in production, nor on stores in PostgreSQL or MySQL, which are no files.

A run is a pipeline run with one task. docs/sources/mlflow.md says what becomes of what, and why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count

from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.head import Head, Recognised
from pipesim.ingest.reading.tables import (
    BadEntryError,
    Row,
    entry,
    json_of,
    milliseconds,
    needed_text,
    nothing,
    number,
    open_tables,
    text,
    whole,
)
from pipesim.ingest.reading.unit import Record, Unit, Value
from pipesim.ingest.sources.mlflow.store import Store, version_identity
from pipesim.ingest.sources.translated import Translated

_NEEDED = frozenset({"experiments", "runs", "metrics", "params", "tags"})
_TASK = "run"
#: States in which a run has not ended, whatever its row says of an end.
_OPEN = ("RUNNING", "SCHEDULED")
#: What the store writes for an infinite value.
_INFINITE = 1.7976931348623157e308
#: How the names of metrics begin that tell of the machine, not of the model.
_OF_THE_MACHINE = "system/"
_EVALUATION = "genai_evaluate"
#: What stands for the run of a registered version that was deleted.
_REDACTED = "REDACTED-RUN-ID"

_METRIC = ("table", "model_id", "version", "metric", "phase", "step", "measured_at", "value")

_Translate = Callable[[Row], Sequence[Record]]


class MLflow(Translated):
    """A tracking store."""

    name = "mlflow"
    description = "MLflow's tracking store and model registry, as a SQLite database"
    suffixes = frozenset({".db", ".sqlite", ".sqlite3"})

    def recognise(self, head: Head) -> Recognised | None:
        """The tables that every tracking store has."""
        if head.tables >= _NEEDED:
            return Recognised(3, f"the tables of MLflow's tracking store: {', '.join(sorted(_NEEDED))}")
        return None

    def units(self, file: LogFile) -> Iterator[Unit]:
        """Yield every row of the tables that tell of work, table by table."""
        with open_tables(file, "MLflow", _NEEDED) as tables:
            numbers = count(1)
            for table, columns, translate in _Translation(Store(tables)).entries():
                for row in tables.rows(table, columns):
                    yield entry(next(numbers), table, row, translate)


class _Translation:
    """What the rows of each table become."""

    def __init__(self, store: Store) -> None:
        self.store = store
        #: Before 1.0, which brought steps, metrics were measured by the second.
        self.metric_unit = 1 if "step" in store.tables.columns["metrics"] else 1000

    def entries(self) -> list[tuple[str, tuple[str, ...], _Translate]]:
        """Return the tables whose rows are entries, their columns that are read, and what a row becomes."""
        run = ("source_name", "entry_point_name", "user_id", "status", "start_time", "end_time")
        dataset = ("name", "digest", "dataset_source_type", "dataset_schema", "dataset_profile")
        logged = ("model_id", "metric_name", "metric_timestamp_ms", "metric_step", "metric_value")
        return [
            ("experiments", ("experiment_id", "name", "workspace"), nothing),
            ("runs", ("run_uuid", "experiment_id", *run), self._run),
            ("datasets", dataset, _dataset),
            ("inputs", ("source_type", "source_id", "destination_type", "destination_id"), self._input),
            ("registered_models", ("name", "workspace"), nothing),
            ("model_versions", ("name", "version", "workspace", "creation_time", "run_id"), self._version),
            ("logged_models", ("model_id", "experiment_id", "creation_timestamp_ms", "source_run_id"), self._logged_model),
            ("metrics", ("run_uuid", "key", "step", "timestamp", "value", "is_nan"), self._metric),
            ("logged_model_metrics", (*logged, "experiment_id"), self._logged_model_metric),
        ]

    def _run(self, row: Row) -> Sequence[Record]:
        run_id, experiment = needed_text(row, "run_uuid"), self.store.experiment(row["experiment_id"])
        tags, wrote = self.store.tags.get(run_id, {}), self.store.written(run_id)
        status, began = text(row, "status"), milliseconds(row, "start_time")
        common: dict[str, Value] = {
            "run_id": run_id,
            "status": status,
            "raw_status": status,
            "started_at": None if status == "SCHEDULED" else began,
            "ended_at": None if status in _OPEN else milliseconds(row, "end_time"),
        }
        script = (tags.get("mlflow.source.name") or text(row, "source_name") or "").replace("\\", "/").rstrip("/")
        step = tags.get("mlflow.project.entryPoint") or text(row, "entry_point_name")
        kind = tags.get("mlflow.runType")
        run: Record = {
            **common,
            "table": "pipeline_runs",
            "pipeline_name": experiment.name,
            "parent_run_id": tags.get("mlflow.parentRunId"),
            "tenant": experiment.workspace,
            "user": tags.get("mlflow.user") or text(row, "user_id"),
            "submitted_at": began,
        }
        task: Record = {
            **common,
            "table": "task_runs",
            "task_id": _TASK,
            "task_name": step or script.rsplit("/", 1)[-1] or _TASK,
            "task_type": "evaluate" if kind == _EVALUATION else "train" if wrote else None,
            "raw_type": kind,
            "framework": wrote.framework if wrote else None,
        }
        if wrote is None or run_id in self.store.logged or run_id in self.store.registered:
            return [run, task]
        return [run, task, self._model(experiment.name, run_id, run_id, wrote.created_at)]

    def _model(self, model: str, version: str, run_id: str | None, created_at: Value) -> Record:
        wrote = self.store.written(run_id) if run_id else None
        return {
            "table": "models",
            "model_id": model,
            "version": version,
            "produced_by_run_id": run_id,
            "framework": wrote.framework if wrote else None,
            "size_bytes": wrote.size_bytes if wrote else None,
            "created_at": created_at,
        }

    def _version(self, row: Row) -> Sequence[Record]:
        needed_text(row, "name"), needed_text(row, "version")
        run_id = text(row, "run_id")
        return [
            self._model(*version_identity(row), None if run_id == _REDACTED else run_id, milliseconds(row, "creation_time"))
        ]

    def _logged_model(self, row: Row) -> Sequence[Record]:
        model_id, run_id = needed_text(row, "model_id"), text(row, "source_run_id")
        if f"models:/{model_id}" in self.store.registered:
            return ()  # its registered versions tell of it
        name = self.store.experiment(row["experiment_id"]).name
        return [self._model(name, model_id, run_id, milliseconds(row, "creation_timestamp_ms"))]

    def _input(self, row: Row) -> Sequence[Record]:
        if (row["source_type"], row["destination_type"]) != ("DATASET", "RUN"):
            return ()  # a model that a run read or wrote
        if (read := self.store.datasets.get(row["source_id"])) is None:
            raise BadEntryError("no_such_dataset", f"the table datasets has no row {row['source_id']!r}")
        io: Record = {"table": "task_io", "task_id": _TASK, "attempt": 1, "direction": "read"}
        return [{**io, "run_id": self._known_run(row, "destination_id"), "asset_id": read[0], "version": read[1]}]

    def _metric(self, row: Row) -> Sequence[Record]:
        run_id, name = self._known_run(row, "run_uuid"), needed_text(row, "key")
        if name.startswith(_OF_THE_MACHINE):
            return ()
        value, at = None if row["is_nan"] else number(row, "value"), milliseconds(row, "timestamp", self.metric_unit)
        return _measured(self.store.of_run(run_id, self.store.runs[run_id]), name, whole(row, "step", 0), at, value)

    def _logged_model_metric(self, row: Row) -> Sequence[Record]:
        model_id, name = needed_text(row, "model_id"), needed_text(row, "metric_name")
        of = self.store.of_logged_model(model_id, row["experiment_id"])
        step, at = whole(row, "metric_step", 0), milliseconds(row, "metric_timestamp_ms")
        return _measured(of, name, step, at, number(row, "metric_value"))

    def _known_run(self, row: Row, column: str) -> str:
        run_id = needed_text(row, column)
        if run_id not in self.store.runs:
            raise BadEntryError("no_such_run", f"the table runs has no row {run_id!r}")
        return run_id


def _measured(of: Sequence[tuple[str, str]], metric: str, step: int, at: Value, value: Value) -> Sequence[Record]:
    finite = None if isinstance(value, float) and abs(value) >= _INFINITE else value
    told = (metric, "static", step, at, finite)
    return [dict(zip(_METRIC, ("model_metrics", *identity, *told), strict=True)) for identity in of]


def _dataset(row: Row) -> Sequence[Record]:
    rows, columns = _member(row, "dataset_profile", "num_rows"), _member(row, "dataset_schema", "mlflow_colspec")
    return [
        {
            "table": "data_assets",
            "asset_id": needed_text(row, "name"),
            "version": needed_text(row, "digest"),
            "namespace": text(row, "dataset_source_type"),
            "row_count": rows if type(rows) is int and 0 <= rows < 1 << 63 else None,
            "column_count": len(columns) if isinstance(columns, list) else None,
        }
    ]


def _member(row: Row, column: str, name: str) -> object:
    """Return what a column's JSON object has under a name; a dataset of another kind describes itself as it likes."""
    if (value := row[column]) is None or not isinstance(value, str | bytes):
        return None
    try:
        described = json_of(value)
    except BadEntryError:
        return None
    return described.get(name) if isinstance(described, dict) else None
