"""Which traces the charts compare, and how each is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Origin = Literal["observed", "synthetic", "simulated"]

# The colour-blind safe palette of Okabe and Ito (https://jfly.uni-koeln.de/color/), without its yellow, which is too faint on
# white; a dash pattern tells the series apart in grey.
_OBSERVED_STYLE = ("#000000", (1, 0))
_SYNTHETIC_STYLE = ("#E69F00", (6, 3))
_SCENARIO_STYLES = (
    ("#0072B2", (1, 0)),
    ("#D55E00", (7, 2)),
    ("#009E73", (3, 2)),
    ("#CC79A7", (9, 2, 2, 2)),
    ("#56B4E9", (5, 2)),
    ("#6B6B6B", (2, 2)),
)
#: How many series can be told apart.
MOST_STYLED = len(_SCENARIO_STYLES)


@dataclass(frozen=True)
class Series:
    """One trace of the report and how it is drawn in every chart."""

    label: str
    origin: Origin
    trace: str
    colour: str
    dash: tuple[int, ...]


#: What the quality of a model compares, `trace` being the series of `analytics.quality_curves`.
LIKENESS = (
    Series("observed", "observed", "real", *_OBSERVED_STYLE),
    Series("synthetic", "synthetic", "synthetic", *_SYNTHETIC_STYLE),
    Series("simple model", "synthetic", "baseline", "#6B6B6B", (2, 2)),
)


@dataclass(frozen=True)
class Choice:
    """What the charts compare.

    Args:
        series: The traces of the general charts: the observed one, the current synthetic one, the scenarios, and retraining
            strategies where room is left.
        strategies: The retraining strategies of which single models are shown.
        left_out: Scenarios, other than strategies, for which there is no colour left, by name.
    """

    series: tuple[Series, ...]
    strategies: tuple[Series, ...]
    left_out: tuple[str, ...]


def choose(observed: bool, synthetic: str | None, scenarios: Sequence[str], strategies: Sequence[str], single: int) -> Choice:
    """Return what the charts compare.

    Scenarios take the colours from the first on, strategies from the last on, so that a trace has one colour everywhere and
    no two in a chart the same.

    Args:
        observed: Whether there is an observed trace.
        synthetic: The current synthetic trace.
        scenarios: The scenarios that are no retraining strategies, in the order in which they find room.
        strategies: The retraining strategies, likewise.
        single: Of how many strategies single models are shown.
    """
    origins: list[Series] = []
    if observed:
        origins.append(Series("observed", "observed", "observed", *_OBSERVED_STYLE))
    if synthetic is not None:
        origins.append(Series("synthetic", "synthetic", synthetic, *_SYNTHETIC_STYLE))
    first = [_scenario(name, style) for name, style in zip(scenarios, _SCENARIO_STYLES, strict=False)]
    then = [_scenario(name, style) for name, style in zip(strategies, reversed(_SCENARIO_STYLES), strict=False)]
    room = len(_SCENARIO_STYLES) - len(first)
    return Choice((*origins, *first, *then[:room]), tuple(then[:single]), tuple(scenarios[len(_SCENARIO_STYLES) :]))


def styled(labels: Sequence[str]) -> tuple[Series, ...]:
    """Return series of these labels, `MOST_STYLED` at most, each with a colour and a dash of its own."""
    return tuple(Series(label, "simulated", label, *style) for label, style in zip(labels, _SCENARIO_STYLES, strict=False))


def label_of(scenario: str) -> str:
    """Return how a scenario is called in the charts: by its name, unless an origin is called so."""
    return f"scenario {scenario}" if scenario in ("observed", "synthetic") else scenario


def _scenario(name: str, style: tuple[str, tuple[int, ...]]) -> Series:
    return Series(label_of(name), "simulated", name, *style)
