"""Choosing the law of a sample: a table with a tail, a mixture or a family, by the number of rows and by held-out rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from pipesim.errors import RequestError
from pipesim.workload.laws.binned import Binned, Flags
from pipesim.workload.laws.closed_forms import Floats
from pipesim.workload.laws.families import (
    FAMILIES,
    SPECIAL_CASES,
    Fitted,
    pick,
    refit,
    row_likelihoods,
    standard_error,
)
from pipesim.workload.laws.halves import Halves, split
from pipesim.workload.laws.judging import Cdf, anderson_darling, ks_distance, noise_floor, tail_is_right
from pipesim.workload.laws.law import ConstantLaw, Law, round_down, table_law
from pipesim.workload.laws.mixture import Mixture, fit_mixture
from pipesim.workload.laws.screening import Screened, screen
from pipesim.workload.laws.tail import table_tail_law
from pipesim.workload.part import Part

#: Fewer exact values than this cannot tell laws apart.
MIN_ROWS = 50
#: From so many exact values on, a mixture, and then a table with a tail.
MIXTURE_ROWS, TABLE_ROWS = 200, 2_000
_REFITTED = 3
_KS_FLOOR = 0.03
_KS_FACTOR = 1.3
#: Distances that differ by less than this part of the noise floor are the same.
_SAME = 0.1
TABLE, MIXTURE = "quantile-table", "log-mixture"

Screening = Callable[[], Sequence[Screened]]


class FamilyScore(Part):
    """How well one law did; NULL where that was not computed.

    Attributes:
        family: Its name in `scipy.stats`, or `log-mixture`, or `quantile-table`.
        screen_bic: The Bayesian information criterion that fitter found, in units of the median, where it screened.
        log_likelihood: Mean of a held-out row, in the unit of the log: the log of the probability of its interval over the
            interval's width. A table has none.
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

    @property
    def best_families(self) -> tuple[str, ...]:
        """The three families with the best held-out log likelihoods, the best one first."""
        judged = [(-s.log_likelihood, s.family) for s in self.scores if s.family in FAMILIES and s.log_likelihood is not None]
        return tuple(family for _, family in sorted(judged)[:_REFITTED])


def choose_law(
    values: Floats,
    censored: Flags,
    rng: np.random.Generator,
    resolution: float | None = None,
    screening: Screening | None = None,
) -> LawChoice:
    """Return the law of a sample of non-negative values.

    From 2,000 exact values on it is a quantile table with a generalised Pareto tail, from 200 on a mixture of Gaussians on the
    logarithm, from 50 on the best family if it is near enough to held-out rows, and with fewer a plain quantile table. A family
    that is near enough, explains held-out rows as well as any other law, and is as near to them as that table or mixture, is
    preferred at any number of rows. A law that is wrong about its tail gives way to a mixture, and that to a table.

    Args:
        values: Non-negative finite numbers, at least one of them exact.
        censored: Where the truth is only known to be larger: these rows enter through the survival function.
        rng: Draws the halves, and what fitter is shown.
        resolution: The unit that values were rounded down to (`resolution.find_resolution`).
        screening: Returns fitter's ranking of the families, where it is shared with other samples.

    Raises:
        RequestError: If values are negative, infinite or NaN, or none is exact.
    """
    _check(values, censored)
    order = np.lexsort((censored, values))
    values, censored = values[order], censored[order]
    if resolution is not None:
        values = round_down(values, resolution)

    def simply(law: Law, reason: str) -> LawChoice:
        return LawChoice(law=law, reason=reason, rows=len(values), censored=int(censored.sum()))

    table = table_law(values, censored, resolution)
    exact = values[~censored]
    if isinstance(table, ConstantLaw):
        return simply(table, "every value is the same")
    if np.count_nonzero(exact > 0) < MIN_ROWS:
        return simply(table, f"fewer than {MIN_ROWS} positive exact values cannot tell laws apart")
    if np.count_nonzero(np.diff(exact)) < 2:
        return simply(table, "there are only one or two distinct values")
    sample = split(values, censored, resolution, rng)
    if sample.train.exact == 0 or sample.test.exact == 0:
        return simply(table, "too few exact values to hold some out")
    return _compete(sample, screening or partial(_screened, sample, rng))


def _check(values: Floats, censored: Flags) -> None:
    wrong = int(np.sum(~(np.isfinite(values) & (values >= 0))))
    if wrong:
        raise RequestError(
            f"values that are negative, infinite or not numbers have no law: {wrong} of {len(values)}",
            remedy="leave such rows out",
        )
    if censored.all():
        raise RequestError(
            f"no value is exact: all are lower bounds, which no law can be told from ({len(values)})",
            remedy="give a log with finished work",
        )


def _screened(sample: Halves, rng: np.random.Generator) -> Sequence[Screened]:
    rows, censored = sample.train_rows
    exact = rows[~censored]
    return screen(exact[exact > 0] if sample.zero else exact, sample.resolution, rng)


def _compete(sample: Halves, screening: Screening) -> LawChoice:
    """Fit everything to the first half, score it on the second, choose, and fit what was chosen to all rows."""
    exact = int(np.sum(~sample.censored))
    floor = noise_floor(len(sample.train_rows[0]), len(sample.held_out[0]))
    threshold = max(_KS_FLOOR, _KS_FACTOR * floor)
    screened = (exact < TABLE_ROWS and screening()) or [Screened(family, None, None) for family in FAMILIES]
    fits = {family: refit(family, sample.train) for family in _worth_fitting(screened)}
    mixture = fit_mixture(sample.train)
    scores = []
    for entry in screened:
        score = FamilyScore(family=entry.family, screen_bic=entry.bic, failed=entry.failed)
        if entry.family in fits:
            fitted = fits[entry.family]
            failed = {"failed": "no finite maximum-likelihood fit with location 0"}
            score = score.model_copy(update=failed if fitted is None else _scores(fitted, sample))
        scores.append(score)
    scores.append(FamilyScore(family=MIXTURE).model_copy(update=_scores(mixture, sample)))
    table, _ = table_tail_law(*sample.train_rows, sample.resolution)
    scores.append(FamilyScore(family=TABLE).model_copy(update=_distances(table.cdf, getattr(table, "zero", 0.0), sample)))

    distances = {s.family: s.ks for s in scores if s.ks is not None}
    families = [f for f in fits.values() if f is not None]
    near = [f for f in families if distances.get(f.family, np.inf) <= threshold]
    name, reason = _usual(exact, distances, pick(near, sample.test) if near else None, threshold)
    candidates = [(name, reason)]
    as_near = [f for f in near if distances[f.family] <= distances.get(name, np.inf) + _SAME * floor]
    rivals: list[Fitted | Mixture] = [*families, mixture]
    simple = [f for f in as_near if all(_as_likely(f, rival, sample.test) for rival in rivals)]
    if simple and name in (MIXTURE, TABLE):
        best = pick(simple, sample.test).family
        reason = f"{best} explains held-out rows as well as any other law and is as near to them as the {name}"
        candidates.insert(0, (best, reason))
    law, reason = _first_right(candidates, fits, sample)
    return LawChoice(
        law=law, reason=reason, rows=len(sample.values), censored=int(sample.censored.sum()),
        noise_floor=floor, ks_threshold=threshold, scores=tuple(scores),
    )  # fmt: skip


def _worth_fitting(screened: Sequence[Screened]) -> list[str]:
    """Return the three best families of a screening with their special cases, which fitter's optimiser misses; else all."""
    ranked = [family for _, family in sorted((s.bic, s.family) for s in screened if s.bic is not None)]
    if not ranked:
        return list(FAMILIES)
    best = ranked[:_REFITTED]
    return [family for family in FAMILIES if family in best or any(family in SPECIAL_CASES.get(b, ()) for b in best)]


def _scores(fitted: Fitted | Mixture, sample: Halves) -> dict[str, float | None]:
    # In the log's unit a density is the scaled one divided by the unit: exact rows shift by log(unit), censored ones do not.
    shift = float(np.log(sample.unit))
    train, test = sample.train, sample.test
    held_out = (test.log_likelihood(fitted.distribution) - shift * test.exact) / test.rows
    total = train.log_likelihood(fitted.distribution) - shift * train.exact
    scores = {
        "log_likelihood": held_out,
        "aic": 2 * fitted.parameters - 2 * total,
        "bic": fitted.parameters * float(np.log(train.rows)) - 2 * total,
    }
    known = {name: value if np.isfinite(value) else None for name, value in scores.items()}
    return known | _distances(sample.law(fitted).cdf, sample.zero, sample)


def _distances(cdf: Cdf, zero: float, sample: Halves) -> dict[str, float | None]:
    values, censored = sample.held_out
    scores = {"ks": ks_distance(values, censored, cdf, sample.resolution)}
    if not censored.any():
        positive = values[values > 0] if zero else values
        scores["anderson_darling"] = anderson_darling(positive, lambda v: (cdf(v) - zero) / (1.0 - zero), sample.resolution)
    return {name: value if np.isfinite(value) else None for name, value in scores.items()}


def _as_likely(family: Fitted, rival: Fitted | Mixture, test: Binned) -> bool:
    """Return whether the family explains held-out rows as well as another law, within one standard error."""
    weights = np.concatenate([test.counts, test.open_counts])
    ahead = row_likelihoods(rival.distribution, test) - row_likelihoods(family.distribution, test)
    return float(np.average(ahead, weights=weights)) <= standard_error(ahead, weights)


def _usual(exact: int, distances: dict[str, float], family: Fitted | None, threshold: float) -> tuple[str, str]:
    """Return the name of the law that a number of exact rows stands for, and why.

    Args:
        exact: The number of exact rows.
        distances: Of every law that has one, to held-out rows.
        family: The best family of those that are near enough to held-out rows.
        threshold: What near enough is.
    """
    nearer = min((MIXTURE, TABLE), key=lambda name: distances.get(name, np.inf))
    if exact >= TABLE_ROWS:
        return TABLE, f"{exact:,} exact rows are enough for a table with a tail"
    if exact >= MIXTURE_ROWS:
        if nearer == TABLE and distances.get(MIXTURE, np.inf) > threshold:
            return TABLE, "the mixture is too far from held-out rows, and the table is nearer"
        return MIXTURE, f"{exact} exact rows are enough for a mixture"
    if family is not None:
        return family.family, f"{family.family} is near enough to held-out rows, and {exact} exact rows are too few for more"
    return nearer, f"no family is near enough to held-out rows; the {nearer} is the nearest law"


def _first_right(candidates: Sequence[tuple[str, str]], fits: dict[str, Fitted | None], sample: Halves) -> tuple[Law, str]:
    """Return the first law that is right about its tail when it is fitted to all rows, and why; a table always is.

    Held-out distances are those of half of the rows, and hardly feel a tail: a family that stands for a mixture of several may
    be near enough and have its .9 quantile far off.

    Args:
        candidates: Names of laws with the reasons to choose them. Mixture and table follow where none is right.
        fits: The families, fitted to the first half.
        sample: The rows.
    """
    refused: list[str] = []
    for name, reason in (*candidates, (MIXTURE, "a mixture is the next"), (TABLE, "a table follows the rows")):
        if name in refused:
            continue
        law, remark = _final(name, fits, sample)
        if name == TABLE or tail_is_right(sample.values, sample.censored, law, sample.resolution):
            doubt = f"of {' and '.join(refused)} too many or too few rows are in the tail; " if refused else ""
            return law, doubt + reason + remark
        refused.append(name)
    raise AssertionError("a table is never refused")


def _final(name: str, fits: dict[str, Fitted | None], sample: Halves) -> tuple[Law, str]:
    """Return the law that was chosen, fitted to all rows, and a remark."""
    if name == TABLE:
        law, no_tail = table_tail_law(sample.values, sample.censored, sample.resolution)
        return law, f"; without a tail: {no_tail}" if no_tail else ""
    if name == MIXTURE:
        return sample.law(fit_mixture(sample.whole)), ""
    start = fits[name]
    assert start is not None, "only a family that has a fit can be chosen"
    return sample.law(refit(name, sample.whole, start) or start), ""
