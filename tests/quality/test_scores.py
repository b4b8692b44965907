"""The whole comparison, the verb and the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest

from pipesim import cli
from pipesim.identity import file_hash
from pipesim.lake import Lake
from pipesim.quality import Quality, QualityConfig, quality
from pipesim.quality.jobs import excerpt
from pipesim.quality.scores import one_floor, one_seed
from pipesim.quality.storing import quality_folder
from pipesim.quality.stretch import real_stretch
from pipesim.quality_schema import QUALITY_TABLES
from pipesim.schema import TRACE_TABLES, with_provenance
from pipesim.trace import Trace
from pipesim.verbs import quality as judge
from pipesim.workload import FitConfig, WorkloadModel, fit
from tests.quality.conftest import jobs_trace

NAMES = {
    "count_ratio", "work_ratio", "interarrival_ks", "dispersion_error", "interarrival_memory_error", "hourly_memory_error",
    "duration_ks", "duration_wasserstein", "duration_q99_ratio", "duration_memory_error", "category_mix",
    "correlation_similarity", "classifier_auc", "wfe_p95", "wfe_p95_bias", "wfe_gain",
    "wfe_gain_published",
}  # fmt: skip


@pytest.fixture(scope="module")
def trace() -> Trace:
    rng = np.random.default_rng(4)
    at = np.sort(rng.random(1500) * 14 * 86_400)
    return jobs_trace(at, rng.lognormal(5, 1.5, 1500), gpus=rng.choice([1.0, 2.0], 1500))


@pytest.fixture(scope="module")
def model(trace: Trace) -> WorkloadModel:
    return fit(trace, FitConfig(arrivals="poisson", window="2026-03-02..2026-03-15"))


@pytest.fixture(scope="module")
def found(trace: Trace, model: WorkloadModel) -> Quality:
    return quality(trace, model, QualityConfig(seeds=3, seed=5))


def test_every_metric_stands_beside_floor_baseline_and_goal(found: Quality) -> None:
    scores = found.as_dict()["scores"]
    assert set(scores) == NAMES
    assert all(set(score) == {"value", "floor", "baseline", "goal", "ok"} for score in scores.values())
    assert all(isinstance(score[k], float) for score in scores.values() for k in ("value", "floor", "baseline"))
    assert found.days == 14
    assert set(found.seeds["series"]) == set(QUALITY_TABLES["seeds"].by_name["series"].values)
    assert found.seeds.group_by("series").agg(pl.col("seed").unique().sort())["seed"].to_list() == [[5, 6, 7]] * 4
    assert found.baseline != found.model


def test_a_model_of_the_very_law_meets_what_does_not_hang_on_the_size_of_the_log(found: Quality) -> None:
    scores = found.as_dict()["scores"]
    # Three draws tell neither these nor the floor of `duration_ks` well.
    expected = NAMES - {
        "duration_ks",
        "wfe_gain",
        "wfe_gain_published",
        "wfe_p95_bias",
        "wfe_p95",
        "duration_q99_ratio",
        "work_ratio",
        "duration_wasserstein",
    }
    assert {name for name in expected if not scores[name]["ok"]} == set()


def test_a_seed_gives_the_same_whatever_else_is_drawn(trace: Trace, model: WorkloadModel, found: Quality) -> None:
    real = excerpt(trace, real_stretch(model))
    for series, rows in (("model", one_seed(real, model, 6).rows), ("floor", one_floor(real, 6))):
        mine = found.seeds.filter((pl.col("series") == series) & (pl.col("seed") == 6)).drop("series", "seed")
        assert mine.rows() == list(rows)


def test_private_traces_have_scores_of_their_own(trace: Trace, model: WorkloadModel, found: Quality) -> None:
    private = quality(trace, model, QualityConfig(seeds=1, private=True)).as_dict()["scores"]
    assert set(private) == NAMES
    # Numbers instead of names are no difference.
    assert private["category_mix"]["value"] > 0.9
    assert private["count_ratio"]["value"] == pytest.approx(1, abs=0.1)
    assert private != quality(trace, model, QualityConfig(seeds=1)).as_dict()["scores"]


def test_runs_that_were_ingested_later_change_nothing(trace: Trace) -> None:
    early = Trace({name: trace[name].head(300) for name in ("pipeline_runs", "task_runs")})
    trace = Trace({name: trace[name].head(400) for name in ("pipeline_runs", "task_runs")})
    end = early.pipeline_runs["submitted_at"][-1]
    seen = Trace({**early.frames, "pipeline_runs": early.pipeline_runs.with_columns(observed_until=end)})
    all_of_it = Trace({**trace.frames, "pipeline_runs": trace.pipeline_runs.with_columns(observed_until=end)})
    first = fit(seen, FitConfig(arrivals="hour-of-week", marks="independent"))
    one, other = (quality(t, first, QualityConfig(seeds=1)) for t in (seen, all_of_it))
    assert one.scores.equals(other.scores)
    assert one.baseline == other.baseline


@pytest.fixture
def home(trace: Trace, model: WorkloadModel, lake: Lake) -> Lake:
    with lake.transaction() as tx:
        for table in ("pipeline_runs", "task_runs"):
            tx.write_frame(with_provenance(TRACE_TABLES[table]).conform(trace[table]), lake.observed_file(table, "i"))
        tx.stage(lake.models / f"{model.id}.json").write_text(model.to_json(), encoding="utf-8")
        tx.write_json({"current": model.id}, lake.models / "current.json")
    return lake


def test_the_verb_stores_the_same_bytes_every_time(home: Lake, model: WorkloadModel) -> None:
    shares: list[float] = []
    folder = quality_folder(home, model.id)
    config = QualityConfig(seeds=1)
    judge(home, config, shares.append)
    first = {path.name: file_hash(path) for path in folder.iterdir()}
    again = judge(home, config)
    assert {path.name: file_hash(path) for path in folder.iterdir()} == first
    assert set(first) == {f"{name}.parquet" for name in again.tables()} | {"manifest.json"}
    for name, table in again.tables().items():
        stored = pl.read_parquet(folder / f"{name}.parquet")
        assert stored.drop("position", strict=False).equals(table)
        assert stored.schema == QUALITY_TABLES[name].polars_schema, "the declaration leaves out nothing that is told"
    assert home.current(home.lake / "quality") == model.id
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["config"] == {"seeds": 1, "seed": 0, "private": False}
    assert (manifest["model"], manifest["days"]) == (model.id, 14)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["pipesim", "quality", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return int(stopped.value.code or 0), *capsys.readouterr()

    return call


def test_the_command_prints_one_object_or_a_table_with_a_sentence_for_each_score(home: Lake, run: Callable[..., Any]) -> None:
    code, out, err = run("--home", home.root, "--seeds", 1, "--json")
    assert (code, err) == (0, "")
    assert set(json.loads(out)) == {"scores"}
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        assert con.sql("SELECT count(*) FROM quality.scores WHERE is_current").fetchall() == [(len(NAMES),)]
    code, out, _ = run("--home", home.root, "--seeds", 1)
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == ["score", "value", "floor", "baseline", "goal", "met"]
    assert sum(line.startswith("- ") for line in lines) == len(NAMES)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--seeds", 0], ["--seeds"]), (["--seed", -1], ["--seed"]), ([], ["no workload model", "pipesim fit"])],
)
def test_a_wrong_request_exits_with_2(
    tmp_path: Path, run: Callable[..., Any], arguments: list[object], says: list[str]
) -> None:
    code, out, err = run("--home", tmp_path / "empty", *arguments)
    assert (code, out) == (2, "")
    assert all(word in err for word in says)


def test_a_log_of_hours_is_judged_by_what_it_tells() -> None:
    rng = np.random.default_rng(0)
    at = np.sort(rng.random(60) * 5 * 3600)
    short = jobs_trace(at, rng.lognormal(3, 1, 60)).pipeline_runs.with_columns(observed_until=pl.col("submitted_at").max())
    whole = Trace({**jobs_trace(at, rng.lognormal(3, 1, 60)).frames, "pipeline_runs": short})
    scores = quality(whole, fit(whole), QualityConfig(seeds=2)).as_dict()["scores"]
    assert scores["count_ratio"]["value"] == pytest.approx(1.0, abs=0.3)
    assert scores["count_ratio"]["floor"] is None
    assert scores["classifier_auc"] == {"value": None, "floor": None, "baseline": None, "goal": "at most 0.7", "ok": None}
