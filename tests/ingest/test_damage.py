"""Damage of every kind, to logs of every format: each line is accounted for, or the file is refused and nothing is stored."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipesim.errors import PipesimError
from pipesim.ingest import find_source, ingest
from pipesim.lake import Lake

FIXTURES = Path(__file__).parent / "fixtures"
#: The fixtures that are damaged, and the source that reads each; those of databases are SQL that makes one.
LOGS = {
    "acme/trace_kalos.csv": "acme",
    "airflow/2_10.sql": "airflow",
    "argo/kubeflow.jsonl": "argo",
    "argo/list.json": "argo",
    "argo/nightly.yaml": "argo",
    "helios/cluster_log.csv": "helios",
    "mlflow/0_9.sql": "mlflow",
    "openb/openb_pod_list_default.csv": "openb",
    "openlineage/events.jsonl": "openlineage",
    "slurm/week.psv": "slurm",
    "swf/small.swf": "swf",
    "wfformat/instance-1.5.json": "wfformat",
}


def written(name: str, folder: Path) -> Path:
    """Lay a fixture where it can be damaged."""
    fixture = FIXTURES / name
    if fixture.suffix != ".sql":
        copy = folder / fixture.name
        copy.write_bytes(fixture.read_bytes())
        return copy
    made = folder / f"{fixture.stem}.db"
    with closing(sqlite3.connect(made)) as con:
        con.executescript(fixture.read_text(encoding="utf-8"))
    return made


def flipped(content: bytes, draw: st.DataObject) -> bytes:
    at, bit = draw.draw(st.integers(0, len(content) - 1)), draw.draw(st.integers(0, 7))
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def truncated(content: bytes, draw: st.DataObject) -> bytes:
    return content[: draw.draw(st.integers(1, len(content)))]


def swapped(content: bytes, draw: st.DataObject) -> bytes:
    lines = content.split(b"\n")
    a, b = (draw.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


def repeated(content: bytes, draw: st.DataObject) -> bytes:
    first = draw.draw(st.integers(0, len(content)))
    last = draw.draw(st.integers(first, min(len(content), first + 2_000)))
    return content[:last] + content[first:last] + content[last:]


def mixed(content: bytes, draw: st.DataObject) -> bytes:
    """Put some text of another encoding, NUL bytes or other line ends between."""
    at = draw.draw(st.integers(0, len(content)))
    foreign = draw.draw(
        st.sampled_from(["Zürich".encode("latin-1"), "é\n".encode("utf-16"), b"\0", b"\r", b"\xed\xa0\xbd", b"\x1f\x8b"])
    )
    return content[:at] + foreign + content[at:]


Damage = Callable[[bytes, st.DataObject], bytes]
DAMAGE: tuple[Damage, ...] = (flipped, truncated, swapped, repeated, mixed)


@pytest.mark.drawn
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(LOGS)), st.lists(st.sampled_from(DAMAGE), min_size=1, max_size=4), st.data())
def test_a_damaged_log_is_accounted_for_or_refused_as_a_whole(name: str, damage: list[Damage], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = written(name, Path(folder))
        content = log.read_bytes()
        for how in damage:
            content = how(content, data) or b"\n"
        log.write_bytes(content)
        lake = Lake(Path(folder) / "home")
        counts, refusal = {}, None
        try:
            counts = ingest(lake, [log], find_source(LOGS[name])).as_dict()
        except PipesimError as error:
            refusal = error
        if refusal:
            assert refusal.where
            assert not list(lake.lake.rglob("*.parquet"))
            return
        assert counts["lines"] == sum(counts[k] for k in ("valid", "duplicates", "quarantined", "blank_or_header"))
        assert lake.load_observed().violations() == []


@pytest.mark.parametrize("name", sorted(LOGS))
def test_what_is_whole_goes_in(name: str, lake: Lake, tmp_path: Path) -> None:
    counts = ingest(lake, [written(name, tmp_path)], find_source(LOGS[name])).as_dict()
    assert counts["valid"] > 0
