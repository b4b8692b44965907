"""From the sample logs to the report in one run, without a server."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import duckdb
import pytest

from dagster_project.definitions import defs
from dagster_project.resources import Home, Inbox
from pipesim.lake import Lake

pytestmark = pytest.mark.endurance

RUNS = [f"{number}|{scenario}" for scenario in ("as-is", "more-gpus", "shortest-first") for number in range(3)]


@dataclass(frozen=True)
class Outcome:
    """A finished run, the lake that it left, and the instance that remembers it."""

    result: dg.ExecuteInProcessResult
    lake: Lake
    instance: dg.DagsterInstance

    def metadata(self, key: str) -> dict[str, object]:
        """Return what the run said of an asset."""
        events = self.result.asset_materializations_for_node(key.replace("/", "__"))
        return {name: value.value for name, value in events[0].metadata.items()}

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Query the published catalogue, as an outside reader does."""
        with duckdb.connect(str(self.lake.warehouse), read_only=True) as con:
            return con.sql(sql).fetchall()


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    lake = Lake(tmp_path_factory.mktemp("home"))
    job = defs.resolve_job_def("whole_path")
    with dg.DagsterInstance.ephemeral() as instance:
        resources = {"home": Home(path=str(lake.root)), "inbox": Inbox(path=str(lake.root / "no-inbox"))}
        config = {"ops": {"synthetic_quality": {"config": {"seeds": 1}}}}
        result = job.execute_in_process(config, instance=instance, resources=resources)
        yield Outcome(result, lake, instance)


def test_every_asset_is_materialized(outcome: Outcome) -> None:
    assert outcome.result.success
    graph = defs.resolve_asset_graph()
    done = {(event.asset_key, event.partition) for event in outcome.result.get_asset_materialization_events()}
    runs = {(dg.AssetKey("simulated_runs"), key) for key in RUNS}
    assert done == {(key, None) for key in graph.materializable_asset_keys} | runs


def test_the_catalogue_holds_what_the_assets_say(outcome: Outcome) -> None:
    tables = [key.to_user_string() for key in defs.resolve_asset_graph().materializable_asset_keys if len(key.path) == 2]
    for table in tables:
        if table.startswith("analytics/"):
            said = outcome.metadata(table)["dagster/row_count"]
            assert outcome.rows(f"SELECT count(*) FROM {table.replace('/', '.')}") == [(said,)], table
    assert outcome.rows("SELECT count(*) FROM observed.task_runs")[0] > (1000,)
    assert outcome.rows(
        "SELECT origin, count(DISTINCT (trace, replication)) FROM traces.task_runs GROUP BY ALL ORDER BY ALL"
    ) == [
        ("observed", 1),
        ("simulated", len(RUNS)),
        ("synthetic", 1),
    ]


def test_the_figures_of_a_partition_are_those_of_its_simulation(outcome: Outcome) -> None:
    said = {
        event.partition: event.materialization.metadata["mean_wait_s"].value
        for event in outcome.result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey("simulated_runs") and event.partition
    }
    found = outcome.rows(
        "SELECT replication || '|' || trace, mean_wait_s FROM analytics.scenario_summary WHERE origin = 'simulated'"
    )
    assert dict(found) == pytest.approx(said)  # type: ignore[arg-type]


def test_the_checks_pass(outcome: Outcome) -> None:
    checks = outcome.result.get_asset_check_evaluations()
    assert {check.asset_key.to_user_string() for check in checks} == {
        "observed",
        "scenarios",
        "simulated_runs",
        "synthetic_trace",
        "workload_model",
    }
    assert [(check.asset_key.to_user_string(), check.check_name) for check in checks if not check.passed] == []


def test_the_report_stands_and_its_figures_are_small(outcome: Outcome) -> None:
    said = outcome.metadata("figures")
    assert (outcome.lake.reports / "report.html").stat().st_size > 100_000
    pictures = [value for value in said.values() if isinstance(value, str) and value.startswith("![figure]")]
    assert len(pictures) >= 5
    for picture in pictures:
        encoded = re.search(r"base64,([^)]*)\)", picture)
        assert encoded
        png = base64.b64decode(encoded[1])
        assert png.startswith(b"\x89PNG")
        assert len(png) < 100_000


def test_lineage_names_columns_that_exist(outcome: Outcome) -> None:
    known = {
        f"traces.{table}.{column}"
        for table, column in outcome.rows("SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'traces'")
    }
    said = outcome.metadata("analytics/task_waits")["dagster/column_lineage"]
    assert isinstance(said, dg.TableColumnLineage)
    used = {f"{'.'.join(dep.asset_key.path)}.{dep.column_name}" for deps in said.deps_by_column.values() for dep in deps}
    assert used <= known
    assert {"traces.task_runs.queued_at", "traces.task_runs.started_at"} <= used
    schema = outcome.metadata("analytics/task_waits")["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert set(said.deps_by_column) == {column.name for column in schema.columns}
