"""What the scenarios are called that a calibration makes and compares."""

from __future__ import annotations

from dataclasses import dataclass

from pipesim.identity import short_name

#: Room in a scenario's name for what is added to it.
_LONGEST = 80


@dataclass(frozen=True)
class Names:
    """The names that follow from that of the scenario which is calibrated.

    Args:
        given: The log replayed on the platform as it is given.
        calibrated: The scenario that comes out.
        replayed: The log replayed on that.
        drawn: Drawn work on that.
    """

    given: str
    calibrated: str
    replayed: str
    drawn: str

    @classmethod
    def of(cls, scenario: str) -> Names:
        """Return those of a scenario."""
        name = short_name(scenario, _LONGEST)
        return cls(f"{name}-replay", f"{name}-calibrated", f"{name}-calibrated-replay", f"{name}-calibrated-drawn")

    @property
    def compared(self) -> frozenset[str]:
        """Those that are simulated for the comparison with the log alone."""
        return frozenset((self.given, self.replayed, self.drawn))
