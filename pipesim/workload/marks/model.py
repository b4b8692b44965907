"""The ways in which the marks of runs hang together with when they arrive."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipesim.workload.marks.hour_octave import HourOctaveMarks
from pipesim.workload.marks.independent import IndependentMarks
from pipesim.workload.marks.same_day import SameDayMarks

#: Each samples the marks of submissions from its own generator.
Coupling = Annotated[IndependentMarks | SameDayMarks | HourOctaveMarks, Field(discriminator="kind")]
