"""The section on how like the log synthetic traces are."""

from __future__ import annotations

import csv
import io
import re
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.lake import CURRENT, Lake
from pipesim.quality.storing import save_quality
from pipesim.report import build_chart, open_data, png, write_report
from pipesim.report.bands import quantile_pairs
from pipesim.report.figures import LIKENESS
from pipesim.report.marks import Axes
from pipesim.report.score_table import outcome, score_table
from pipesim.report.series import LIKENESS as SERIES
from pipesim.trace import Trace
from tests.report.handmade import HOSTILE, START, Page, frames, observe
from tests.sql.judged import judged

SCHEMA = {
    "title": pl.String, "cell": pl.String, "model": pl.String, "traces": pl.Int64, "words": pl.String, "value": pl.Float64,
    "floor": pl.Float64, "baseline": pl.Float64, "goal": pl.String, "goal_low": pl.Float64, "goal_high": pl.Float64,
    "met": pl.Boolean,
}  # fmt: skip


def given_scores(*told: tuple[str, float | None, float | None], goal: float = 0.5) -> pl.DataFrame:
    """Scores of (title, value, floor) that should be at most the goal."""
    rows: list[dict[str, Any]] = [
        {"title": title, "value": value, "floor": floor, "goal": f"at most {goal}", "goal_high": goal, "model": "m",
         "traces": 4,
         "met": None if value is None else value <= goal, "words": f"{title} means this."}
        for title, value, floor in told
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=SCHEMA)


@pytest.fixture
def home(tmp_path: Path) -> Lake:
    """A lake with a log and a synthetic trace."""
    lake = Lake(tmp_path / "home")
    observe(lake)
    lake.save_synthetic(Trace(frames(START, simulated=False), "synthetic", "s"), {})
    return lake


def judge(lake: Lake, cells: int = 2) -> None:
    """Store the quality of a model; tasks of as many kinds, the first of which has a hostile name."""
    quality = judged("m-new")
    names = [HOSTILE, *(f"kind {i}" for i in range(1, cells))]
    durations = pl.concat(
        [quality.curves["duration_quantiles"].filter(cell="train").with_columns(cell=pl.lit(name)) for name in names]
    )
    distance = {"metric": "duration_ks", "title": "d", "value": 0.0625, "goal": "at most 0.05", "goal_high": 0.05}
    worst = pl.DataFrame([{**distance, "cell": names[-1]}], schema=quality.cells.schema)
    save_quality(
        lake,
        replace(
            quality,
            scores=quality.scores.with_columns(cell=pl.lit(HOSTILE)),
            cells=pl.concat([quality.cells, worst]),
            curves={**quality.curves, "duration_quantiles": durations},
        ),
        {"note": HOSTILE},
    )


def text_of(lake: Lake) -> str:
    return write_report(lake).read_text(encoding="utf-8")


def test_the_section_says_how_to_measure_where_nobody_has(home: Lake, tmp_path: Path) -> None:
    section = re.search('<section id="quality">.*?</section>', text_of(home), re.DOTALL)
    assert section is not None
    assert "<code>pipesim quality</code>" in section[0]
    assert "figure" not in section[0]
    assert 'id="quality"' not in text_of(Lake(tmp_path / "empty")), "without a synthetic trace there is nothing to ask"


def test_the_section_has_its_answer_table_charts_and_data(home: Lake) -> None:
    judge(home)
    text = text_of(home)
    parsed = Page(text)
    assert text.index('id="quality"') < text.index('id="arrivals"'), "what has an answer comes first"
    assert "The synthetic traces meet 1 of 2 goals and miss" in text
    assert "1 other cannot be told from this log." in text
    assert text.count('<tr class="missed">') == 1
    downloads = {str(a["download"]): str(a["href"]) for tag, a in parsed.tags if tag == "a" and "download" in a}
    for name in ("quality_scores", "quality_cells", *LIKENESS):
        assert list(csv.DictReader(io.StringIO(b64decode(downloads[f"{name}.csv"].split("base64,")[1]).decode()))), name
    specs = {spec["description"] for spec in parsed.specs()}
    assert {"Q-Q plots", "Line chart of the index", "Line chart of the autocorrelation", "Two heat maps"} <= {
        start for start in ("Q-Q plots", "Line chart of the index", "Line chart of the autocorrelation", "Two heat maps")
        if any(said.startswith(start) for said in specs)
    }  # fmt: skip
    assert "How like the log is the synthetic trace?" in text
    assert "&lt;/script&gt;" in text
    assert "</script><img" not in text
    assert text_of(home) == text, "the same tables give the same bytes"


def test_a_model_that_was_fitted_since_is_told(home: Lake) -> None:
    judge(home)
    told = "the present one, m-newest, has not been measured:"
    for current, said in (("m-new", False), ("m-newest", True)):
        with home.transaction() as tx:
            tx.write_json({"current": current}, home.models / CURRENT)
        assert (told in text_of(home)) == said


def test_every_chart_is_valid_and_a_small_picture(home: Lake) -> None:
    judge(home, cells=9)
    with open_data(home) as data:
        for name in LIKENESS:
            chart = build_chart(name, data)
            assert chart is not None
            picture = png(chart)
            assert picture.startswith(b"\x89PNG")
            assert len(picture) < 100_000


def test_the_kinds_that_miss_their_goal_most_come_first(home: Lake) -> None:
    judge(home, cells=9)
    with open_data(home) as data:
        figure = LIKENESS["quality_durations"](data)
        assert [panel.title for panel in figure.panels][:2] == ["kind 8", HOSTILE]
        assert [note.text for note in figure.notes] == ["Shown are 8 of 9 kinds of tasks, those farthest beyond their goals."]
        # Of a share that one side lacks, there is no point.
        points = figure.rows.filter(tasks="kind 8").select("series", "share", "observed_s", "duration_s").rows()
        assert points == [
            ("synthetic", 0.5, 10.0, 11.0), ("simple model", 0.5, 10.0, 12.0), ("simple model", 0.75, 20.0, 24.0),
        ]  # fmt: skip


def test_maps_stand_side_by_side_and_share_their_colours(home: Lake) -> None:
    judge(home)
    with open_data(home) as data:
        figure = LIKENESS["quality_week"](data)
    assert [panel.title for panel in figure.panels] == ["observed", "synthetic"]
    assert not figure.wide
    assert figure.rows.select("series", "weekday", "hour", "runs_per_hour").rows() == [
        ("observed", "Mon", 0, 3.0), ("observed", "Sun", 23, 0.0), ("synthetic", "Mon", 0, 2.0), ("synthetic", "Sun", 23, 0.0),
    ]  # fmt: skip
    assert {panel.chart.to_dict()["encoding"]["color"]["scale"]["domain"][1] for panel in figure.panels} == {3.0}


def test_a_log_without_durations_has_no_plot_of_them(home: Lake) -> None:
    quality = judged("m-new")
    save_quality(home, replace(quality, curves={name: table.clear() for name, table in quality.curves.items()}), {})
    text = text_of(home)
    assert 'id="scores"' in text
    assert not [name for name in LIKENESS if f'id="{name}"' in text]


def test_no_scores_no_outcome() -> None:
    assert outcome(given_scores()) == ""


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ([("a", 0.1, 0.1), ("b", 0.2, None)], "The synthetic traces meet all 2 goals."),
        ([("a", 0.9, 0.1), ("b", 0.2, 0.9)], "The synthetic traces meet 1 of 2 goals and miss “a”."),
        (
            [("a", 0.9, 0.6), ("b", 0.2, 0.1)],
            "The synthetic traces meet 1 of 2 goals and miss “a”; real days beside other real days would miss this too.",
        ),
        (
            [("a", 0.9, 0.6), ("b", 0.8, 0.1), ("c", None, None)],
            "The synthetic traces meet 0 of 2 goals and miss “a” and “b”; real days beside other real days would miss “a” too; "
            "1 other cannot be told from this log.",
        ),
        ([("a", None, None)], "The log tells too little to say how like it the synthetic traces are."),
    ],
)
def test_the_outcome_in_words(told: list[tuple[str, float | None, float | None]], said: str) -> None:
    assert outcome(given_scores(*told)) == said


scores = st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.floats(0, 1), st.none() | st.floats(0, 1)), min_size=1)


@given(scores)
def test_each_goal_is_met_missed_or_untold(told: list[tuple[str, float | None, float | None]]) -> None:
    frame = given_scores(*told)
    rows = score_table(frame).rows
    assert len(rows) == len(told)
    assert [missed for *_, missed in rows] == [value is not None and value > 0.5 for _, value, _ in told]
    for _, words, cells, _ in rows:
        assert words.endswith("means this.")
        assert len(cells) == 5
    assert outcome(frame).endswith(".")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.floats(0, 1e9)] * 4), min_size=1, max_size=5))
def test_whatever_the_durations_both_axes_span_all_of_them(points: list[tuple[float, float, float, float]]) -> None:
    rows = pl.DataFrame(points, schema=["observed_s", "duration_s", "low", "high"], orient="row").with_columns(
        series=pl.lit("synthetic")
    )
    chart = quantile_pairs(rows, SERIES, Axes("observed_s", "duration_s", "", ""))
    assert isinstance(chart, alt.LayerChart)
    spec = chart.to_dict()
    (x, y) = (spec["layer"][0]["encoding"][axis]["scale"]["domain"] for axis in "xy")
    assert x == y == pytest.approx([max(min(map(min, points)), 0.1), max(max(map(max, points)), 0.1)])
