"""A whole calibration: the scenario that comes out, and errors that are the platform's or the workload's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pipesim.catalog import snapshot_views
from pipesim.cli.printing_calibration import calibration_text
from pipesim.errors import ConfigError, EmptyTraceError, RequestError
from pipesim.experiments.calibration import calibrate
from pipesim.experiments.calibration.figures import FigureError
from pipesim.experiments.scenario_files import read_scenario
from pipesim.lake import Lake
from pipesim.simulation import Scenario
from pipesim.trace import Trace
from pipesim.verbs import fit_workload
from pipesim.workload import FitConfig
from tests.experiments.calibration.conftest import cpu, gpu, platform

BELIEVED = platform("believed", gpu(9), cpu(8))


@pytest.fixture
def home(lake: Lake, logged: Callable[..., Trace]) -> Lake:
    """A home with the log of a platform of fewer GPUs than is believed, each held for a minute before its work."""
    _ingest(lake, logged(platform("truth", gpu(7, overhead_s=60.0), cpu(8))))
    return lake


def _ingest(lake: Lake, trace: Trace) -> None:
    with lake.transaction() as tx:
        for table in ("pipeline_runs", "task_runs", "task_edges"):
            rows = trace[table].with_columns(source=pl.lit("s"), source_file=pl.lit("f"), source_line=1, ingest_id=pl.lit("i"))
            tx.write_frame(rows, lake.observed_file(table, "i"))
        tx.write_json({}, lake.ingest_manifest("i"))


def _of(figures: tuple[FigureError, ...], figure: str, pool: str | None = None) -> FigureError:
    return next(found for found in figures if (found.figure, found.pool) == (figure, pool))


def test_the_platforms_error_goes_and_the_workloads_stays(home: Lake) -> None:
    fit_workload(home, FitConfig(arrivals="poisson", marks="independent"))
    found = calibrate(home, BELIEVED, replications=3, workers=1)
    wait = _of(found.figures, "mean_wait_s", "gpu")
    assert wait.observed is not None
    assert wait.as_given is not None
    assert wait.as_given < 0.7 * wait.observed, "what is believed is wrong"
    assert wait.platform_error == pytest.approx(0, abs=0.02)
    # Poisson arrivals have no days, so nobody waits as long.
    assert wait.workload_error is not None
    assert wait.workload_error < -0.1
    assert wait.workload_high is not None
    assert wait.workload_high < 0
    assert wait.total_error is not None
    assert 1 + wait.total_error == pytest.approx((1 + wait.workload_error) * (1 + (wait.platform_error or 0.0)))
    assert _of(found.figures, "utilization", "gpu").platform_error == pytest.approx(0, abs=0.02)
    assert _of(found.figures, "mean_jct_s").platform_error == pytest.approx(0, abs=0.02)

    scenario = read_scenario(home, "believed-calibrated")
    assert (scenario.platform.pools[0].gpus, scenario.platform.pools[1].cpu_cores) == (7, 8)
    assert scenario.platform.pools[0].overhead_s == pytest.approx(60, rel=0.1)
    assert scenario.policy == BELIEVED.policy
    text = calibration_text(found)
    assert "gpu: 7 gpus" in text
    assert "where 9 are given" in text
    assert "mean wait of gpu" in text


def test_a_second_calibration_simulates_no_replication_again(home: Lake) -> None:
    one, other = (calibrate(home, BELIEVED, workers=1) for _ in range(2))
    assert one == other
    manifests = (home.lake / "simulated" / "manifests").rglob("manifest.json")
    assert {path.parent.parent.name for path in manifests} == {
        "scenario=believed-replay", "scenario=believed-calibrated-replay",
    }  # fmt: skip


def test_without_a_model_the_platform_is_judged_alone(home: Lake) -> None:
    found = calibrate(home, BELIEVED, workers=1)
    assert _of(found.figures, "mean_wait_s").drawn is None
    assert "pipesim fit" in " ".join(found.notes)


def test_a_pool_that_scales_itself_is_left_alone_and_told(home: Lake) -> None:
    scaled = platform("scaled", gpu(9, autoscale={"min": 4, "max": 9}), cpu(8))
    found = calibrate(home, scaled, workers=1)
    assert [pool.pool for pool in found.pools] == ["cpu"]
    assert "changes its size by itself" in found.notes[0]
    assert read_scenario(home, "scaled-calibrated").platform.pools[0] == scaled.platform.pools[0]


def test_a_log_without_waits_is_refused_with_what_is_missing(lake: Lake, logged: Callable[..., Trace]) -> None:
    trace = logged(platform("truth", gpu(7), cpu(8)))
    silent = trace.task_runs.with_columns(started_at=pl.lit(None, pl.Datetime("us")), ended_at=pl.lit(None, pl.Datetime("us")))
    _ingest(lake, Trace({**trace.frames, "task_runs": silent}))
    with pytest.raises(RequestError, match="queued and when they started"):
        calibrate(lake, BELIEVED)
    assert not (Path(lake.scenarios) / "believed-calibrated.yaml").exists()


def test_an_empty_home_has_nothing_to_calibrate_by(lake: Lake) -> None:
    with pytest.raises(EmptyTraceError):
        calibrate(lake, BELIEVED)


def test_what_was_found_can_be_asked_for_in_sql(home: Lake) -> None:
    found = calibrate(home, BELIEVED, workers=1)
    with snapshot_views(home) as con:
        pools = con.sql("SELECT pool, capacity, held FROM simulated.calibrated_pools ORDER BY pool").fetchall()
        errors = con.sql("SELECT figure, pool, observed, platform_error FROM simulated.calibration_errors").fetchall()
    assert pools == [("cpu", 8, None), ("gpu", 7, "before")]
    assert set(errors) == {(one.figure, one.pool, one.observed, one.platform_error) for one in found.figures}


def test_scenarios_whose_names_begin_alike_stay_apart(home: Lake) -> None:
    long = "n" * 90
    found = {calibrate(home, platform(long + end, gpu(9), cpu(8)), workers=1).calibrated for end in ("-a", "-b")}
    assert len(found) == 2
    assert all((home.scenarios / f"{name}.yaml").is_file() for name in found)


def test_drawn_work_that_does_not_fit_is_told_and_the_rest_stays(home: Lake) -> None:
    """The model is of other work than the log that the platform is now held to."""
    trace = home.load_observed()
    _ingest(home, Trace({**trace.frames, "task_runs": trace.task_runs.with_columns(pl.col("gpus") * 50)}))
    fit_workload(home, FitConfig(arrivals="poisson", marks="independent"))
    _ingest(home, trace)
    found = calibrate(home, BELIEVED, replications=2, workers=1)
    assert "drawn work could not be simulated" in found.notes[0]
    assert _of(found.figures, "mean_wait_s").drawn is None
    assert read_scenario(home, "believed-calibrated").platform.pools[0].gpus == 7


def test_what_does_not_hold_without_a_lifecycle_is_refused(home: Lake) -> None:
    failing = platform("failing", gpu(9, failures={"mtbf_h": 100, "repair_h": 1}), cpu(8), retries={"limit": 3})
    content = failing.model_dump(mode="json", exclude_none=True) | {"horizon_days": 7.0}
    del content["policy"]["retries"]["limit"]
    with pytest.raises(ConfigError, match=r"retries\.limit"):
        calibrate(home, Scenario.model_validate(content), workers=1)


def test_no_sweep_is_overwritten(home: Lake) -> None:
    home.scenarios.mkdir()
    text = "name: believed-calibrated\nplatform: {pools: [{name: gpu, gpus: {sweep: [1, 2]}}]}\n"
    (home.scenarios / "believed-calibrated.yaml").write_text(text)
    with pytest.raises(RequestError, match="name of a sweep"):
        calibrate(home, BELIEVED, workers=1)
    assert (home.scenarios / "believed-calibrated.yaml").read_text() == text
