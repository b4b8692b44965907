"""Numbers as people read them, with their units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Kind = Literal["count", "number", "time", "money", "share", "points"]

#: What stands where a figure is not known.
UNKNOWN = "-"
_MOST_NAMES = 12


def human(value: float | None, kind: Kind) -> str:
    """Return a number in the unit in which it reads best.

    Args:
        value: The number; None gives a dash.
        kind: What it is: a whole number, any number, seconds, US dollars, a share of 1, or points of 100.
    """
    if value is None:
        return UNKNOWN
    if kind == "count":
        return f"{value:,.0f}"
    if kind == "time":
        return _time(value)
    if kind == "share":
        return f"{100 * value:.1f} %"
    if kind == "points":
        return f"{value:.1f}"
    sign = "-" if value < 0 else ""
    return f"{sign}{'$' if kind == 'money' else ''}{_digits(abs(value), kind == 'money')}"


def listed(parts: Sequence[str], last: str = "and") -> str:
    """Return parts as a list in a sentence: `a, b and c`."""
    return f" {last} ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def some(names: Sequence[str]) -> str:
    """Return the first few names as a list in a sentence, and how many others there are."""
    rest = len(names) - _MOST_NAMES
    return listed(names) if rest <= 1 else listed([*names[:_MOST_NAMES], f"{rest:,} others"])


def _digits(value: float, money: bool) -> str:
    if value == 0 or value >= 10:
        return f"{value:,.0f}"
    if value >= 1:
        return f"{value:.2f}" if money else f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def _time(seconds: float) -> str:
    if seconds < 0:
        return f"-{_time(-seconds)}"
    for least, unit, word in ((86_400 * 2, 86_400, "d"), (7_200, 3_600, "h"), (120, 60, "min")):
        if seconds >= least:
            return f"{seconds / unit:,.1f} {word}"
    return f"{seconds:.1f} s"
