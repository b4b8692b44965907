"""What must be known of a whole MLflow store to translate its rows one by one: names, tags, and which run made which model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipesim.ingest.reading.tables import BadEntryError, Row, Tables, json_of
from pipesim.ingest.reading.unit import Value

#: The name and version by which a model is known.
Identity = tuple[str, str]
#: A key as it stands in a table; what is no key of anything finds nothing.
Key = str | int | float | bytes | None

HISTORY = "mlflow.log-model.history"
_TAGS = (
    "mlflow.parentRunId", "mlflow.user", "mlflow.source.name", "mlflow.project.entryPoint", "mlflow.runType", HISTORY,
)  # fmt: skip
#: The flavor that every model has beside that of its framework.
_ANY_FRAMEWORK = "python_function"
_DEFAULT_WORKSPACE = "default"


@dataclass(frozen=True)
class Written:
    """What a run says of the model that it wrote last.

    Args:
        framework: Its flavor.
        size_bytes: Its size.
        created_at: When it was written.
    """

    framework: str | None = None
    size_bytes: int | None = None
    created_at: Value = None


@dataclass(frozen=True)
class Experiment:
    """A name for runs that belong together, and the workspace that it is in, where the store has workspaces."""

    name: str
    workspace: str | None


@dataclass(frozen=True)
class Store:
    """The store's names and relations.

    Args:
        tables: Its tables.
    """

    tables: Tables

    @cached_property
    def experiments(self) -> Mapping[Key, Experiment]:
        """The experiments by their id; those whose name cannot be read are none."""
        found: dict[Key, Experiment] = {}
        for row in self.tables.rows("experiments", ("experiment_id", "name", "workspace")):
            name, workspace = row["name"], row["workspace"]
            if isinstance(name, str) and name:
                space = workspace if isinstance(workspace, str) else None
                found[row["experiment_id"]] = Experiment(in_workspace(name, space), space)
        return found

    @cached_property
    def runs(self) -> Mapping[Key, Key]:
        """The experiment of each run, by their ids."""
        rows = self.tables.rows("runs", ("run_uuid", "experiment_id"))
        return {row["run_uuid"]: row["experiment_id"] for row in rows}

    @cached_property
    def tags(self) -> Mapping[Key, Mapping[str, str]]:
        """The tags of each run that are read."""
        found: defaultdict[Key, dict[str, str]] = defaultdict(dict)
        for row in self.tables.rows("tags", ("key", "value", "run_uuid")):
            key, value = row["key"], row["value"]
            if key in _TAGS and isinstance(key, str) and isinstance(value, str) and value:
                found[row["run_uuid"]][key] = value
        return dict(found)

    @cached_property
    def datasets(self) -> Mapping[Key, Identity]:
        """The name and the digest of each dataset, by its id."""
        rows = self.tables.rows("datasets", ("dataset_uuid", "name", "digest"))
        return {row["dataset_uuid"]: (str(row["name"]), str(row["digest"])) for row in rows}

    @cached_property
    def logged(self) -> Mapping[Key, Sequence[str]]:
        """The logged models of each run, by its id."""
        found: defaultdict[Key, list[str]] = defaultdict(list)
        for row in self.tables.rows("logged_models", ("model_id", "source_run_id")):
            found[row["source_run_id"]].append(str(row["model_id"]))
        return dict(found)

    @cached_property
    def registered(self) -> Mapping[Key, Sequence[Identity]]:
        """The registered versions by what they were registered from: the id of a run, or the URI of a logged model."""
        found: defaultdict[Key, list[Identity]] = defaultdict(list)
        for row in self.tables.rows("model_versions", ("name", "version", "run_id", "source", "workspace")):
            identity = version_identity(row)
            for origin in dict.fromkeys((row["run_id"], row["source"])):
                found[origin].append(identity)
        return dict(found)

    def experiment(self, experiment_id: Key) -> Experiment:
        """Return an experiment by its id.

        Raises:
            BadEntryError: If there is no such one, or its name cannot be read.
        """
        if (found := self.experiments.get(experiment_id)) is None:
            raise BadEntryError("no_such_experiment", f"the table experiments has no readable row {experiment_id!r}")
        return found

    def written(self, run_id: str) -> Written | None:
        """Return what a run says of its model, or None where nothing says that it wrote one."""
        history = self.tags.get(run_id, {}).get(HISTORY)
        if history is not None:
            return _last_written(history)
        return Written() if run_id in self.logged or run_id in self.registered else None

    def of_logged_model(self, model_id: str, experiment_id: Key) -> Sequence[Identity]:
        """Return what a logged model is known by: its registered versions, else its experiment's name and its own id."""
        return self.registered.get(f"models:/{model_id}") or [(self.experiment(experiment_id).name, model_id)]

    def of_run(self, run_id: str, experiment_id: Key) -> Sequence[Identity]:
        """Return which models a run's own metrics are of.

        They are of its registered versions, else of its logged model, else of a version that is named for the run. A run with
        several logged models does not say which of these its metrics are of, so they are of the run.
        """
        logged = self.logged.get(run_id, ())
        if len(logged) <= 1 and (registered := self.registered.get(run_id)):
            return registered
        if len(logged) == 1:
            return self.of_logged_model(logged[0], experiment_id)
        return [(self.experiment(experiment_id).name, run_id)]


def version_identity(row: Row) -> Identity:
    """Return what a row of the table `model_versions` is known by."""
    workspace = row["workspace"]
    return in_workspace(str(row["name"]), workspace if isinstance(workspace, str) else None), str(row["version"])


def in_workspace(name: str, workspace: str | None) -> str:
    """Return a name that is unique in the store: led by the workspace, unless that is the one that every store has."""
    return name if workspace in (None, _DEFAULT_WORKSPACE) else f"{workspace}/{name}"


def _last_written(history: str) -> Written:
    """Return what the last entry of a run's history of models says; nothing if it was cut short, as long tags are."""
    try:
        entries = json_of(history)
    except BadEntryError:
        return Written()
    last = entries[-1] if isinstance(entries, list) and entries else None
    if not isinstance(last, dict):
        return Written()
    flavors, size, at = last.get("flavors"), last.get("model_size_bytes"), last.get("utc_time_created")
    # JSON can name half of a character, which is no text elsewhere.
    names = [name.encode(errors="replace").decode() for name in flavors] if isinstance(flavors, dict) else []
    frameworks = [name for name in names if name != _ANY_FRAMEWORK]
    return Written(
        frameworks[0] if len(frameworks) == 1 else None,
        size if type(size) is int and 0 <= size < 1 << 63 else None,
        f"{at}Z" if isinstance(at, str) and at.isascii() else None,
    )
