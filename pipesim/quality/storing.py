"""Where the quality of a model is stored: one folder a model, and which of them is current."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipesim import __version__
from pipesim.identity import safe_name
from pipesim.lake import CURRENT, Lake
from pipesim.quality.scores import Quality
from pipesim.quality_schema import QUALITY_TABLES


def quality_folder(lake: Lake, model: str) -> Path:
    """Where the quality of a model lies: `scores`, `cells`, `seeds` and each curve as Parquet, and `manifest.json`."""
    return lake.lake / "quality" / safe_name(model, "model")


def save_quality(lake: Lake, found: Quality, manifest: Mapping[str, Any]) -> None:
    """Store the quality of a model in place of any earlier one, and make it the current one.

    Args:
        lake: The store.
        found: The quality.
        manifest: What it was made from, beside the models.
    """
    folder = quality_folder(lake, found.model)
    told = {"kind": "quality", "model": found.model, "baseline": found.baseline, "days": found.days, "pipesim": __version__}
    with lake.transaction() as tx:
        for name, rows in found.tables().items():
            table = QUALITY_TABLES[name]
            numbered = rows.with_row_index("position", 1) if "position" in table.by_name else rows
            tx.write_frame(table.conform(numbered), folder / f"{name}.parquet")
        tx.write_json({**manifest, **told}, folder / "manifest.json")
        tx.write_json({"current": found.model}, folder.parent / CURRENT)
