"""Shares: what is in them, what is not given away unasked, and that a folder is replaced whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipesim.errors import RequestError, WorkError
from pipesim.experiments.replications import Run, RunResult, run_replication, run_scenarios
from pipesim.experiments.sharing import Experiment, reproduce, share
from pipesim.experiments.sweeps import load_sweep
from pipesim.lake import CURRENT, Lake
from pipesim.verbs import fit_workload, load_model
from pipesim.workload import FitConfig

Write = Callable[..., list[Experiment]]


def _content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_share_holds_what_others_need_and_says_what_it_is(made: tuple[Lake, Path]) -> None:
    lake, folder = made
    content = _content(folder)
    assert set(content) == {
        "README.txt", "manifest.json", f"inputs/{lake.current(lake.models)}.json", "inputs/orders/order.py",
        "inputs/log/pipeline_runs.parquet", "inputs/log/task_runs.parquet",
        *(f"scenarios/{name}.yaml" for name in ("estimated", "own", "replay", "retrained", "sweep")),
        "results/summaries.csv", "results/summaries.parquet", "results/sweeps.csv", "results/sweeps.parquet",
    }  # fmt: skip
    manifest = json.loads(content["manifest.json"])
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in content.items() if name != "manifest.json"}
    assert manifest["files"] == hashes
    assert "pipesim reproduce ." in content["README.txt"].decode()
    assert [(run["scenario"], run["replication"], run["engine"]) for run in manifest["runs"]] == [
        ("sweep-order-fifo", 0, "compiled"), ("sweep-order-fifo", 1, "compiled"), ("sweep-order-sjf", 0, "compiled"),
        ("sweep-order-sjf", 1, "compiled"), ("replay", 0, "compiled"), ("retrained", 0, "compiled"),
        ("estimated", 0, "compiled"), ("own", 0, "reference"),
    ]  # fmt: skip
    first, second, *_, replay, retrained, _, _ = (run["seeds"] for run in manifest["runs"])
    assert first == {"root": 3, "workload": 3}
    assert second["workload"] not in (0, 3)
    assert replay == {"root": 0}
    assert retrained == {"root": 3, "workload": 3, "lifecycle": 3}
    stored = lake.simulated_folder("task_runs", "sweep-order-sjf", 1) / "task_runs.parquet"
    assert manifest["runs"][3]["tables"]["task_runs"]["sha256"] == hashlib.sha256(stored.read_bytes()).hexdigest()


def test_the_figures_are_there_for_people_and_for_tools(made: tuple[Lake, Path]) -> None:
    summaries = pl.read_parquet(made[1] / "results" / "summaries.parquet")
    told = pl.read_csv(made[1] / "results" / "summaries.csv")
    assert not {"seconds", "engine_seconds"} & set(summaries.columns), "equal shares would not be equal bytes"
    assert told["mean_wait_s"].to_list() == summaries["mean_wait_s"].to_list()
    pools = [json.loads(value) for value in told["utilization"]]
    assert pools == summaries["utilization"].to_list()
    sweeps = pl.read_csv(made[1] / "results" / "sweeps.csv")
    assert sweeps.select("scenario", "value").rows() == [("sweep-order-fifo", "fifo"), ("sweep-order-sjf", "sjf")]


def test_equal_shares_are_equal_bytes_wherever_they_are_made(
    made: tuple[Lake, Path], shared: Path, tmp_path: Path, write_scenarios: Write
) -> None:
    """Even one that is made from what a reproduction left."""
    reproduce(shared, home=tmp_path / "elsewhere", workers=1, allow_code=True)
    experiments = write_scenarios(made[1].parent / "given")
    done: list[RunResult] = []
    again = share(Lake(tmp_path / "elsewhere"), tmp_path / "again", experiments, with_log=True, workers=1, on_done=done.append)
    assert _content(tmp_path / "again") == _content(made[1])
    # An order of one's own, whose code may have changed, is always simulated.
    assert {result.summary.scenario for result in done if not result.kept} == {"own"}
    assert again.simulated == 1


def test_as_many_replications_are_shared_as_were_simulated_or_as_are_asked_for(
    fitted: Lake, tmp_path: Path, write_scenarios: Write
) -> None:
    experiments = write_scenarios(tmp_path / "given", ["sweep"])
    first = experiments[0][1][0].scenario
    run_scenarios(fitted, [first], replications=4, workers=1)
    shared = share(fitted, tmp_path / "share", experiments, workers=1)
    assert (shared.runs, shared.simulated, shared.scenarios) == (4 + 2, 2, 2)
    assert fitted.replications(first.name) == [0, 1, 2, 3]
    assert share(fitted, tmp_path / "share", experiments, replications=1, workers=1).runs == 2


@pytest.mark.parametrize(
    "text", ["workload: {kind: replay}\n", "workload: {kind: synthetic, days: 1}\npolicy: {order: sjf, estimates: history}\n"]
)
def test_a_log_is_given_away_only_if_that_is_asked_for(fitted: Lake, tmp_path: Path, text: str) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(text + "platform: {pools: [{name: p, slots: 2}]}\n")
    experiments = [(sweep := load_sweep(file), sweep.variants())]
    with pytest.raises(RequestError, match=r"500 runs and 500 task attempts away\n.*--with-log"):
        share(fitted, tmp_path / "share", experiments)
    assert not (tmp_path / "share").exists()
    said: list[str] = []
    assert share(fitted, tmp_path / "share", experiments, with_log=True, say=said.append).log_rows == 1_000
    assert any(sentence.startswith("warning: the share holds the log: 1,000 rows") for sentence in said)


def test_what_needs_no_log_is_shared_without_it_and_says_what_the_model_names(
    fitted: Lake, tmp_path: Path, write_scenarios: Write
) -> None:
    said: list[str] = []
    shared = share(
        fitted, tmp_path / "share", write_scenarios(tmp_path / "given", ["sweep"]), with_log=True, workers=1, say=said.append
    )
    assert shared.log_rows == 0
    assert not (tmp_path / "share" / "inputs" / "log").exists()
    assert said == [
        "note: the workload model in the share names 1 pipeline, 0 tenants, 0 users, and how often each submitted what"
    ]


def test_a_model_that_tells_of_single_runs_is_shared_with_a_warning(
    fitted: Lake, tmp_path: Path, write_scenarios: Write
) -> None:
    fit_workload(fitted, FitConfig(arrivals="poisson", marks="same-day"))
    said: list[str] = []
    share(
        fitted, tmp_path / "share", write_scenarios(tmp_path / "given", ["sweep"]), replications=1, workers=1, say=said.append
    )
    assert "tells of 500 single runs of the log" in said[-1]
    assert said[-1].startswith("warning: ")


def test_what_changes_meanwhile_is_not_shared(fitted: Lake, tmp_path: Path, write_scenarios: Write) -> None:
    experiments = write_scenarios(tmp_path / "given", ["sweep", "own"])

    def fit_another(_: RunResult) -> None:
        model = load_model(fitted)
        other = model.model_copy(update={"provenance": model.provenance.model_copy(update={"seed": 9})})
        with fitted.transaction() as tx:
            tx.stage(fitted.models / f"{other.id}.json").write_text(other.to_json())
            tx.write_json({"current": other.id}, fitted.models / CURRENT)

    with pytest.raises(WorkError, match="a model was fitted"):
        share(fitted, tmp_path / "share", experiments[:1], workers=1, on_done=fit_another)
    with pytest.raises(WorkError, match="an order was changed"):
        share(
            fitted, tmp_path / "share", experiments[1:], workers=1,
            on_done=lambda _: (tmp_path / "given" / "order.py").write_text("") and None,
        )  # fmt: skip

    def simulate_another(result: RunResult) -> None:
        changed = experiments[0][1][0].scenario.model_copy(update={"horizon_days": 1.0})
        if result.summary.scenario == "sweep-order-sjf":
            run_replication(Run(fitted.root, changed, 0, None))

    with pytest.raises(WorkError, match="replication 0 of scenario sweep-order-fifo was simulated anew"):
        share(fitted, tmp_path / "share", experiments[:1], workers=1, on_done=simulate_another)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fitted", "given"]


@pytest.mark.parametrize(
    ("order", "says"), [("json:dumps", "comes from a package"), ("nowhere/order.py:shortest", "cannot be read")]
)
def test_orders_that_cannot_be_shared_are_refused(fitted: Lake, tmp_path: Path, order: str, says: str) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(
        f"workload: {{kind: synthetic, days: 1}}\nplatform: {{pools: [{{name: p, slots: 2}}]}}\npolicy: {{order: '{order}'}}\n"
    )
    sweep = load_sweep(file)
    with pytest.raises(RequestError, match=says):
        share(fitted, tmp_path / "share", [(sweep, sweep.variants())])


def test_two_files_of_one_name_are_refused(fitted: Lake, tmp_path: Path, write_scenarios: Write) -> None:
    experiments = write_scenarios(tmp_path / "a", ["sweep"]) + write_scenarios(tmp_path / "b", ["sweep"])
    with pytest.raises(RequestError, match=r"two files are called sweep\.yaml"):
        share(fitted, tmp_path / "share", experiments)


def test_only_shares_are_replaced(fitted: Lake, sweep_share: Path, tmp_path: Path, write_scenarios: Write) -> None:
    experiments = write_scenarios(tmp_path / "given", ["sweep"])
    before = _content(sweep_share)

    def refused(folder: Path) -> str:
        with pytest.raises(RequestError) as caught:
            share(fitted, folder, experiments, workers=1)
        return str(caught.value)

    assert "not made by `pipesim share`" in refused(tmp_path / "given")
    assert "this is a file" in refused(tmp_path / "given" / "order.py")
    assert "no folder can be made there" in refused(tmp_path / "none" / "share")
    (sweep_share / "notes.txt").write_text("mine")
    assert "notes.txt" in refused(sweep_share)
    assert _content(sweep_share) == {**before, "notes.txt": b"mine"}
    (sweep_share / "notes.txt").unlink()
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", sweep_share):
        share(fitted, folder, experiments, replications=1, workers=1)
        assert len(json.loads((folder / "manifest.json").read_text())["runs"]) == 2


def test_a_share_that_fails_leaves_the_last_good_one(
    fitted: Lake, sweep_share: Path, tmp_path: Path, write_scenarios: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiments, before = write_scenarios(tmp_path / "given", ["sweep"]), _content(sweep_share)
    rename = Path.rename

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    def full(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr("pipesim.experiments.sharing.writing.write_results", interrupted)
        with pytest.raises(KeyboardInterrupt):
            share(fitted, sweep_share, experiments, replications=1, workers=1)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", full)
        with pytest.raises(WorkError, match="could not be written"):
            share(fitted, sweep_share, experiments, replications=1, workers=1)
    assert _content(sweep_share) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fitted", "given", "share"]


def test_a_swap_that_was_cut_off_by_a_kill_is_finished(fitted: Lake, sweep_share: Path, tmp_path: Path) -> None:
    """Between the two renames there is no share in its place; whoever looks for it next puts the new one there."""
    aside = tmp_path / ".share.0123.sharing"
    shutil.copytree(sweep_share, aside / "new")
    sweep_share.rename(aside / "old")
    assert reproduce(sweep_share, workers=1).different == ()
    assert not aside.exists()
