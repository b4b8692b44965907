"""The arrival models: when pipeline runs are submitted."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipesim.workload.arrivals.day_ar import DayArArrivals
from pipesim.workload.arrivals.day_block import DayBlockArrivals
from pipesim.workload.arrivals.hour_of_week import HourOfWeekArrivals
from pipesim.workload.arrivals.poisson import PoissonArrivals

#: Each expects a number of runs, and samples the submissions of a horizon from its own generator.
ArrivalModel = Annotated[PoissonArrivals | HourOfWeekArrivals | DayBlockArrivals | DayArArrivals, Field(discriminator="kind")]
