"""Experiments to be given away: a folder from which others get the same bytes, and the check that they do."""

from pipesim.experiments.sharing.reproducing import Reproduced, RunCheck, reproduce
from pipesim.experiments.sharing.writing import Experiment, Shared, share

__all__ = ["Experiment", "Reproduced", "RunCheck", "Shared", "reproduce", "share"]
