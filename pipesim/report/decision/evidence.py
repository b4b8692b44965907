"""What is known of simulated scenarios: their figures, what sweeps vary, what searches tried, and what they were made from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import polars as pl

from pipesim.experiments.comparison import Comparison, compare_figures
from pipesim.experiments.figures import by_scenario, of_lake, of_summaries
from pipesim.experiments_schema import CALIBRATED_POOLS, CALIBRATION_ERRORS, CAPACITY, SWEEPS
from pipesim.lake import Lake
from pipesim.simulation import RunSummary

#: The keys of a scenario that make its world: where they differ, differences may come from them and not from a strategy.
WORLD = ("workload", "horizon_days", "warmup_days")


@dataclass(frozen=True)
class Evidence:
    """What decisions rest on.

    Args:
        lake: Where the scenarios' manifests lie.
        runs: One row a simulated replication (see `pipesim.experiments.figures.of_summaries`), scenarios in order.
        sweeps: What scenarios have at the keys of sweeps, as `simulated.sweeps`.
        searches: What searches for a capacity tried, as `simulated.capacity`.
        calibrated_pools: What calibrations found of pools, as `simulated.calibrated_pools`.
        calibration_errors: How far simulated figures are from the log's, as `simulated.calibration_errors`.
        for_others: See `at_hand`.
    """

    lake: Lake
    runs: pl.DataFrame
    sweeps: pl.DataFrame
    searches: pl.DataFrame
    calibrated_pools: pl.DataFrame
    calibration_errors: pl.DataFrame
    for_others: bool = False
    _manifests: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of_lake(cls, lake: Lake, con: duckdb.DuckDBPyConnection) -> Evidence:
        """Return all that a lake holds.

        Args:
            lake: The store.
            con: A connection with the views of a snapshot of it.
        """
        # The scenarios of a sweep or a search stay in the order in which they were given.
        sweeps: pl.DataFrame = con.sql("FROM simulated.sweeps").pl().sort("sweep", maintain_order=True)
        searches: pl.DataFrame = con.sql("FROM simulated.capacity").pl().sort("search", maintain_order=True)
        pools: pl.DataFrame = con.sql("FROM simulated.calibrated_pools").pl()
        errors: pl.DataFrame = con.sql("FROM simulated.calibration_errors").pl()
        return cls(lake, of_lake(con), sweeps, searches, pools, errors)

    @classmethod
    def at_hand(
        cls,
        lake: Lake,
        summaries: Iterable[RunSummary] = (),
        sweeps: Sequence[pl.DataFrame] = (),
        searches: Sequence[pl.DataFrame] = (),
        *,
        for_others: bool = False,
    ) -> Evidence:
        """Return what a command has just made, and the calibrations that the lake holds.

        Args:
            lake: The store.
            summaries: The runs, by scenario in order.
            sweeps: The rows of each sweep, as `simulated.sweeps`.
            searches: The rows of each search, as `simulated.capacity`.
            for_others: Whether only that is told which another home tells too that simulates the same: neither what this one
                was calibrated by, nor as what its log was ingested.
        """
        pools, errors = (
            table.empty() if for_others else lake.load_experiments(table) for table in (CALIBRATED_POOLS, CALIBRATION_ERRORS)
        )
        return cls(
            lake,
            of_summaries(summaries),
            pl.concat([SWEEPS.empty(), *sweeps]),
            pl.concat([CAPACITY.empty(), *searches]),
            pools,
            errors,
            for_others,
        )

    @property
    def names(self) -> list[str]:
        """The simulated scenarios, in order."""
        return self.runs["scenario"].unique(maintain_order=True).to_list()

    def manifest(self, scenario: str) -> dict[str, Any]:
        """Return what a scenario's first stored replication was made from; empty where that is not known."""
        if scenario not in self._manifests:
            first = min(self.lake.replications(scenario), default=0)
            file = self.lake.simulated_folder("manifests", scenario, first) / "manifest.json"
            found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
            for part in ("workload", "history") if self.for_others else ():
                found.get(part, {}).pop("ingests", None)
            self._manifests[scenario] = found
        return self._manifests[scenario]

    def content(self, scenario: str) -> dict[str, Any]:
        """Return the scenario as it was simulated; empty where that is not known."""
        return dict(self.manifest(scenario).get("scenario") or {})

    def world(self, scenario: str) -> dict[str, Any]:
        """Return what makes a scenario's world: the work that is submitted, what it is drawn from, and what counts."""
        found: dict[str, Any] = {key: self.content(scenario).get(key) for key in WORLD}
        made = self.manifest(scenario).get("workload") or {}
        return found | {"drawn_from": made.get("model"), "log": made.get("ingests")}

    def compared(self, names: Sequence[str], baseline: str) -> Comparison:
        """Return how scenarios differ from a baseline, which is one of them."""
        return compare_figures(by_scenario(self.rows_of(names)), baseline)

    def rows_of(self, names: Sequence[str]) -> pl.DataFrame:
        """Return the runs of some scenarios, in the order of the names."""
        places = pl.DataFrame({"scenario": names, "place": range(len(names))}, schema_overrides={"scenario": pl.String})
        return self.runs.join(places, on="scenario").sort("place", maintain_order=True).drop("place")

    def keys_of(self, scenario: str) -> list[str]:
        """Return the keys that a sweep of this scenario varies."""
        return self.sweeps.filter(scenario=scenario)["key"].unique(maintain_order=True).to_list()
