"""What the versions that runs train are worth: after training, at their evaluation, and as they go live."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from pipesim.lifecycle.metrics import METRICS, PERFORMANCE, SHARES, Floats, from_latent
from pipesim.simulation.engine import Int8, Int32
from pipesim.simulation.graph import Graph
from pipesim.simulation.models.fleet import Fleet
from pipesim.simulation.scenario.lifecycle import Lifecycle
from pipesim.simulation.upkeep import DEPLOYS, TRAINS
from pipesim.streams import stream
from pipesim.trace import Trace
from pipesim.words import count

#: What a task adds to the version of its run, bit by bit.
_COMPRESSED, _HARDENED, _TRAINED = 1, 2, 4
_ADDS = {"compress": _COMPRESSED, "harden": _HARDENED, "train": _TRAINED}


@dataclass(frozen=True)
class Versions:
    """The versions that runs train. R runs, T tasks, M models.

    Args:
        model: [R] Whose version a run trains, or -1.
        trained: [R, 5] Its metrics after training, NaN of runs that train none,
        live: [R, 5] and as it goes live.
        role: [T] `TRAINS` and `DEPLOYS`.
        judged: [T] Whether a task is an evaluation of a version.
        refused: [T] Whether it is an evaluation that finds too little.
        compresses: Whether any run compresses a version, before it is deployed or evaluated.
        beginning: [M, 5] The metrics of the version that is live at the beginning.
        target: [M] The performance that a new version is expected to have.
        warnings: What the log says of metrics that cannot be.
    """

    model: Int32
    trained: Floats
    live: Floats
    role: Int8
    judged: npt.NDArray[np.bool_]
    refused: npt.NDArray[np.bool_]
    compresses: bool
    beginning: Floats
    target: Floats
    warnings: tuple[str, ...]

    def only(self, runs: npt.NDArray[np.bool_], tasks: npt.NDArray[np.bool_]) -> Versions:
        """Return the versions of some of the runs."""
        return replace(
            self,
            model=self.model[runs],
            trained=self.trained[runs],
            live=self.live[runs],
            role=self.role[tasks],
            judged=self.judged[tasks],
            refused=self.refused[tasks],
        )


def versions_of(
    fleet: Fleet,
    lifecycle: Lifecycle,
    runs: pl.DataFrame,
    attempts: pl.DataFrame,
    graph: Graph,
    *,
    rounds: int,
    seed: int,
    replication: int,
) -> Versions:
    """Draw the metrics of all versions, and let later tasks change them.

    Args:
        fleet: The models.
        lifecycle: The scenario's.
        runs: [R rows] The runs, retrainings last.
        attempts: [A rows] Their attempts, with their `run` and `task` numbers.
        graph: The dependencies of the tasks.
        rounds: How many retrainings there are at most of a model.
        seed: The root seed.
        replication: The number of the replication.
    """
    tasks = attempts.filter(attempts["task"].is_first_distinct()).select("run", "task_type")
    run, kind = tasks["run"].to_numpy(), tasks["task_type"]
    trains = np.zeros(runs.height, np.bool_)
    trains[run[(kind == "train").fill_null(False).to_numpy()]] = True
    number = runs.select("pipeline_name").join(fleet.numbers, on="pipeline_name", how="left", maintain_order="left")["model"]
    model = np.where(trains, number.fill_null(-1).to_numpy(), -1).astype(np.int32)
    bits = _inherited(graph, kind)
    role = _roles(kind, model[run] >= 0, lifecycle)

    effects = fleet.source.laws.effects
    metrics, level = _draw(fleet, runs, model, rounds, seed, replication)
    if lifecycle.pruning_level is not None:
        level = np.full(runs.height, lifecycle.pruning_level)
    trained = effects.learn(metrics, _data_ratio(fleet, attempts, model))
    logged, changed, warnings = _logged(fleet.everything, runs)
    trained = np.where(np.isnan(logged), trained, logged)
    trained[model < 0] = np.nan

    evaluates = np.flatnonzero((kind == "evaluate").fill_null(False).to_numpy() & (model[run] >= 0) & (bits & _TRAINED > 0))
    found = effects.optimise(trained[run[evaluates]], *_optimised(bits[evaluates], level[run[evaluates]]))
    refused, judged = np.zeros(len(run), np.bool_), np.zeros(len(run), np.bool_)
    judged[evaluates] = True
    refused[evaluates] = found[:, PERFORMANCE] < (lifecycle.gate or 0.0)

    final = np.zeros(runs.height, np.int8)  # what the last deployment of a run takes over
    deploys = np.flatnonzero(role & DEPLOYS)
    final[run[deploys]] = bits[deploys] if lifecycle.live_after == "deploy" else 0
    live = effects.optimise(trained, *_optimised(final, level))
    compresses = bool((final & _COMPRESSED).any() or (bits[evaluates] & _COMPRESSED).any())
    live = np.where(np.isnan(changed) | (model < 0)[:, None], live, changed)
    beginning, target = _of_models(fleet, model, final, level, seed, replication)
    return Versions(model, trained, live, role, judged, refused, compresses, beginning, target, warnings)


def _inherited(graph: Graph, kind: pl.Series) -> Int8:
    """Return what all tasks above each one add, [T]."""
    own = np.asarray(kind.replace_strict(_ADDS, default=0, return_dtype=pl.Int8).to_numpy())
    parents = np.repeat(np.arange(len(own)), np.diff(graph.offsets))
    above = np.zeros(len(own), np.int8)
    while True:
        before = above.copy()
        np.bitwise_or.at(above, graph.children, (above | own)[parents])
        if (above == before).all():
            return above


def _roles(kind: pl.Series, of_model: npt.NDArray[np.bool_], lifecycle: Lifecycle) -> Int8:
    train, deploy = ((kind == name).fill_null(False).to_numpy() & of_model for name in ("train", "deploy"))
    goes_live = deploy if lifecycle.live_after == "deploy" else train
    return (train * TRAINS + goes_live * DEPLOYS).astype(np.int8)


def _optimised(bits: Int8, level: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return to which level versions were pruned, 0 for those that were not, and which were hardened."""
    return np.where(bits & _COMPRESSED, level, 0.0), (bits & _HARDENED) > 0


def _draw(fleet: Fleet, runs: pl.DataFrame, model: Int32, rounds: int, seed: int, replication: int) -> tuple[Floats, Floats]:
    """Draw metrics after training, [R, 5], and pruning levels, [R].

    Numbers go by the place of a run among the names of all runs of the workload, and by that of a pipeline among its n-th
    retrainings, so that scenarios that leave out some runs, or retrain more, share those that they have.
    """
    laws = fleet.source.laws
    drawn = [_numbers(fleet.everything.pipeline_runs["run_id"].sort(), seed, "workload", replication)]
    for number in range(rounds):
        run_ids = fleet.retraining(number).pipeline_runs["run_id"]
        drawn.append(_numbers(run_ids, seed, f"retraining-{number}", replication))
    found = runs.select("run_id").join(pl.concat(drawn), on="run_id", how="left", maintain_order="left")
    means = np.array([laws.law_of(name).mean for name in fleet.names])
    return laws.draw(means[model], found.select(METRICS).to_numpy()), laws.effects.choose_level(found["level"].to_numpy())


def _numbers(run_ids: pl.Series, seed: int, what: str, replication: int) -> pl.DataFrame:
    """Return standard normal numbers for each metric, and uniform ones for the pruning level, by `run_id`."""
    normal = stream(seed, "metrics", what, replication).standard_normal((len(run_ids), len(METRICS)))
    level = stream(seed, "pruning", what, replication).random(len(run_ids))
    return pl.DataFrame(normal, schema=list(METRICS)).with_columns(run_ids.alias("run_id"), pl.Series("level", level))


def _data_ratio(fleet: Fleet, attempts: pl.DataFrame, model: Int32) -> Floats:
    """Return how many times the usual amount of data each run prepares, [R]; NaN where the log does not say."""
    usual = np.array([fleet.source.laws.law_of(name).usual_bytes or np.nan for name in fleet.names])
    first = attempts.filter(pl.col("task").is_first_distinct(), pl.col("task_type") == "preprocess")
    read = first.group_by("run").agg(pl.col("read_bytes").sum(), pl.col("read_bytes").count().alias("told"))
    ratio = np.full(len(model), np.nan)
    run = read["run"].to_numpy()
    ratio[run] = np.where(read["told"].to_numpy() > 0, read["read_bytes"].to_numpy(), np.nan) / usual[model[run]]
    return ratio


def _logged(trace: Trace, runs: pl.DataFrame) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Return the metrics of the versions of runs that the trace itself tells: after training, and as they were changed later.

    Both are [R, 5] and NaN where the trace is silent.
    """
    nothing = np.full((runs.height, len(METRICS)), np.nan)
    if trace["model_metrics"].is_empty() or trace["models"].is_empty():
        return nothing, nothing, ()
    version = ["model_id", "version"]
    static = trace["model_metrics"].filter(pl.col("phase") == "static", pl.col("metric").is_in(METRICS))
    shares = [name for name, share in zip(METRICS, SHARES, strict=True) if share]
    sound = pl.when(pl.col("metric").is_in(shares)).then(pl.col("value").is_between(0, 1)).otherwise(pl.col("value") > 0)
    kept = static.filter(sound.fill_null(False)).sort(*version, "metric", "measured_at", "step")
    orphans = trace["models"].filter(pl.col("produced_by_run_id").is_null())
    said = {
        "no metric can have their values, so they are drawn": count(static.height - kept.height, "measurement"),
        "no run is said to have trained them, so nothing is known of them here": count(orphans.height, "model version"),
    }
    of_run = trace["models"].select(*version, run_id="produced_by_run_id").drop_nulls("run_id").unique("run_id", keep="last")
    values = kept.group_by(*version, "metric").agg(pl.col("value").first().alias("first"), pl.col("value").last().alias("last"))
    wide = of_run.join(values, on=version).pivot(on="metric", index="run_id", values=["first", "last"])
    wanted = [f"{which}_{name}" for which in ("first", "last") for name in METRICS]
    missing = [pl.lit(None, pl.Float64).alias(name) for name in wanted if name not in wide.columns]
    found = runs.select("run_id").join(wide.with_columns(missing), on="run_id", how="left", maintain_order="left")
    both = found.select(pl.col(wanted).fill_null(float("nan"))).to_numpy()
    first, last = both[:, : len(METRICS)], both[:, len(METRICS) :]
    return first, last, tuple(f"left out, as {why}: {many}" for why, many in said.items() if not many.startswith("0 "))


def _of_models(fleet: Fleet, model: Int32, final: Int8, level: Floats, seed: int, replication: int) -> tuple[Floats, Floats]:
    """Return the metrics of the versions that are live at the beginning, [M, 5], and what new ones should perform, [M].

    Both are those of a version that takes over what the model's first run that trains one adds to it.
    """
    laws, models = fleet.source.laws, len(fleet.names)
    mine = np.flatnonzero(model >= 0)
    added = np.zeros(models, np.int8)
    which, first = np.unique(model[mine], return_index=True)
    added[which] = final[mine[first]]
    numbers = _numbers(pl.Series(fleet.names, dtype=pl.String), seed, "beginning", replication)
    means = np.array([laws.law_of(name).mean for name in fleet.names])
    levels = laws.effects.choose_level(numbers["level"].to_numpy())
    beginning = laws.effects.optimise(laws.draw(means, numbers.select(METRICS).to_numpy()), *_optimised(added, levels))
    usual = np.full(models, float(np.mean(level)) if len(level) else 0.0)
    target = laws.effects.optimise(from_latent(means), *_optimised(added, usual))[:, PERFORMANCE]
    return beginning, target
