"""Closed forms of the parametric families at scale 1 and location 0, parametrised as in `scipy.stats`.

They need `scipy.special` only, which loads several times faster than `scipy.stats` and costs a tenth a call.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Of probabilities from 1e-15 to as near to 1.
_LOG_ODDS: Floats = np.linspace(-34.5, 34.5, 4_096)


def family_cdf(family: str, x: Floats, shapes: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Return the probabilities of being at or below, and above, some non-negative values; both are exact in their tail.

    Besides the families that are chosen from, `genpareto` is known, the law of excesses (Pickands, 1975).

    Raises:
        ValueError: If the family, with this number of shapes, is not known.
    """
    from scipy import special

    with np.errstate(all="ignore"):  # logarithms of 0 and powers that overflow have the right limits
        match family, shapes:
            case "expon", ():
                return _from_log_survival(-x)
            case "lognorm", (s,):
                z = np.log(x) / s
                return special.ndtr(z), special.ndtr(-z)
            case "weibull_min", (c,):
                return _from_log_survival(-(x**c))
            case "gamma", (a,):
                return special.gammainc(a, x), special.gammaincc(a, x)
            case "fisk", (c,):
                z = c * np.log(x)
                return special.expit(z), special.expit(-z)
            case "lomax", (c,):
                return _from_log_survival(-c * np.log1p(x))
            case "burr12", (c, d):
                return _from_log_survival(-d * np.logaddexp(0.0, c * np.log(x)))
            case "exponweib", (a, c):
                return _from_log_survival(a * np.log(-np.expm1(-(x**c))))[::-1]
            case "gengamma", (a, c):
                power = np.exp(c * np.log(x))
                pair = special.gammainc(a, power), special.gammaincc(a, power)
                return pair if c > 0 else pair[::-1]
            case "invgauss", (mu,):
                return _inverse_gaussian(x, mu)
            case "genpareto", (xi,):
                return _from_log_survival(-x if xi == 0 else -np.log1p(np.maximum(xi * x, -1.0)) / xi)
            case _:
                raise ValueError(f"no distribution function is known for {family!r} with {len(shapes)} shapes")


def family_quantile(family: str, u: Floats, shapes: tuple[float, ...]) -> Floats:
    """Return a family's quantiles.

    Raises:
        ValueError: If the family, with this number of shapes, is not known.
    """
    from scipy import special

    v = np.minimum(u, np.nextafter(1.0, 0.0))
    exponential = -np.log1p(-v)
    match family, shapes:
        case "expon", ():
            return exponential
        case "lognorm", (s,):
            return np.asarray(np.exp(s * special.ndtri(v)))
        case "weibull_min", (c,):
            return np.asarray(exponential ** (1 / c))
        case "gamma", (a,):
            return _gamma_quantile(special.gammaincinv, a, v)
        case "fisk", (c,):
            return np.asarray((v / (1 - v)) ** (1 / c))
        case "lomax", (c,):
            return np.asarray(np.expm1(exponential / c))
        case "burr12", (c, d):
            return np.asarray(np.expm1(exponential / d) ** (1 / c))
        case "exponweib", (a, c):
            return np.asarray((-np.log1p(-(v ** (1 / a)))) ** (1 / c))
        case "gengamma", (a, c):
            inverse = special.gammaincinv if c > 0 else special.gammainccinv
            return np.asarray(_gamma_quantile(inverse, a, v) ** (1 / c))
        case "invgauss", (mu,):
            return _inverse_gaussian_quantile(v, mu)
        case "genpareto", (xi,):
            return exponential if xi == 0 else np.asarray(np.expm1(xi * exponential) / xi)
        case _:
            raise ValueError(f"no quantile function is known for {family!r} with {len(shapes)} shapes")


def _gamma_quantile(inverse: Callable[[float, Floats], Floats], a: float, v: Floats) -> Floats:
    """Invert the incomplete gamma function; many draws by a grid of log odds, as each costs a dozen steps of an iteration."""
    from scipy import special

    if len(v) < 4 * len(_LOG_ODDS):
        return np.asarray(inverse(a, v))
    with np.errstate(divide="ignore"):
        known = np.log(inverse(a, special.expit(_LOG_ODDS)))
        return np.asarray(np.exp(np.interp(special.logit(v), _LOG_ODDS, np.maximum(known, -700.0))))


def _from_log_survival(log_survival: Floats) -> tuple[Floats, Floats]:
    return -np.expm1(log_survival), np.exp(log_survival)


def _inverse_gaussian(x: Floats, mu: float) -> tuple[Floats, Floats]:
    from scipy import special

    root = np.sqrt(x)
    z = (x / mu - 1) / root
    mirrored = np.exp(2 / mu + special.log_ndtr(-(x / mu + 1) / root))
    return special.ndtr(z) + mirrored, np.maximum(special.ndtr(-z) - mirrored, 0.0)


def _inverse_gaussian_quantile(v: Floats, mu: float) -> Floats:
    """Invert the closed-form distribution function on a logarithmic grid: a root search for each draw is 100 times slower."""
    x = np.geomspace(1e-3 * min(mu, 1.0), mu + 100.0 * mu**2, 8_192)
    return np.asarray(np.exp(np.interp(v, np.maximum.accumulate(_inverse_gaussian(x, mu)[0]), np.log(x))))
