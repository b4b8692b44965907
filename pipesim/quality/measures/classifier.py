"""A classifier that is shown jobs in a row: how well can it tell the real trace from the other one?"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from pipesim.quality.excerpt import Excerpt
from pipesim.quality.measures.metric import CannotTellError
from pipesim.quality.values import Int64, Mask
from pipesim.workload.arrivals.clock import DAY_US
from pipesim.workload.laws.law import Floats

#: Jobs in a window.
_JOBS = 20
#: Of both traces together; more tell no more than the goals need.
_MOST_WINDOWS = 20_000
_FEWEST_WINDOWS = 20
_LARGEST_CATEGORIES = 8
_QUANTILES = (0.1, 0.5, 0.9)
_Number = TypeVar("_Number", np.int64, np.float64)


def separation(real: Excerpt, other: Excerpt) -> float:
    """Return how well windows of 20 consecutive jobs of one trace can be told from those of the other.

    It is the area under the receiver operating characteristic, .5 to 1: the probability that of a real and a synthetic
    window the classifier takes the right one for the real one. A fold is a weekday, in both traces. So nothing is learnt from
    a day on which it is tried, nor from one that lent its rows to such a day, as days are lent among those of a weekday: a
    classifier that knew the lender would take the copy for real, and the area would come out too small. Of gradient-boosted
    trees and a logistic regression that counts which tells more, and an area under .5 counts as the one above it (max(AUC,
    1 - AUC)).

    Raises:
        CannotTellError: If there are fewer than 20 windows of either, or under two days.
    """
    vocabulary = {column: _largest(real, column) for column in ("tenant", "pipeline_name", "task_type")}
    (mine, my_days), (theirs, their_days) = (_windows(one, vocabulary) for one in (real, other))
    if min(len(mine), len(theirs)) < _FEWEST_WINDOWS:
        raise CannotTellError(f"there are fewer than {_FEWEST_WINDOWS} windows of {_JOBS} jobs")
    features = np.concatenate([mine, theirs])
    weekday = np.concatenate([real.days[my_days], other.days[their_days]])
    is_real = np.arange(len(features)) < len(mine)
    if len(np.unique(weekday)) < 2:
        raise CannotTellError("the log is of a single day, so nothing can be tried on another one")
    features = features[:, np.ptp(features, axis=0) > 0]
    mean = np.mean(_areas(features, is_real, weekday), axis=0)
    return float(np.max(np.maximum(mean, 1 - mean)))


def _areas(features: Floats, is_real: Mask, fold: Int64) -> list[list[float]]:
    """Return the area under the curve by fold and classifier."""
    # scikit-learn takes over a second to load.
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    found = []
    with threadpool_limits(1):  # sums over threads would depend on how many a machine has
        for number in np.unique(fold):
            test = fold == number
            if len(np.unique(is_real[test])) < 2 or len(np.unique(is_real[~test])) < 2:
                continue
            models = (
                HistGradientBoostingClassifier(
                    max_iter=40, max_leaf_nodes=8, max_bins=63, early_stopping=False, random_state=0
                ),
                make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)),
            )
            scores = (m.fit(features[~test], is_real[~test]).predict_proba(features[test])[:, 1] for m in models)
            found.append([float(roc_auc_score(is_real[test], score)) for score in scores])
    if not found:
        raise CannotTellError("no day has windows of both traces")
    return found


def _windows(one: Excerpt, vocabulary: dict[str, list[str]]) -> tuple[Floats, Int64]:
    """Return the features of each window of consecutive jobs, [windows, features], and the day of its first job's run."""
    jobs = one.jobs.filter(pl.col("seconds").is_not_null())
    count = jobs.height // _JOBS
    if not count:
        return np.empty((0, 1)), np.empty(0, dtype=np.int64)
    most = _MOST_WINDOWS // 2
    kept = np.arange(count) if count <= most else np.floor((np.arange(most) + 0.5) * count / most).astype(int)
    at = jobs["at_us"].to_numpy()

    def rows(values: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
        return np.asarray(values[: count * _JOBS].reshape(count, _JOBS)[kept])

    gap = np.log1p(np.diff(at, prepend=at[:1]) / 1e6)
    hold = np.log1p(jobs["seconds"].to_numpy())
    width = np.log1p(jobs["width"].fill_null(0.0).to_numpy())
    first = rows(at)[:, 0]
    hour = (one.stretch.begin.hour * 3_600_000_000 + first) / DAY_US * 2 * np.pi
    shares = [
        rows((jobs[column] == word).fill_null(False).to_numpy().astype(np.float64)).mean(axis=1)
        for column, words in vocabulary.items()
        for word in words
    ]
    series = [feature for values in (gap, hold, width) for feature in _series(rows(values))]
    coupled = np.mean((rows(gap) - gap.mean()) * (rows(hold) - hold.mean()), axis=1)
    # A job may come after the last day, as others of its run were before it.
    day = rows(jobs["day"].to_numpy())[:, 0]
    return np.stack([*series, coupled, np.sin(hour), np.cos(hour), *shares], axis=1), day


def _series(rows: Floats) -> list[Floats]:
    """Return what tells of a series in each window: mean, spread, lag-1 product, quantiles."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    product = np.mean(centred[:, 1:] * centred[:, :-1], axis=1)
    return [rows.mean(axis=1), rows.std(axis=1), product, *np.quantile(rows, _QUANTILES, axis=1)]


def _largest(one: Excerpt, column: str) -> list[str]:
    counted = one.jobs.drop_nulls(column).group_by(column).len().sort(["len", column], descending=[True, False])
    return list(counted[column].head(_LARGEST_CATEGORIES))
