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
