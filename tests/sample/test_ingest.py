"""The ingest of the shipped logs finds exactly what the reference platform put there."""

import pytest

from pipesim.ingest import IngestReport, find_source, ingest
from pipesim.lake import Lake
from pipesim.sample import expected_accounting
from pipesim.schema import TRACE_TABLES
from pipesim.shipped import shipped
from pipesim.trace import Trace

#: Columns in which a log may keep its own words, which the truth does not have.
_OWN_WORDS = {"raw_status", "raw_type"}


@pytest.fixture(scope="module")
def lake_and_report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, IngestReport]:
    lake = Lake(tmp_path_factory.mktemp("home"))
    return lake, ingest(lake, [shipped("traces", "sample")], find_source("native"))


def test_every_line_meets_its_declared_fate(lake_and_report: tuple[Lake, IngestReport]) -> None:
    report = lake_and_report[1].as_dict()
    expected = expected_accounting()
    for name in ("files", "lines", "rows", "valid", "duplicates", "quarantined", "blank_or_header"):
        assert report[name] == expected[name], name


@pytest.mark.parametrize("table", TRACE_TABLES)
def test_the_ingested_rows_are_the_observed_truth(
    table: str, lake_and_report: tuple[Lake, IngestReport], observed: Trace
) -> None:
    key = list(TRACE_TABLES[table].key)
    truth, found = observed[table].sort(key), lake_and_report[0].load_observed()[table].sort(key)
    for column in truth.columns:
        if column not in _OWN_WORDS:
            assert found[column].equals(truth[column]), column
