"""A source of another package, as docs/sources.md shows it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from pipesim.errors import RequestError
from pipesim.ingest import find_files, find_source, ingest, recognise_source, source_names
from pipesim.lake import Lake
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "sources.md").read_text(encoding="utf-8")
LOG = "2026-03-02T08:00:00Z nightly-training 3600 ok\n2026-03-02T09:00:00Z nightly-training oops ok\nbroken\n"


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, module: str, target: str) -> None:
    """Lay a package with an entry point where Python finds it, as pip would."""
    (folder / "cronlog.py").write_text(module, encoding="utf-8")
    info = folder / "cronlog-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cronlog\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[pipesim.sources]\ncronlog = {target}\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "cronlog", raising=False)


def test_the_example_of_the_page_is_listed_recognised_and_read(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (module,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    (target,) = re.findall(r'cronlog = "(.*?)"', PAGE)
    install(tmp_path, monkeypatch, module, target)
    assert "cronlog" in source_names()
    log = tmp_path / "jobs.cron"
    log.write_text(LOG)
    source, why = recognise_source(find_files([log]))
    assert (source.name, why) == ("cronlog", f"{log} is read as cronlog, as it has lines of an instant and three words")
    counts = ingest(lake, [log], source).as_dict()
    assert (counts["valid"], counts["quarantined"]) == (1, 2)
    assert lake.load_observed().task_runs.select("run_id", "task_name", "status", "duration_s").rows() == [
        ("nightly-training-2026-03-02T08:00:00Z", "nightly-training", "SUCCEEDED", 3600.0)
    ]


@pytest.mark.parametrize(
    ("module", "target", "says"),
    [
        ("CronLog = 1 / 0", "cronlog:CronLog", "cannot be loaded: division by zero"),
        ("", "cronlog:CronLog", "cannot be loaded"),
        ("def CronLog(zone):\n    return 'x'\n", "cronlog:CronLog", "is no pipesim.ingest.sources.Source"),
    ],
)
def test_a_source_that_does_not_work_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, target: str, says: str
) -> None:
    install(tmp_path, monkeypatch, module, target)
    with pytest.raises(RequestError, match=says) as caught:
        find_source("cronlog")
    assert caught.value.where == "cronlog:CronLog"


def test_every_source_has_a_line_on_the_page() -> None:
    told = {name for cell in re.findall(r"^\| (`.*?) \|", PAGE, re.M) for name in re.findall(r"`([\w-]+)`", cell)}
    assert told == set(source_names())
