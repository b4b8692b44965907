"""The fit: laws that are near their rows, arrivals that are as many."""

from __future__ import annotations

import pytest

from pipesim.checks.workload import arrivals_fit, durations_fit, quantities_fit
from pipesim.lake import Lake
from pipesim.verbs import fit_workload, load_model
from pipesim.workload import FitConfig, WorkloadModel


def store(lake: Lake, model: WorkloadModel) -> None:
    with lake.transaction() as tx:
        tx.stage(lake.models / "changed.json").write_text(model.to_json())
        tx.write_json({"current": "changed"}, lake.models / "current.json")


def test_a_fit_to_its_own_rows_passes(fitted: Lake) -> None:
    durations, arrivals = durations_fit(fitted), arrivals_fit(fitted)
    assert durations.passed, durations.words
    assert arrivals.passed, arrivals.words
    worst = durations.figures["worst_ks"]
    assert worst.floor is not None
    assert worst.high is not None
    assert 0 < worst.floor < worst.high
    assert durations.tables["cells"].height == durations.figures["cells"].value
    assert arrivals.figures["run_count_ratio"].value == pytest.approx(1, abs=0.01)
    assert arrivals.figures["hour_of_week_distance"].value == pytest.approx(0, abs=0.01)


def test_a_law_that_is_far_from_its_rows_is_a_warning(fitted: Lake) -> None:
    model = load_model(fitted)
    (cell, *_) = [c for c in model.durations if c.choice is not None]
    assert cell.choice is not None
    scores = tuple(score.model_copy(update={"ks": 0.4}) for score in cell.choice.scores)
    worse = cell.model_copy(update={"choice": cell.choice.model_copy(update={"scores": scores})})
    store(fitted, model.model_copy(update={"durations": tuple(worse if c is cell else c for c in model.durations)}))
    verdict = durations_fit(fitted)
    assert (verdict.passed, verdict.severity) == (False, "warn")
    assert verdict.figures["cells_beyond_goal"].value == 1
    assert verdict.tables["cells"].row(0, named=True)["cell"] == cell.name


def test_where_no_law_can_be_judged_nothing_is_said_to_be_near(fitted: Lake) -> None:
    model = load_model(fitted)
    store(fitted, model.model_copy(update={"durations": tuple(c.model_copy(update={"choice": None}) for c in model.durations)}))
    verdict = durations_fit(fitted)
    assert verdict.words == "No duration law could be judged, as the fit held out no rows."
    assert verdict.figures["cells"].value == 0


def test_too_many_arrivals_and_a_missing_rhythm_are_warnings(fitted: Lake) -> None:
    model = load_model(fitted)
    source = model.arrivals.source
    more = source.model_copy(update={"intensity": tuple(tuple(1.1 * rate for rate in day) for day in source.intensity)})
    store(fitted, model.model_copy(update={"arrivals": model.arrivals.model_copy(update={"source": more})}))
    verdict = arrivals_fit(fitted)
    assert (verdict.passed, verdict.severity) == (False, "warn")
    assert "run_count_ratio misses its goal" in verdict.words
    fit_workload(fitted, FitConfig(arrivals="poisson"))
    verdict = arrivals_fit(fitted)
    assert not verdict.passed
    assert "hour_of_week_distance misses its goal" in verdict.words


def test_a_model_that_says_what_its_log_does_is_within_the_limits(fitted: Lake) -> None:
    verdict = quantities_fit(fitted)
    assert verdict.passed, verdict.tables["outside"]
    assert verdict.figures["share_outside"].value == pytest.approx(verdict.tables["outside"].height / 90, abs=0.04)
    parts = verdict.tables["parts"]
    assert parts["quantities"].sum() == verdict.figures["quantities"].value
    assert {"arrivals", "outcomes", "demand", "durations"} <= set(parts["part"])
    assert parts["median relative half width"].drop_nulls().is_between(0, 1).all()


def test_estimates_outside_of_the_limits_are_a_warning(fitted: Lake) -> None:
    model = load_model(fitted)
    source = model.arrivals.source
    flat = source.model_copy(update={"intensity": ((9.0,) * 24,) * len(source.day)})
    store(fitted, model.model_copy(update={"arrivals": model.arrivals.model_copy(update={"source": flat})}))
    verdict = quantities_fit(fitted)
    assert (verdict.passed, verdict.severity) == (False, "warn")
    assert set(verdict.tables["outside"]["part"]) == {"arrivals"}
    assert "runs a day" in set(verdict.tables["outside"]["quantity"])
