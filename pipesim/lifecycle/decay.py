"""The closed form of a live model's performance, and the instants that follow from it.

Performance t after deployment is p0 - g t - J N(t) - S (1 - cos(2 pi t / P)) / 2, kept within 0..1: g is the gradual loss, N(t)
how many of the model's shocks have come since, J what each costs, S and P the swing and period of a season that takes the model
away from the data it was trained on, and back. A version that is deployed after a shock does not feel it.

Both engines use these functions, the compiled one as machine code: plain arithmetic on whole microseconds, without arrays but
for the shocks, so that the same numbers come out of both.
"""

from __future__ import annotations

from math import ceil, cos, pi, sqrt
from typing import Protocol

DAY_US = 86_400_000_000.0
#: An instant beyond all others.
LATER = 2**63 - 1
#: What takes longer than this many days never happens.
_NEVER_DAYS = 4e7


class Instants(Protocol):
    """Instants in order: a list, or an array."""

    def __getitem__(self, place: int, /) -> int:
        """Return one of them."""


def shocks_until(shocks: Instants, first: int, last: int, instant: int) -> int:
    """Return where the shocks after an instant begin among those at first..last - 1, which are in order of time."""
    low, high = first, last
    while low < high:
        middle = (low + high) // 2
        if shocks[middle] <= instant:
            low = middle + 1
        else:
            high = middle
    return low


def lost(elapsed: int, struck: int, gradual: float, jump: float, swing: float, period: int) -> float:
    """Return how much performance is lost so long after deployment, with so many shocks since.

    Args:
        elapsed: Microseconds since deployment.
        struck: Shocks since deployment.
        gradual: Loss a day.
        jump: Loss a shock.
        swing: Loss at the height of the season.
        period: Microseconds of a season; at least 1.
    """
    loss = gradual * (elapsed / DAY_US) + jump * struck
    if swing > 0.0:
        loss += swing * (0.5 - 0.5 * cos(2.0 * pi * ((elapsed % period) / period)))
    return loss


def falls_below(since: int, margin: float, gradual: float, jump: float, shocks: Instants, first: int, last: int) -> int:
    """Return the first instant at which more than a margin is lost, without seasons; `LATER` if it never is.

    As the loss only grows, that is at a shock, or between two where gradual loss has used up what shocks have left.

    Args:
        since: The instant of deployment.
        margin: What may be lost.
        gradual: Loss a day.
        jump: Loss a shock.
        shocks: Instants of the shocks of all models.
        first: Where the shocks after deployment begin.
        last: Where the model's shocks end.
    """
    begin, left, place = since, margin, first
    while True:
        if left < 0.0:
            return begin
        if gradual > 0.0 and left / gradual < _NEVER_DAYS:
            instant = since + int(left / gradual * DAY_US) + 1
            if place == last or instant < shocks[place]:
                return max(instant, begin)
        if place == last:
            return LATER
        begin, left, place = shocks[place], left - jump, place + 1


def on_grid(instant: int, phase: int, period: int) -> int:
    """Return the first of the instants phase + k period that is not before an instant."""
    return phase - (phase - instant) // period * period


def first_seen_below(
    earliest: int,
    until: int,
    phase: int,
    grid: int,
    since: int,
    margin: float,
    gradual: float,
    jump: float,
    swing: float,
    period: int,
    shocks: Instants,
    first: int,
    last: int,
) -> int:
    """Return the first look, of those at phase + k grid, at which more than a margin is lost; `LATER` if none up to `until`.

    Args:
        earliest: No look is before this instant.
        until: No look is after this one.
        phase: An instant of a look.
        grid: From one look to the next.
        since: The instant of deployment.
        margin: What may be lost.
        gradual: Loss a day.
        jump: Loss a shock.
        swing: Loss at the height of the season.
        period: Microseconds of a season.
        shocks: Instants of the shocks of all models.
        first: Where the shocks after deployment begin.
        last: Where the model's shocks end.
    """
    sooner = falls_below(since, margin - swing, gradual, jump, shocks, first, last) if swing > 0.0 else LATER
    surely = falls_below(since, margin, gradual, jump, shocks, first, last)
    if min(sooner, surely) > until:
        return LATER
    look = on_grid(max(earliest, min(sooner, surely)), phase, grid)
    while look <= until:
        if look >= surely:
            return look
        struck = shocks_until(shocks, first, last, look) - first
        if lost(look - since, struck, gradual, jump, swing, period) > margin:
            return look
        look += grid
    return LATER


def gathered(since: int, origin: int, volume: float, per_day: float, growth: float) -> int:
    """Return when so much data will have come in since an instant; `LATER` if it never does.

    The rate is per_day (1 + growth d), d days after the origin; so volume = per_day (u x + growth x^2 / 2) after x days, with
    u = 1 + growth d at the beginning.

    Args:
        since: From when on data counts.
        origin: When the rate is `per_day`.
        volume: How much, in the unit of the rate.
        per_day: The rate at the origin.
        growth: By what part of `per_day` the rate grows a day; not negative.
    """
    rate = 1.0 + growth * ((since - origin) / DAY_US)
    if per_day <= 0.0 or rate <= 0.0:
        return LATER
    need = volume / per_day
    days = need / rate
    if growth > 0.0:
        days = 2.0 * need / (rate + sqrt(rate * rate + 2.0 * growth * need))
    if days > _NEVER_DAYS:
        return LATER
    # Half a microsecond forgives what the division leaves over.
    return since + int(ceil(days * DAY_US - 0.5))  # noqa: RUF046 - machine code needs the `int`


def opens(instant: int, midnight: int, day: int, begin: int, end: int) -> int:
    """Return an instant if it lies in the hours of the day from begin to end, else when they next begin.

    Args:
        instant: The instant.
        midnight: Any midnight.
        day: The microseconds of a day.
        begin: Microseconds of the day at which the hours begin.
        end: At which they end; at or before `begin`, it is on the next day.
    """
    place = (instant - midnight) % day
    inside = begin <= place < end if begin < end else (place >= begin or place < end)
    return instant if inside else instant + (begin - place) % day
