"""What of a lifecycle is always so, or never: said before anybody trusts the figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pipesim.lifecycle import ModelLaw
from pipesim.simulation.models.plan import Span, words_of
from pipesim.simulation.models.versions import Versions
from pipesim.simulation.scenario.lifecycle import Lifecycle
from pipesim.simulation.upkeep import Upkeep
from pipesim.words import count

#: Shocks may come so much more often than in the mean before it is said that a threshold is never met.
_UNLUCKY = 3.0


def doubts(lifecycle: Lifecycle, laws: Sequence[ModelLaw], upkeep: Upkeep, span: Span, versions: Versions) -> Iterator[str]:
    """Yield what of a lifecycle is always so, or never, each with its figure.

    Args:
        lifecycle: The scenario's.
        laws: [M] The models' laws.
        upkeep: What the engine is told.
        span: From when until when models live.
        versions: What the versions of all runs are worth.
    """
    yield from _thresholds(lifecycle, laws, upkeep, span)
    if lifecycle.trigger is not None and lifecycle.cooldown_h > 24 * span.days:
        text = f"{lifecycle.cooldown_h:g} h is longer than the {24 * span.days:.0f} h that are simulated"
        yield f"lifecycle.cooldown_h: {text}, so each model is trained again once at most"
    evaluations = int(versions.judged.sum())
    if lifecycle.gate is not None and not evaluations:
        yield "lifecycle.gate: without effect, as no run evaluates the model that it trains"
    elif evaluations and versions.refused[versions.judged].all():
        text = f"every evaluation finds less than {lifecycle.gate:g}, so no version gets past it"
        yield f"lifecycle.gate: {text}: {count(evaluations, 'evaluation')}"
    if lifecycle.pruning_level is not None and not versions.compresses:
        yield "lifecycle.pruning_level: without effect, as no run compresses the model that it trains"
    yield from _budgets(lifecycle, laws, upkeep)


def _thresholds(lifecycle: Lifecycle, laws: Sequence[ModelLaw], upkeep: Upkeep, span: Span) -> Iterator[str]:
    lost = np.array([law.decay.mean_loss(span.days) for law in laws])
    for way, word in enumerate(words_of(lifecycle)):
        if not upkeep.ways.drifts[way]:
            continue
        below, drop = float(upkeep.ways.below[way]), float(upkeep.ways.drop[way])
        margin = np.maximum(upkeep.target - below, drop)
        met, unmet = margin < 0, margin > _UNLUCKY * lost
        if met.any():
            text = (
                f"always met, as new versions are expected to have less than {below:g} ({upkeep.target[met].max():.3f} at most)"
            )
            yield f"lifecycle.trigger ({word}): {text}: {count(int(met.sum()), 'model')}"
        if unmet.any():
            text = f"hardly ever met, as they lose {lost[unmet].max():.3f} at most in {span.days:.0f} days"
            yield f"lifecycle.trigger ({word}): {text}: {count(int(unmet.sum()), 'model')}"


def _budgets(lifecycle: Lifecycle, laws: Sequence[ModelLaw], upkeep: Upkeep) -> Iterator[str]:
    owner = np.repeat(np.arange(len(laws)), np.diff(upkeep.first_retraining))
    limit = np.append(upkeep.budgets.hours, np.iinfo(np.int64).max)[upkeep.budget[owner]]  # the last stands for no budget
    dear = upkeep.charge > limit
    if dear.any():
        text = "never submitted, nor any later one of their models, as they hold more GPU-hours than a whole budget"
        yield f"lifecycle.budgets: {text}: {count(int(dear.sum()), 'retraining')} of the {len(dear):,} kept ready"
    tenants = {law.tenant for law in laws}
    strange = [str(part.tenant) for part in lifecycle.budgets if part.tenant is not None and part.tenant not in tenants]
    if strange:
        yield f"listed in `lifecycle.budgets`, but no model is theirs: {', '.join(strange[:3])}"
