"""Numbers with their nouns, as sentences have them."""

from __future__ import annotations


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: `1 task`, `1,234 tasks`, `2 strategies`.

    Args:
        number: How many there are.
        one: The noun of one.
        many: That of any other number, where it is not the former and an s.
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def lasting(seconds: float) -> str:
    """Return a length of time in the unit that suits it: `40 seconds`, `12 minutes`, `3 hours`, `5 days`."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= 1.5 * length:
            return count(round(seconds / length), unit)
    return count(round(seconds), "second")
