"""How models come to be and age: what training makes of them, what later tasks change, how performance decays once live."""

from pipesim.lifecycle.effects import Effects
from pipesim.lifecycle.laws import Decay, LifecycleModel, ModelLaw
from pipesim.lifecycle.metrics import METRICS

__all__ = ["METRICS", "Decay", "Effects", "LifecycleModel", "ModelLaw"]
