"""The HTML file itself: the template with its parts, the charts' runtime, and nothing that needs a network."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any, TypeVar

from markupsafe import Markup

from pipesim.report.figure import Note
from pipesim.report.parts import Part, as_json

_FONT = "system-ui, -apple-system, Segoe UI, Roboto, sans-serif"

Built = TypeVar("Built")


def fill(
    *,
    title: str,
    summary: str,
    facts: list[dict[str, str]],
    notes: list[Note],
    key_figures: dict[str, Any],
    parts: list[Part],
    manifests: list[dict[str, str]],
) -> str:
    """Return a page as text.

    Args:
        title: Its title.
        summary: What it is about, in a sentence.
        facts: What is known of each thing that it is about: its label and the text.
        notes: What is missing.
        key_figures: A table of figures, its heads, rows and CSV file; no rows leave it out.
        parts: The parts, in order.
        manifests: How things were made: a label and the record each.
    """
    import jinja2

    from pipesim.report.marks import CONFIG, PICK

    source = resources.files("pipesim.report").joinpath("page.html").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(source)
    return template.render(
        title=title,
        summary=summary,
        facts=facts,
        notes=notes,
        key_figures=key_figures,
        parts=parts,
        manifests=manifests,
        runtime=_runtime(),
        config=as_json({**CONFIG, "font": _FONT, "legend": {"disable": True}}),
        pick=PICK,
    )


def unchecked(build: Callable[[], Built]) -> Built:
    """Return what is built of charts without checking each against Vega-Lite's schema.

    That takes longer than to build them; the tests do it.
    """
    from altair.utils.schemapi import debug_mode

    with debug_mode(False):
        return build()


@cache  # it is bundled for a second
def _runtime() -> Markup:
    """Return the Vega runtime for a script element; it must not hold what would end the element."""
    import vl_convert

    source = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return Markup(source.replace("</script", "<\\/script").replace("<!--", "<\\!--"))
