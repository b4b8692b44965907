"""How much is needed: the smallest capacity of a pool, or the cheapest mix of two, that meets an objective."""

from pipesim.experiments.capacity.mix import Mix, find_mix
from pipesim.experiments.capacity.objective import Objective
from pipesim.experiments.capacity.rows import capacity_rows, search_name
from pipesim.experiments.capacity.search import Answer, find_capacity
from pipesim.experiments.capacity.trials import Trial

__all__ = ["Answer", "Mix", "Objective", "Trial", "capacity_rows", "find_capacity", "find_mix", "search_name"]
