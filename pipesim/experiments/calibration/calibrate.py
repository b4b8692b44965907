"""The whole of a calibration: fit each pool, write the scenario that comes out, and tell what error remains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipesim.errors import RequestError
from pipesim.experiments.calibration.figures import FigureError, errors, observed_figures, simulated_figures
from pipesim.experiments.calibration.log import log_of
from pipesim.experiments.calibration.names import Names
from pipesim.experiments.calibration.pool_fit import PoolFit, fit_pool
from pipesim.experiments.capacity.trials import Sized, resized
from pipesim.experiments.replications import run_scenarios
from pipesim.experiments.scenario_files import check_no_sweep, scenario_file, write_scenario
from pipesim.experiments_schema import CALIBRATED_POOLS, CALIBRATION_ERRORS
from pipesim.lake import Lake
from pipesim.simulation import Scenario
from pipesim.simulation.scenario.file import scenario_of
from pipesim.trace import Trace

_DAY_US = 86_400e6


@dataclass(frozen=True)
class Calibration:
    """What came out.

    Args:
        scenario: The scenario that was calibrated.
        calibrated: The name of the one that came out.
        file: Where it was written.
        pools: What was found of each pool.
        figures: The figures of the log beside what is simulated.
        notes: What could not be done.
    """

    scenario: str
    calibrated: str
    file: Path
    pools: tuple[PoolFit, ...]
    figures: tuple[FigureError, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of the command line."""
        return asdict(self) | {"file": str(self.file)}


def calibrate(
    lake: Lake,
    scenario: Scenario,
    *,
    replications: int = 10,
    workers: int | None = None,
    say: Callable[[str], None] | None = None,
) -> Calibration:
    """Fit the platform of a scenario to the log, store the calibrated scenario, and compare it with the log.

    The simulations that are compared stay in the lake: `NAME-replay`, `NAME-calibrated-replay` and, with a workload model,
    `NAME-calibrated-drawn`.

    Args:
        lake: The home.
        scenario: The platform and policy as they are believed to be; its workload is not looked at.
        replications: How often drawn work is simulated.
        workers: How many processes; by default as many as suit.
        say: Called with a sentence now and then.

    Raises:
        EmptyTraceError: If nothing was ingested.
        RequestError: If the log does not say when tasks were queued and started, or could not have run on the platform; or a
            sweep has the name of the scenario that would come out.
        ConfigError: If the scenario does not hold without its lifecycle and its horizon.
    """
    names = Names.of(scenario.name)
    check_no_sweep(lake, names.calibrated)
    trace = lake.load_observed()
    platform = _plain(scenario, names.given)
    logs = log_of(trace, platform)
    pools, notes = [], []
    for log in logs:
        pool = platform.platform.pools[log.place].name
        try:
            sized = Sized.of(platform, pool)
        except RequestError as error:
            notes.append(f"{error.message}: its capacity was not fitted")
            continue
        if say:
            say(f"fitting the pool {pool} to the waits of {len(log.waits):,} attempts")
        pools.append(fit_pool(platform, log, sized))
    calibrated = _calibrated(scenario, names.calibrated, pools)
    replay = _plain(calibrated, names.replayed)
    days = (logs[0].until - _first(trace, platform)) / _DAY_US
    replayed, drawn = [platform, replay], list[Scenario]()
    if lake.current(lake.models) is None:
        notes.append("there is no workload model, so the error of drawn work is not known: run `pipesim fit` first")
    else:
        content = replay.model_dump(mode="json", exclude_none=True)
        content |= {"name": names.drawn, "workload": {"kind": "synthetic", "days": days}}
        drawn.append(Scenario.model_validate(content))
    run_scenarios(lake, replayed, replications=1, workers=workers, reuse=True, say=say)
    try:
        run_scenarios(lake, drawn, replications=replications, workers=workers, reuse=True, say=say)
    except RequestError as error:  # a task of it is larger than what was found of its pool, for example
        notes.append(f"drawn work could not be simulated, so its error is not known: {error.message}")
        drawn = []
    write_scenario(lake, calibrated.model_dump(mode="json", exclude_none=True))
    found = Calibration(
        scenario=scenario.name,
        calibrated=calibrated.name,
        file=scenario_file(lake, calibrated.name),
        pools=tuple(pools),
        figures=tuple(_compared(lake, trace, pools, [*replayed, *drawn], replications, logs[0].until)),
        notes=tuple(notes),
    )
    _store(lake, found, replay.name)
    return found


def _store(lake: Lake, found: Calibration, replay: str) -> None:
    tables = {}
    for table, parts in ((CALIBRATED_POOLS, found.pools), (CALIBRATION_ERRORS, found.figures)):
        rows = [{"scenario": found.scenario, "simulated_as": replay, **asdict(part)} for part in parts]
        tables[table.name] = table.conform(pl.DataFrame(rows, infer_schema_length=None))
    lake.save_experiment(found.scenario, tables)


def _plain(scenario: Scenario, name: str) -> Scenario:
    """Return a scenario that replays the log to its end, without what retrains models.

    Raises:
        ConfigError: If something in it does not hold without that.
    """
    content = scenario.model_dump(mode="json", exclude_none=True)
    for key in ("lifecycle", "horizon_days"):
        content.pop(key, None)
    content |= {"name": name, "workload": {"kind": "replay"}, "warmup_days": 0.0, "replications": 1}
    return scenario_of(content, f"scenario {scenario.name}, replayed to the log's end without a lifecycle")


def _calibrated(scenario: Scenario, name: str, pools: Sequence[PoolFit]) -> Scenario:
    content = scenario.model_dump(mode="json", exclude_none=True)
    for found in pools:
        sized = Sized.of(scenario, found.pool)
        # Of a pool of which nothing could be told, all stays as it is, what the scenario gives being no whole number too.
        if not found.note:
            content = resized(content, sized, found.capacity)
            content["platform"]["pools"][sized.place]["overhead_s"] = found.overhead_s
    content["name"] = name
    content["description"] = f"{scenario.name}, its pools fitted to the waits of the log."
    return Scenario.model_validate(content)


def _first(trace: Trace, platform: Scenario) -> int:
    from pipesim.simulation.rows import rows_of

    return int(rows_of(trace, platform).runs["submitted_at"].to_physical()[0])


def _compared(
    lake: Lake,
    trace: Trace,
    pools: Sequence[PoolFit],
    simulated: Sequence[Scenario],
    replications: int,
    until: int,
) -> list[FigureError]:
    platform, replay, *drawn = simulated
    observed, told = observed_figures(trace, platform, until)
    span = until - _first(trace, platform)
    as_given = simulated_figures(lake.load_simulated(platform.name), platform, (), until, told)
    replayed = simulated_figures(lake.load_simulated(replay.name), platform, pools, until, told)
    found = []
    for one in drawn:
        for number in range(replications):
            work = lake.load_simulated(one.name, number)
            found.append(simulated_figures(work, platform, pools, _start(work) + span))
    return errors(observed, as_given, replayed, found)


def _start(trace: Trace) -> int:
    return int(trace.pipeline_runs["submitted_at"].to_physical().min())  # type: ignore[arg-type]
