"""Choosing the law of a sample: families are screened, refitted and judged on held-out rows; else a quantile table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pipesim.workload.laws.families import Fitted, Flags, Sample, pick, refit
from pipesim.workload.laws.law import ConstantLaw, Floats, Law, kaplan_meier, table_law
from pipesim.workload.laws.screening import Screened, screen
from pipesim.workload.part import Part

#: Fewer positive exact values than this cannot tell families apart.
MIN_ROWS = 50
_FIT_ROWS = 12_000
_REFITTED = 3
#: Mean of the largest absolute value of a Brownian bridge: two samples of one law lie about this x sqrt(1/n + 1/m) apart.
_BRIDGE = 0.8687
_KS_FLOOR = 0.03
_KS_FACTOR = 1.3


class FamilyScore(Part):
    """How well one law did; NULL where that was not computed.

    Attributes:
        family: Its name in `scipy.stats`, or `quantile-table`.
        screen_bic: The Bayesian information criterion that fitter found, in units of the median.
        log_likelihood: Mean of a held-out row, in the unit of the log.
        ks: Kolmogorov-Smirnov distance to the held-out rows (where some are censored, the Hall-Wellner weighted one to their
            Kaplan-Meier estimate, which varies as much).
        anderson_darling: A squared, on the held-out rows; only without censored rows.
        aic: Akaike's information criterion of the fitted rows.
        bic: The Bayesian one.
        failed: Why it is out of the running, if an error and not its score put it there.
    """

    family: str
    screen_bic: float | None = None
    log_likelihood: float | None = None
    ks: float | None = None
    anderson_darling: float | None = None
    aic: float | None = None
    bic: float | None = None
    failed: str | None = None


class LawChoice(Part):
    """The law that was chosen for a sample, why, and how the alternatives did.

    `ks_threshold` is what a family's distance had to stay below: max(.03, 1.3 x `noise_floor`), where the noise floor is
    the expected distance between two samples of one law of the sizes of the split.
    """

    law: Law
    reason: str
    rows: int
    censored: int
    noise_floor: float | None = None
    ks_threshold: float | None = None
    scores: tuple[FamilyScore, ...] = ()


def choose_law(values: Floats, censored: Flags, rng: np.random.Generator) -> LawChoice:
    """Return the law of a sample of non-negative values.

    The three best families of the screening are refitted on one half of the rows. Of those within one standard error of the
    best log-likelihood on the other half, the one with the fewest parameters is taken, if its Kolmogorov-Smirnov distance
    to that half is at most max(.03, 1.3 x the noise floor); otherwise the empirical quantile table.

    Args:
        values: Non-negative finite numbers, at least one of them exact.
        censored: Where the truth is only known to be larger: these rows enter through the survival function.
        rng: Draws the subsamples.
    """
    table = table_law(values, censored)

    def chosen(law: Law, reason: str, threshold: float | None = None, scores: tuple[FamilyScore, ...] = ()) -> LawChoice:
        noise = None if threshold is None else floor
        return LawChoice(
            law=law, reason=reason, rows=len(values), censored=int(censored.sum()),
            noise_floor=noise, ks_threshold=threshold, scores=scores,
        )  # fmt: skip

    floor = 0.0
    if isinstance(table, ConstantLaw):
        return chosen(table, "every value is the same")
    positive = values > 0
    unit = float(np.median(values[positive]))
    sample = Sample(values[positive] / unit, censored[positive])
    if np.count_nonzero(~sample.censored) < MIN_ROWS:
        return chosen(table, f"fewer than {MIN_ROWS} positive exact values cannot tell families apart")
    if len(np.unique(sample.values[~sample.censored])) < 3:
        return chosen(table, "there are only one or two distinct values")
    order = rng.permutation(len(sample))
    train, test = (sample.take(half[:_FIT_ROWS]) for half in np.array_split(order, 2))
    if train.censored.all() or test.censored.all():
        return chosen(table, "too few exact values to hold some out")

    floor = _BRIDGE * float(np.sqrt(1 / len(train) + 1 / len(test)))
    threshold = max(_KS_FLOOR, _KS_FACTOR * floor)
    best, scores = _compete(train, test, screen(train.values[~train.censored]), unit)
    if best is None:
        return chosen(table, "no family could be fitted", threshold, scores)
    ks = next(s.ks for s in scores if s.family == best.family)
    if ks is None or ks > threshold:
        return chosen(table, f"the best family, {best.family}, is too far from held-out rows", threshold, scores)
    final = refit(best.family, sample.take(order[:_FIT_ROWS]), best) or best
    law = final.law(sample, unit, zero=float(np.mean(values == 0)))
    return chosen(law, f"{best.family} is near enough to held-out rows", threshold, scores)


def _compete(
    train: Sample, test: Sample, screened: Sequence[Screened], unit: float
) -> tuple[Fitted | None, tuple[FamilyScore, ...]]:
    """Refit the best of the screening on the training rows and score them, and the table, on the others."""
    ranked = sorted((s.bic, s.family) for s in screened if s.bic is not None)
    fits = {family: refit(family, train) for _, family in ranked[:_REFITTED]}
    scores = []
    for entry in screened:
        score = FamilyScore(family=entry.family, screen_bic=entry.bic, failed=entry.failed)
        if entry.family in fits:
            fitted = fits[entry.family]
            failed = {"failed": "no finite maximum-likelihood fit with location 0"}
            score = score.model_copy(update=failed if fitted is None else _scores(fitted, train, test, unit))
        scores.append(score)
    scores.append(FamilyScore(family="quantile-table", ks=_ks(test, lambda values: _table_cdf(train, values))))
    candidates = [f for f in fits.values() if f is not None]
    return (pick(candidates, test) if candidates else None), tuple(scores)


def _scores(fitted: Fitted, train: Sample, test: Sample, unit: float) -> dict[str, float | None]:
    # In the log's unit a density is the scaled one divided by the unit: exact rows shift by log(unit), censored ones do not.
    shift = float(np.log(unit))
    held_out = float(np.mean(fitted.log_likelihoods(test))) - shift * float(np.mean(~test.censored))
    total = float(np.sum(fitted.log_likelihoods(train))) - shift * float(np.sum(~train.censored))
    parameters = len(fitted.shapes) + 1
    scores = {
        "log_likelihood": held_out,
        "ks": _ks(test, fitted.cdf),
        "aic": 2 * parameters - 2 * total,
        "bic": parameters * float(np.log(len(train))) - 2 * total,
    }
    if not test.censored.any():
        scores["anderson_darling"] = _anderson_darling(fitted.cdf(np.sort(test.values)))
    return {name: value if np.isfinite(value) else None for name, value in scores.items()}


def _ks(test: Sample, cdf: Callable[[Floats], Floats]) -> float:
    points, after = kaplan_meier(test.values, test.censored)
    before = np.concatenate([[0.0], after[:-1]])
    weight = _hall_wellner(test, points, before, after)
    weight_before = np.concatenate([[1.0], weight[:-1]])
    model = cdf(points)
    return float(max(np.max(weight * np.abs(after - model)), np.max(weight_before * np.abs(before - model))))


def _hall_wellner(test: Sample, points: Floats, before: Floats, after: Floats) -> Floats:
    """Return the weight of each point of a Kaplan-Meier estimate, 1 where nothing is censored.

    Late points of the estimate rest on few rows. Weighted by 1 / ((1 + n sigma^2) S), with S the survival and sigma^2
    Greenwood's sum, the largest distance has the law that it has without censored rows (Hall and Wellner, 1980), so that
    the same threshold serves.
    """
    if not test.censored.any():
        return np.ones(len(points))
    at_risk = len(test) - np.searchsorted(np.sort(test.values), points, side="left")
    survival = 1.0 - after
    hazard = 1.0 - survival / (1.0 - before)
    open_ended = survival > 1e-12  # beyond the last exact row the sum is infinite: the weight before it is kept
    terms = np.divide(hazard, at_risk * (1.0 - hazard), out=np.zeros(len(points)), where=open_ended)
    weight = np.divide(1.0, (1.0 + len(test) * np.cumsum(terms)) * survival, out=np.zeros(len(points)), where=open_ended)
    if not open_ended[-1]:
        weight[-1] = weight[-2] if len(weight) > 1 else 1.0
    return weight


def _table_cdf(train: Sample, values: Floats) -> Floats:
    points, cdf = kaplan_meier(train.values, train.censored)
    return np.interp(np.log(values), np.log(points), cdf, left=0.0, right=1.0)


def _anderson_darling(cdf: Floats) -> float:
    """Return the statistic A squared of Anderson and Darling (1952) from the model's cdf at the sorted sample."""
    n = len(cdf)
    p = np.clip(cdf, 1e-300, 1 - 1e-16)
    odd = 2 * np.arange(1, n + 1) - 1
    return float(-n - np.sum(odd * (np.log(p) + np.log1p(-p[::-1]))) / n)
