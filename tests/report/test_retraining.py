from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipesim.lake import Lake
from pipesim.report import build_chart, open_data, png, write_report
from pipesim.report.aging import CELLS
from pipesim.report.data import ReportData
from pipesim.report.figures import COMPARISON, FIGURES, RETRAINING
from pipesim.report.series import choose
from pipesim.report.strategy_table import strategy_table
from pipesim.schema import TRACE_TABLES, with_provenance
from tests.report.handmade import HOSTILE, START, WEEKS, Page, at, frames, lifecycle, measured, observe, simulate

LONG = "l" * 100
PRICE = 2.48  # of a GPU-hour of no known type, in sql/resource_rates.sql


def fill(lake: Lake, order: Callable[[list[str]], list[str]] = list) -> Lake:
    """What-ifs a, b and c, and five strategies: three efficient ones, one that wastes, one with the longest name."""
    tables: dict[str, list[dict[str, pl.DataFrame]]] = {name: [frames(START, simulated=True)] for name in "cab"}
    tables["never-retrain"] = [lifecycle(0, 0.70), lifecycle(0, 0.72)]
    tables["some"] = [lifecycle(10, 0.80), lifecycle(12, 0.81)]
    tables["much"] = [lifecycle(40, 0.84, wait_s=600), lifecycle(44, 0.85, wait_s=800)]
    tables["wasteful"] = [lifecycle(30, 0.75), lifecycle(30, 0.77)]
    tables[LONG] = [lifecycle(20, 0.79)]
    for name in order(list(tables)):
        simulate(lake, name, *tables[name], objective=0.75)
    return lake


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return fill(Lake(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def data(full: Lake) -> Iterator[ReportData]:
    with open_data(full) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(full: Lake) -> str:
    return write_report(full).read_text(encoding="utf-8")


def spec(name: str, data: ReportData, panel: int = 0) -> dict[str, Any]:
    """The chart as it is drawn, checked against the schema of Vega-Lite."""
    found: dict[str, Any] = FIGURES[name](data).panels[panel].chart.to_dict()
    return found


def drawn(chart: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in chart["datasets"][chart["data"]["name"]]]


def test_strategies_come_after_the_what_ifs_while_there_is_room(data: ReportData, page: str) -> None:
    assert [one.label for one in data.series] == ["a", "b", "c", "never-retrain", "much", "some"]
    assert [one.label for one in data.choice.strategies] == ["never-retrain", "much", "some"]
    assert (
        f"no room for these retraining strategies: {LONG} and wasteful. All strategies are compared under "
        "\u201cWhich retraining strategy?\u201d."
    ) in page
    assert "This report compares 3 simulated scenarios and 5 retraining strategies." in page


@pytest.mark.parametrize("scenarios", range(9))
def test_a_trace_has_one_colour_and_a_chart_no_colour_twice(scenarios: int) -> None:
    found = choose(True, "s", [f"w{i}" for i in range(scenarios)], [f"r{i}" for i in range(9)], 3)
    room = min(scenarios, 6)
    simulated = [one.label for one in found.series if one.origin == "simulated"]
    assert simulated == [f"w{i}" for i in range(room)] + [f"r{i}" for i in range(6 - room)]
    assert len({one.colour for one in found.series}) == 8
    assert len({one.dash for one in found.strategies}) == 3
    shown = {one.label: one for one in found.series}
    assert [one.label for one in found.strategies] == ["r0", "r1", "r2"]
    assert all(shown.get(one.label, one) == one for one in found.strategies)
    assert list(found.left_out) == [f"w{i}" for i in range(6, scenarios)]


def test_what_is_spent_is_told_a_week(data: ReportData) -> None:
    rows = {row["scenario"]: row for row in FIGURES["retraining_frontier"](data).rows.iter_rows(named=True)}
    assert list(rows) == ["much", "some", LONG, "wasteful", "never-retrain"]
    assert rows["some"]["points"] == pytest.approx(80.5)
    assert rows["some"]["spent"] == pytest.approx(11 * PRICE / WEEKS)
    # Student's t with one degree of freedom: 12.706 times the half of the difference.
    assert rows["some"]["spent_ci95_high"] == pytest.approx((11 + 12.706205) * PRICE / WEEKS, rel=1e-5)
    assert rows["some"]["points_ci95_low"] == pytest.approx(80.5 - 12.706205 / 2, rel=1e-5)
    assert rows[LONG]["spent_ci95_low"] is None
    assert [name for name, row in rows.items() if row["is_efficient"]] == ["much", "some", "never-retrain"]


def test_under_equal_work_efficiency_and_prices_are_those_of_the_analytics_table(data: ReportData) -> None:
    stored = data.con.sql(
        "SELECT scenario, is_efficient, marginal_cost_per_point FROM analytics.retraining_strategies ORDER BY scenario"
    ).fetchall()
    rows = data.strategies.rows.sort("scenario")
    assert rows["is_efficient"].to_list() == [efficient for _, efficient, _ in stored]
    assert rows["next_point"].to_list() == [pytest.approx(price / WEEKS) if price else None for *_, price in stored]
    assert rows["next_point"].null_count() == 3


def test_the_frontier_draws_the_strategies_with_their_intervals(data: ReportData) -> None:
    chart = spec("retraining_frontier", data)
    rows = {row["strategy"]: row for row in drawn(chart)}
    assert set(rows) == {"much", "some", "wasteful", "never-retrain", LONG}
    # Cut at zero, though the interval is symmetric; none where there is one replication only.
    assert rows["some"]["spent_low"] == 0
    assert data.strategies.rows.filter(scenario="some")["spent_ci95_low"].item() < 0
    assert rows[LONG]["points_low"] is rows[LONG]["spent_high"] is None
    assert rows["much"]["wait"] == "11.7 min"
    assert "$52 a week, 95 % interval " in rows["much"]["spending"]
    # On a phone and on a page, short names stand, and the longest is cut.
    assert [rows["some"][f"name{which}"] for which in range(4)] == ["some"] * 4
    assert rows[LONG]["name3"] == "l" * 29 + "\u2026"
    # The efficient are drawn last, and alone joined by the line.
    assert [row["is_efficient"] for row in drawn(chart)] == [False, False, True, True, True]
    lines = [layer for layer in chart["layer"] if layer["mark"]["type"] == "line"]
    assert [layer["transform"] for layer in lines] == [[{"filter": "datum.is_efficient"}]]
    assert {layer["encoding"]["x"]["title"] for layer in lines} == {"spent on retraining a week (USD)"}


def test_a_strategy_simulated_once_is_said_to_have_no_interval(data: ReportData) -> None:
    notes = [note.text for note in FIGURES["retraining_frontier"](data).notes]
    assert notes == [f"Simulated only once, so without intervals: {LONG}. How sure their figures are is not known."]


def test_the_table_tells_every_strategy_in_units_for_people(data: ReportData) -> None:
    table = strategy_table(data.strategies)
    assert sum(span for _, span in table.groups) == len(table.heads)
    cells = {row[0]: dict(zip(table.heads, row, strict=True)) for row, _ in table.rows}
    assert list(cells) == data.strategies.names
    some = cells["some"]
    assert some["Mean points"] == "80.5 (74.1 to 86.9)"
    assert some["Points gained"].startswith("+9.5 (")
    assert some["Time below objective"] == "-"
    assert (some["Runs"], some["GPU-hours"], some["Money"]) == ("5.5", "5.5", "$14")
    assert some["Energy, kWh"] == "1.6"
    assert some["Carbon, kg CO\u2082"] == "0.79"
    assert some["On the baseline"] == some["Next point"] == "$1.44"
    assert some["Users wait, mean"] == "60.0 s"
    assert some["Worth considering"] == "yes"
    assert cells["never-retrain"]["Points gained"] == "baseline"
    assert cells["never-retrain"]["On the baseline"] == cells["never-retrain"]["Next point"] == "-"
    assert cells["wasteful"]["Next point"] == "-"
    assert cells["wasteful"]["On the baseline"] == "$7.44"
    assert [efficient for _, efficient in table.rows] == [True, True, False, False, True]


def test_the_page_answers_first_and_shows_the_table(page: str) -> None:
    answers = page.index('<p class="answer">Of 5 strategies, 3 are worth considering: from never-retrain (71.0 points, nothing')
    assert page.index('id="key-figures"') < answers < page.index('id="retraining_frontier"') < page.index('id="strategies"')
    assert page.index('id="work_waits"') < page.index('id="arrivals"')
    parsed = Page(page)
    downloads = {attrs["download"] for tag, attrs in parsed.tags if tag == "a" and "download" in attrs}
    assert {f"{name}.csv" for name in RETRAINING} <= downloads
    assert '<a href="#retraining">Which retraining strategy?</a>' in page
    # Two of the strategies are not efficient.
    assert page.count('<tr class="other">') == 2
    assert f"<summary>{LONG}</summary>" in page


def test_the_page_escapes_the_names_of_models(page: str, data: ReportData) -> None:
    parsed = Page(page)
    assert not any("onerror" in attrs for _, attrs in parsed.tags)
    assert page.count("</script>") == len(parsed.scripts)
    assert FIGURES["model_performance"](data).panels[0].title == HOSTILE
    assert "<h4>&lt;/script&gt;&lt;img src=x onerror=" in page
    assert all(chart["description"] for chart in parsed.specs())


def test_the_page_holds_the_charts_as_the_schema_allows_them(page: str, data: ReportData) -> None:
    held = Page(page).specs()
    figures = [make(data) for make in (*RETRAINING.values(), *COMPARISON.values())]
    built = [panel.chart.to_dict() for figure in figures for panel in figure.panels]
    # Parameters are numbered as they come.
    plain = [json.dumps({k: v for k, v in one.items() if k in ("data", "datasets", "encoding")}) for one in held]
    assert plain == [json.dumps({k: v for k, v in one.items() if k in ("data", "datasets", "encoding")}) for one in built]


def test_equal_lakes_give_equal_bytes(full: Lake, page: str, tmp_path: Path) -> None:
    again = fill(Lake(tmp_path / "home"), lambda names: names[::-1])
    assert write_report(again).read_text(encoding="utf-8") == page


def test_every_figure_on_retraining_is_a_small_png(data: ReportData) -> None:
    for name in RETRAINING:
        chart = build_chart(name, data)
        assert chart is not None
        assert len(png(chart)) < 100_000


def aging(lake: Lake, **models: list[tuple[float, float]]) -> None:
    """A baseline under which the models do as given, and a strategy under which they do well."""
    simulate(lake, "never-retrain", lifecycle(0, 0.5, models=models), objective=0.75)
    simulate(lake, "often", lifecycle(40, 0.9, models={name: [(0, 0.9)] for name in models}), objective=0.75)


def falling(first: float, last: float, step: float = 12) -> list[tuple[float, float]]:
    hours = 168 * WEEKS
    return [(i * step, first + (last - first) * i * step / hours) for i in range(int(hours / step))]


def test_the_models_shown_are_those_that_age_and_gain_most(lake: Lake) -> None:
    flat = [(0.0, 0.3)]
    aging(
        lake, flat=flat, b=falling(0.9, 0.5), a=falling(0.9, 0.5), c=falling(0.9, 0.4), d=falling(0.9, 0.8), e=falling(0.9, 0.7)
    )
    with open_data(lake) as opened:
        figure = FIGURES["model_performance"](opened)
        assert [panel.title for panel in figure.panels] == ["c", "a", "b", "e"]
        assert [one.label for one in figure.series] == ["never-retrain", "often"]
        assert "the 4 models that age under never-retrain and to which often brings most" in figure.caption.reading
        assert "replication 0 only" in figure.caption.reading


def test_a_line_of_a_model_has_its_steps_and_its_events(lake: Lake) -> None:
    simulate(
        lake,
        "only",
        lifecycle(2, 0.9, models={"m": [(0, 0.8), (3, 0.7)]}),
        lifecycle(3, 0.6, models={"m": [(0, 0.6)]}),
        objective=0.75,
    )
    with open_data(lake) as opened:
        figure = FIGURES["model_performance"](opened)
        chart = spec("model_performance", opened)
    assert figure.rows.select("time", "points", "version", "event").rows() == [
        (at(0), 80.0, "0", "version live"),
        (at(3), 70.0, "0", "measured"),
        (at(6), 70.0, "0", "retraining triggered"),
        (at(7), 90.0, "1", "version live"),
        (at(12), 90.0, "1", "retraining triggered"),
        (at(13), 90.0, "2", "version live"),
        (at(168 * WEEKS + 24), 90.0, "2", "measured"),
    ]
    assert figure.rows["day"].to_list()[:2] == [0, 0.125]
    assert "the objective, 75.0 points" in figure.caption.reading
    rules = [layer for layer in chart["layer"] if layer["mark"]["type"] == "rule"]
    assert [chart["datasets"][layer["data"]["name"]] for layer in rules] == [[{"points": 75.0}]]


def test_strategies_that_do_not_agree_on_an_objective_show_none(lake: Lake) -> None:
    simulate(lake, "a", lifecycle(0, 0.8), objective=0.75)
    simulate(lake, "b", lifecycle(1, 0.9), objective=0.7)
    with open_data(lake) as opened:
        assert "objective" not in FIGURES["model_performance"](opened).caption.reading
        marks = [layer["mark"]["type"] for layer in spec("model_performance", opened)["layer"]]
    assert "line" in marks
    assert "rule" not in marks


def test_long_lines_are_thinned_out(lake: Lake) -> None:
    busy = lifecycle(0, 0.8, models={"m": falling(0.9, 0.5, step=0.05)})
    looks = busy["model_metrics"]
    # A hundred versions, each live for an hour, and then none for two.
    gaps = TRACE_TABLES["models"].conform(
        pl.DataFrame(
            [{"model_id": "gaps", "version": str(i), "deployed_at": at(3 * i), "retired_at": at(3 * i + 1)} for i in range(100)]
        )
    )
    seen = pl.DataFrame([measured("gaps", str(i), 0, 3 * i, 0.5 + i / 1000) for i in range(100)])
    busy["models"] = pl.concat([busy["models"], gaps])
    busy["model_metrics"] = pl.concat([looks, TRACE_TABLES["model_metrics"].conform(seen)])
    simulate(lake, "only", busy)
    with open_data(lake) as opened:
        rows = FIGURES["model_performance"](opened).rows
    line = rows.filter(model="m")
    assert looks.height == 6720
    assert CELLS - 20 < line.height <= 2 * CELLS
    assert line["points"].is_sorted(descending=True)
    assert line["points"].min() == pytest.approx(50, abs=0.01)
    ended = rows.filter(model="gaps", event="no version live")
    assert ended["points"].null_count() == ended.height == 99
    assert rows.filter(model="gaps").height <= 3 * CELLS


def test_a_log_without_simulated_lifecycle_shows_its_own_models(lake: Lake) -> None:
    told = lifecycle(1, 0.9, models={"flat": [(0, 0.5)], HOSTILE: falling(0.9, 0.6)})
    with lake.transaction() as tx:
        for table, frame in told.items():
            marked = frame.with_columns(source=pl.lit("s"), source_file=pl.lit("a"), source_line=1, ingest_id=pl.lit("i"))
            tx.write_frame(with_provenance(TRACE_TABLES[table]).conform(marked), lake.observed_file(table, "i"))
    with open_data(lake) as opened:
        figure = FIGURES["model_performance"](opened)
    assert [panel.title for panel in figure.panels] == ["flat", HOSTILE]
    assert [one.label for one in figure.series] == ["observed"]
    assert "as the log tells it" in figure.caption.reading
    assert "replication" not in figure.caption.reading
    text = write_report(lake).read_text(encoding="utf-8")
    assert text.index('id="queue"') < text.index('id="retraining"') < text.index('id="model_performance"')
    assert "pipesim simulate scenarios/retraining/*.yaml" in text
    assert 'id="retraining_frontier"' not in text


def test_a_lake_without_models_says_how_to_get_strategies(lake: Lake) -> None:
    observe(lake)
    simulate(lake, "what-if", frames(START + timedelta(days=1), simulated=True))
    with open_data(lake) as opened:
        assert opened.strategies.names == []
        for name in RETRAINING:
            figure = FIGURES[name](opened)
            assert figure.panels == ()
            assert len(figure.notes) == 1
    text = write_report(lake).read_text(encoding="utf-8")
    assert text.count("No retraining strategy has been simulated yet:") == 1
    assert 'class="answer"' not in text


def test_waits_of_users_and_of_retraining_are_the_means_of_the_replications(data: ReportData) -> None:
    figure = FIGURES["work_waits"](data)
    found = {(strategy, series): rest for strategy, series, *rest in figure.rows.iter_rows()}
    assert list(found)[:2] == [("much", "user work"), ("much", "retraining")]
    assert found["much", "user work"][:2] == [pytest.approx(700), pytest.approx(700)]
    assert found["much", "retraining"] == [pytest.approx(1400), pytest.approx(1400), 2, 42]
    assert ("never-retrain", "retraining") not in found
    assert [one.label for one in figure.series] == ["user work", "retraining"]


@pytest.mark.endurance
def test_no_figure_grows_with_the_number_of_strategies(lake: Lake) -> None:
    for i in range(45):
        simulate(lake, f"{i:02}-{'x' * 97}", lifecycle(i, 0.5 + i / 100))
    with open_data(lake) as opened:
        assert FIGURES["work_waits"](opened).rows["strategy"].n_unique() == 20
        assert [note.text for note in FIGURES["work_waits"](opened).notes] == [
            "Shown are 20 of 45 strategies, those that tell most."
        ]
        once = [note.text for note in FIGURES["retraining_frontier"](opened).notes]
        assert once[0].count("x" * 97) == 12
        assert " and 33 others. How sure" in once[0]
        named = [row["name3"] for row in drawn(spec("retraining_frontier", opened)) if row["name3"]]
        assert 3 < len(named) <= 40
        for name in RETRAINING:
            chart = build_chart(name, opened)
            assert chart is not None
            assert len(png(chart)) < 100_000


@pytest.mark.parametrize(
    ("gpus", "title", "words"),
    [(1.0, "spent on retraining a week (USD)", "$4.96 a week"), (None, "retrainings a week", "2.0 retrainings a week")],
)
def test_without_cost_what_else_is_known_is_spent(lake: Lake, gpus: float | None, title: str, words: str) -> None:
    simulate(lake, "a", lifecycle(0, 0.7, gpus=gpus))
    simulate(lake, "b", lifecycle(4, 0.8, gpus=gpus))
    with open_data(lake) as opened:
        spent = opened.strategies.rows.sort("scenario")["spent"].to_list()
        assert spent == [0, pytest.approx(4 * (PRICE if gpus else 1) / WEEKS)]
        assert opened.strategies.rows["is_efficient"].to_list() == [True, True]
        chart = spec("retraining_frontier", opened)
    assert {row["strategy"]: row["spending"] for row in drawn(chart)} == {"a": "nothing spent", "b": words}
    assert {layer["encoding"]["x"]["title"] for layer in chart["layer"] if layer["mark"]["type"] == "line"} == {title}


def test_in_all_is_said_where_the_length_is_not_known(lake: Lake) -> None:
    once = lifecycle(4, 0.8)
    # One run of users at one instant: no span of time.
    once["pipeline_runs"] = once["pipeline_runs"].filter(pl.col("run_id") != "u1")
    once["task_runs"] = once["task_runs"].filter(pl.col("run_id") != "u1")
    simulate(lake, "a", lifecycle(0, 0.7))
    simulate(lake, "b", once)
    with open_data(lake) as opened:
        assert not opened.strategies.spending.weekly
        assert opened.strategies.rows.filter(scenario="b")["spent"].item() == pytest.approx(4 * PRICE)
        assert ("Retraining, in all", 5) in strategy_table(opened.strategies).groups
        cells = dict(zip(strategy_table(opened.strategies).heads, strategy_table(opened.strategies).rows[0][0], strict=True))
    assert cells["Money"] == "$9.92"
    assert "one more point costs $0.99 in all" in write_report(lake).read_text(encoding="utf-8")
