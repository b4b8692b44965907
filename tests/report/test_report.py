from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from pipesim import analytics
from pipesim.errors import RequestError
from pipesim.lake import Lake
from pipesim.report import build_chart, chart_names, open_data, png, write_report
from pipesim.report.data import ReportData
from pipesim.report.figures import COMPARISON, FIGURES, LIKENESS, RETRAINING
from pipesim.trace import Trace
from tests.report.handmade import HOSTILE, START, Page, frames, observe


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("home"))
    observe(lake)
    synthetic = frames(START + timedelta(days=30), simulated=False)
    lake.save_synthetic(Trace(synthetic, "synthetic", "older"), {})
    lake.save_synthetic(Trace(synthetic, "synthetic", "newer"), {"note": HOSTILE})
    for replication in range(2):
        simulated = frames(START, simulated=True, slow=2.0 + replication)
        lake.save_simulated(Trace(simulated, "simulated", "slow"), replication, pl.DataFrame({"a": [1]}), {"note": HOSTILE})
    # A scenario may be called like an origin.
    lake.save_simulated(Trace(frames(START, simulated=True), "simulated", "observed"), 0, pl.DataFrame({"a": [1]}), {})
    return lake


@pytest.fixture(scope="module")
def data(full: Lake) -> Iterator[ReportData]:
    with open_data(full) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(full: Lake) -> str:
    return write_report(full).read_text(encoding="utf-8")


def test_page_is_self_contained_and_small(page: str) -> None:
    parsed = Page(page)
    for tag, attrs in parsed.tags:
        assert tag not in ("link", "iframe", "img", "object", "embed")
        for name in ("src", "href", "action", "poster", "srcset"):
            assert (attrs.get(name) or "#").startswith(("#", "data:text/csv")), (tag, attrs)
    policy = next(attrs["content"] for tag, attrs in parsed.tags if tag == "meta" and "http-equiv" in attrs)
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert all(spec["data"].keys() == {"name"} for spec in parsed.specs())
    assert len(page.encode()) < 5_000_000


def test_page_escapes_hostile_names(page: str) -> None:
    parsed = Page(page)
    assert not any("onerror" in attrs for _, attrs in parsed.tags)
    assert "</script><img" not in page
    assert page.count("</script>") == len(parsed.scripts)
    # The name itself is there, unharmed: as a pool's heading and as a framework in the data of a chart.
    assert "&lt;/script&gt;&lt;img src=x onerror=" in page
    drawn = [row for spec in parsed.specs() for values in spec["datasets"].values() for row in values]
    assert any(row.get("framework") == HOSTILE for row in drawn)


def test_page_tells_how_to_read_every_figure_and_offers_its_data(page: str, data: ReportData) -> None:
    parsed = Page(page)
    downloads = {a["download"]: a["href"] for tag, a in parsed.tags if tag == "a" and "download" in a}
    assert set(downloads) == {"scenario_summary.csv", *(f"{name}.csv" for name in COMPARISON)}
    for name, make in COMPARISON.items():
        figure = make(data)
        text = base64.b64decode(str(downloads[f"{name}.csv"]).split("base64,")[1]).decode()
        rows = list(csv.DictReader(io.StringIO(text)))
        assert len(rows) == figure.rows.height > 0
        assert list(rows[0]) == figure.rows.columns
    assert all(spec["description"] for spec in parsed.specs())
    assert page.count('class="reading"') == len(COMPARISON) + 2


def test_series_are_the_observed_the_current_synthetic_and_the_scenarios(data: ReportData) -> None:
    assert [(one.label, one.trace) for one in data.series] == [
        ("observed", "observed"), ("synthetic", "newer"), ("scenario observed", "observed"), ("slow", "slow"),
    ]  # fmt: skip
    assert len({(one.colour, one.dash) for one in data.series}) == 4


def test_replications_are_averaged(data: ReportData) -> None:
    rows = FIGURES["waits"](data).rows
    longest = dict(rows.filter(share=1.0).select("series", "wait_s").iter_rows())
    assert longest["observed"] == pytest.approx(39)
    assert longest["slow"] == pytest.approx(39 * 2.5)


def test_utilization_of_a_bin_is_weighted_by_time(data: ReportData) -> None:
    rows = FIGURES["utilization"](data).rows.filter(series="observed")
    held = sum(600 + 60 * i - i for i in range(40))
    hours = data.con.sql(
        "SELECT sum(seconds * utilization) FROM analytics.pool_utilization WHERE origin = 'observed'"
    ).fetchall()[0][0]
    assert hours == pytest.approx(held / 4)
    assert rows["utilization"].max() <= 1


def test_same_lake_same_bytes(full: Lake, page: str) -> None:
    assert write_report(full, "again").read_text(encoding="utf-8") == page


def test_every_chart_is_a_small_png(data: ReportData) -> None:
    assert [name for name in chart_names() if build_chart(name, data) is None] == [*RETRAINING, *LIKENESS]
    for name in COMPARISON:
        chart = build_chart(name, data)
        assert chart is not None
        picture = png(chart)
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        assert picture.endswith(b"IEND\xaeB`\x82")
        assert len(picture) < 100_000


def test_no_figure_over_time_exceeds_its_points(data: ReportData) -> None:
    for origins, points in ((("observed", "synthetic"), 50), (("observed",), 7), (("observed",), 1)):
        size = data.bin_hours("arrivals_by_hour", origins, "origin", points)
        hours = 196 * len(origins)
        assert hours / size <= points
        assert size == 1 or hours / (size / 2) > points / 2


def test_an_empty_lake_says_what_to_do(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "home")
    text = write_report(lake).read_text(encoding="utf-8")
    assert "pipesim ingest" in text
    assert "pipesim synthesize" in text
    assert "pipesim simulate" in text
    assert Page(text).specs() == []
    with open_data(lake) as opened:
        assert [build_chart(name, opened) for name in chart_names()] == [None] * len(FIGURES)


def test_a_log_without_waits_is_said_and_not_drawn(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "home")
    observe(lake, times=False)
    with open_data(lake) as opened:
        for name in ("waits", "queue", "utilization", "completion"):
            figure = FIGURES[name](opened)
            assert figure.panels == ()
            assert [note.command for note in figure.notes] == ["pipesim simulate SCENARIO.yaml", ""]
            assert re.match("Not shown: observed, because it is not known", figure.notes[1].text)
        assert len(FIGURES["durations"](opened).panels) == 2


def test_a_name_cannot_leave_the_folder(full: Lake) -> None:
    with pytest.raises(RequestError):
        write_report(full, "../elsewhere")


def test_what_analyze_has_stored_gives_the_same_page(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    observe(lake)
    fresh = write_report(lake, "fresh").read_text(encoding="utf-8")
    analytics.build(lake)
    assert write_report(lake, "stored", stored=True).read_text(encoding="utf-8") == fresh
