"""How the figures of simulations are called and told, by their units."""

from __future__ import annotations

from pipesim.experiments.figures import METRICS
from pipesim.report.words import Kind, human

#: The figures by which scenarios are chosen: the first of them that all tell is the one that a sentence is about.
LEADING = ("p95_wait_s", "mean_wait_s", "p95_jct_s", "mean_jct_s")
_KINDS: dict[str, Kind] = {"seconds": "time", "0..1": "share"}
_USED = "utilization."


def title(metric: str) -> str:
    """Return what a figure is called in a heading."""
    if metric.startswith(_USED):
        return f"{metric.removeprefix(_USED)} in use"
    named = METRICS[metric][1]
    return f"{named[:1].upper()}{named[1:]}"


def name(metric: str) -> str:
    """Return what a figure is called in a sentence, with its unit where that does not show in numbers."""
    unit, named = METRICS[metric]
    return named if unit in ("seconds", "0..1", "count", "money", "GPU x hours") else f"{named} ({unit})"


def kind(metric: str) -> Kind:
    """Return how a figure's numbers are told."""
    return "share" if metric.startswith(_USED) else _KINDS.get(METRICS[metric][0], "number")


def with_interval(metric: str, mean: float | None, low: float | None, high: float | None) -> str:
    """Return a figure as it stands in a table: `36.0 min (31.5 min to 40.5 min)`, its interval cut at zero."""
    found = human(mean, kind(metric))
    # None of the figures can be below zero.
    return (
        found if low is None or high is None else f"{found} ({human(max(low, 0), kind(metric))} to {human(high, kind(metric))})"
    )


def why_missing(metric: str) -> str:
    """Return why a scenario may not tell a figure, and so how to get it, to follow "because"."""
    if metric in ("cost", "energy_kwh"):
        return "no pool of theirs has a cost"
    if metric == "carbon_kg":
        return "no pool of theirs has a cost, or their platform no carbon"
    if metric in LEADING:
        return "nothing started or ended in them"
    return "they have no lifecycle, or no model of it tells"
