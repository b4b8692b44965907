"""How marks are chosen: by what a queue makes of each way, on logs whose coupling is known."""

from __future__ import annotations

import numpy as np
import pytest

from pipesim.quality import fit_with_best_marks
from pipesim.quality.excerpt import Excerpt
from pipesim.quality.marks import shuffle_ladder
from pipesim.trace import Trace
from pipesim.workload import FitConfig
from pipesim.workload.laws.law import Floats
from tests.quality.conftest import jobs_of, jobs_trace

RUNGS = ["within an hour", "a day", "hours as busy", "altogether"]


def submissions(seed: int) -> Floats:
    """Instants of 28 days in seconds, as many on each."""
    return np.arange(28).repeat(80) * 86_400 + np.sort(np.random.default_rng(seed).random((28, 80)) * 86_400).ravel()


def coupled(seed: int = 0) -> tuple[Floats, Floats]:
    """Jobs of two days of the week are twenty times as long as those of the others."""
    at = submissions(seed)
    heavy = np.isin(at // 86_400 % 7, (1, 2))
    return at, np.random.default_rng([seed, 1]).lognormal(6, 0.5, len(at)) * np.where(heavy, 20.0, 1.0)


def chosen(trace: Trace) -> tuple[str, str]:
    """The kind of marks that was chosen, and the note that tells so."""
    model = fit_with_best_marks(trace, FitConfig(marks="auto", window="2026-03-02..2026-03-29"))
    note = model.notes[0]
    assert note.startswith("marks: ")
    return model.marks.kind, note


def test_work_that_comes_on_certain_days_takes_marks_of_the_day() -> None:
    kind, note = chosen(jobs_trace(*coupled()))
    assert kind == "same-day"
    assert "marks: same-day chosen by the error of waits" in note
    assert all(f"{name} " in note for name in ("independent", "hour-octave", *RUNGS))


def test_of_ways_that_are_as_good_the_simplest_is_taken() -> None:
    """All jobs are alike, so it is the same which of them come when."""
    kind, note = chosen(jobs_trace(submissions(0), 900.0))
    assert kind == "independent", note


def test_a_log_of_few_jobs_does_not_tell_and_keeps_the_default() -> None:
    kind, note = chosen(jobs_trace(np.arange(40) * 60_000.0, 60.0))
    assert kind == "same-day"
    assert "does not tell which are best: fewer than 50 jobs" in note


def test_the_ladder_rises_once_the_shuffle_breaks_what_a_queue_feels() -> None:
    real: Excerpt = jobs_of(*coupled())
    rungs = shuffle_ladder(real, 0)
    assert list(rungs) == RUNGS
    assert rungs["within an hour"] < rungs["altogether"]
    assert rungs["a day"] < rungs["altogether"]
    assert rungs == shuffle_ladder(real, 0)
    assert shuffle_ladder(jobs_of(np.arange(2000) * 600.0, 60.0), 0) == pytest.approx(dict.fromkeys(RUNGS, 0.0))
