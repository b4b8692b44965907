"""The report's charts on their own, as Altair objects and as PNG small enough for Dagster's metadata."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from pipesim.errors import WorkError
from pipesim.report.data import ReportData

if TYPE_CHECKING:
    import altair as alt

_WIDTH = 380
_SCALES = (1.5, 1.0, 0.75, 0.5, 0.25)
_COLOURS = 64


def chart_names() -> list[str]:
    """Return the names of the charts, in the order of the report."""
    from pipesim.report.figures import FIGURES

    return list(FIGURES)


def build_chart(name: str, data: ReportData) -> alt.Chart | alt.LayerChart | alt.ConcatChart | None:
    """Return one figure of the report as a chart of fixed width, or None while the lake has nothing that it could show.

    Args:
        name: One of `chart_names()`.
        data: The open lake (see `pipesim.report.data.open_data`).

    Raises:
        KeyError: If there is no chart of that name.
    """
    import altair as alt

    from pipesim.report.figures import FIGURES

    figure = FIGURES[name](data)
    if not figure.panels:
        return None
    if len(figure.panels) == 1:
        return figure.panels[0].chart.properties(width=2 * _WIDTH, title=figure.caption.title)
    columns = 1 if figure.wide else 2
    parts = [panel.chart.properties(width=2 * _WIDTH // columns, title=panel.title) for panel in figure.panels]
    return alt.concat(*parts, columns=columns, title=figure.caption.title)


def png(chart: alt.Chart | alt.LayerChart | alt.ConcatChart, max_bytes: int = 100_000) -> bytes:
    """Return the chart as a PNG file, at the highest resolution that fits.

    Args:
        chart: A chart of `build_chart`.
        max_bytes: The file is smaller than this.

    Raises:
        WorkError: If even the lowest resolution does not fit.
    """
    import vl_convert
    from PIL import Image

    from pipesim.report.marks import CONFIG

    spec: dict[str, Any] = chart.to_dict()
    for scale in _SCALES:
        full = vl_convert.vegalite_to_png(spec, scale=scale, config=CONFIG, allowed_base_urls=[])
        # A chart has few colours: a palette takes a third of the bytes and looks the same.
        target = io.BytesIO()
        Image.open(io.BytesIO(full)).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(
            target, "PNG", optimize=True
        )
        if target.tell() < max_bytes:
            return target.getvalue()
    raise WorkError(f"the chart does not fit into {max_bytes} bytes as a PNG", remedy="allow more bytes")
