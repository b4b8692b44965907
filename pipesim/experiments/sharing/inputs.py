"""What scenarios were simulated on: the workload model, the log, orders of one's own; out of a home folder and into one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from pipesim.errors import RequestError, WorkError
from pipesim.experiments.sharing.manifest import Manifest
from pipesim.experiments.submitted import made_from
from pipesim.lake import CURRENT, Lake
from pipesim.simulation import Scenario
from pipesim.simulation.scenario.policy import own_policy

#: What a simulation reads of a log: to replay it, to replay what its models were, and to estimate durations from it.
_REPLAYED = ("pipeline_runs", "task_runs", "task_edges")
_OF_MODELS = ("models", "model_metrics")
_ESTIMATED_FROM = ("pipeline_runs", "task_runs")
#: The ingest to which the rows of a log belong in a home folder that is made for them.
_INGEST = "shared"


def tables_needed(scenarios: Iterable[Scenario]) -> list[str]:
    """Return the tables of the log that some of the scenarios are simulated on."""
    needed: set[str] = set()
    for scenario in scenarios:
        if scenario.workload.kind == "replay":
            needed |= {*_REPLAYED, *(_OF_MODELS if scenario.lifecycle else ())}
        elif scenario.policy.estimates.kind == "history":
            needed |= set(_ESTIMATED_FROM)
    return sorted(needed)


def own_orders(scenarios: Sequence[Scenario]) -> dict[str, bytes]:
    """Return what the files hold from which scenarios take orders of service of their own, by what they call them.

    Raises:
        RequestError: If an order comes from a package, which others may not have, or two files have one name.
    """
    found: dict[str, bytes] = {}
    for scenario in scenarios:
        own = own_policy(scenario.policy.order)
        if own is None:
            continue
        module, name = own
        if not module.endswith(".py"):
            raise RequestError(
                f"{module}:{name} comes from a package that others may not have, or not the same",
                where=f"scenario {scenario.name}: policy.order",
                remedy=f"write it into one file and name that, as in `orders.py:{name}`",
            )
        try:
            found[module] = Path(module).read_bytes()
        except OSError as error:
            raise RequestError(
                f"{module} cannot be read: {error.strerror}",
                where=f"scenario {scenario.name}: policy.order",
                remedy="give its path from where pipesim runs",
            ) from error
    check_names([Path(module) for module in found])
    return found


def check_names(files: Sequence[Path]) -> None:
    """Refuse files that could not lie in one folder.

    Raises:
        RequestError: If two have one name.
    """
    names = [file.name for file in files]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise RequestError(f"two files are called {', '.join(repeated)}", remedy="give each a name of its own")


def write_inputs(
    lake: Lake, scenarios: Sequence[Scenario], made: Iterable[Mapping[str, Any]], folder: Path
) -> tuple[str | None, dict[str, str]]:
    """Write the model and the tables of the log that scenarios were simulated on, as far as they need them, into a share.

    Args:
        lake: Where they come from.
        scenarios: The scenarios.
        made: The manifests of their runs.
        folder: The share.

    Returns:
        The model's file, if there is one, and the files of the log's tables, by table.

    Raises:
        WorkError: If the lake does not hold any more what the runs were made from.
    """
    alike = {(s.workload.kind, s.policy.estimates.kind, s.lifecycle is None): s for s in scenarios}
    with lake.lock():  # so that nothing comes in between what is asked and what is taken
        sources = _sources(made_from(lake, scenario, 0) for scenario in alike.values())
        if sources != _sources(made):
            raise WorkError(
                "a model was fitted, or a log ingested, while the scenarios were simulated for the share",
                where=str(lake.root),
                remedy="share them again; nothing was written",
            )
        model = dict(sources).get("model")
        text = (lake.models / f"{model}.json").read_bytes() if model else b""
        needed = tables_needed(scenarios)
        log = lake.load_observed() if needed else None
    inputs = folder / "inputs"
    inputs.mkdir()
    if model:
        (inputs / f"{model}.json").write_bytes(text)
    files = {table: f"inputs/log/{table}.parquet" for table in needed if log and log[table].height}
    for table, name in files.items():
        assert log is not None
        (folder / name).parent.mkdir(exist_ok=True)
        log[table].rechunk().write_parquet(folder / name, compression="zstd")
    return f"inputs/{model}.json" if model else None, files


def _sources(made: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Return the models and logs from which runs were made."""
    parts = (run[name] for run in made for name in ("workload", "history", "lifecycle") if name in run)
    return {(key, part[key]) for part in parts for key in ("model", "ingests") if key in part}


def restore_inputs(folder: Path, manifest: Manifest, lake: Lake) -> None:
    """Put what a share holds in inputs into an empty home folder."""
    with lake.transaction() as tx:
        for table, name in manifest.log.items():
            rows = pl.read_parquet(folder / name)
            # Where a row was in the log is nobody's business; the columns belong to the lake's files.
            origin = {"source": "share", "source_file": name, "ingest_id": _INGEST}
            told = [pl.lit(value).alias(column) for column, value in origin.items()]
            lines = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("source_line")
            tx.write_frame(rows.with_columns(*told, lines), lake.observed_file(table, _INGEST))
        if manifest.model:
            file = folder / manifest.model
            tx.stage(lake.models / file.name).write_bytes(file.read_bytes())
            tx.write_json({"current": file.stem}, lake.models / CURRENT)
        for name in manifest.orders.values():
            tx.stage(_order_file(lake, name)).write_bytes((folder / name).read_bytes())


def with_restored_order(scenario: Scenario, manifest: Manifest, lake: Lake) -> Scenario:
    """Return the scenario with its order, if it is one of one's own, taken from where `restore_inputs` put it.

    Raises:
        RequestError: If the share does not hold it, as none does that pipesim made, or it lies where it cannot be named.
    """
    own = own_policy(scenario.policy.order)
    if own is None:
        return scenario
    module, name = own
    where = f"scenario {scenario.name}: policy.order"
    if module not in manifest.orders:
        raise RequestError(f"the share does not hold {module}", where=where, remedy="get it again from who made it")
    order = f"{_order_file(lake, manifest.orders[module])}:{name}"
    if own_policy(order) is None:
        raise RequestError(
            "a path with ':' in it cannot be part of an order", where=str(lake.root), remedy="choose another --home"
        )
    return scenario.model_copy(update={"policy": scenario.policy.model_copy(update={"order": order})})


def _order_file(lake: Lake, name: str) -> Path:
    return lake.root / "orders" / Path(name).name
