"""Confidence intervals of what is estimated from independent draws (theory.md section 8, evidence ``statistical``).

    share          Clopper and Pearson: exact
    chernoff       Chernoff's bound for numbers in [0, 1]: for every n
    mean           Student's t: exact for normal numbers, asymptotic otherwise
    squared_norm   ||E a||^2 by the unbiased U-statistic. Its error has two parts: one proportional to the unknown ||E a||, and one that is
                   left where E a = 0, by a bootstrap with normal multipliers. Inverting both keeps the interval valid between the two. A group
                   may be silent, so the lower end allows for zeros that were never drawn
    inner_product  <E a, E b> from two squared norms

None but the first two is a finite-sample guarantee: a heavy tail that was never drawn is not in an interval.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from bounds.pac_bayes import kl_inverse
from tamdp_theory import InputError
from tamdp_theory.model import Floats

LEAST = 16  # vectors; fewer say too little about their own noise
_BLOCK = 2_000_000  # multipliers held at once
_MOST = 1_000_000  # draws of multipliers


@dataclass(frozen=True)
class Estimate:
    """A number and its confidence interval; low = value = high where it is exact, infinite ends where nothing can be said."""

    value: float
    low: float
    high: float

    @classmethod
    def exact(cls, value: float) -> "Estimate":
        """A number without error."""
        return cls(float(value), float(value), float(value))

    @property
    def half_width(self) -> float:
        """The farther end's distance."""
        return max(self.high - self.value, self.value - self.low)

    def root(self) -> "Estimate":
        """Square root of a number known not to be negative."""
        value, low, high = (float(np.sqrt(max(x, 0.0))) for x in (self.value, self.low, self.high))
        return Estimate(value, low, high)

    def clipped(self) -> "Estimate":
        """The interval of a number known not to be negative."""
        return Estimate(self.value, max(self.low, 0.0), max(self.high, 0.0))

    def scale(self, factor: float) -> "Estimate":
        """The number times a positive factor."""
        return Estimate(factor * self.value, factor * self.low, factor * self.high)


def check_level(level: float) -> None:
    """InputError unless 0 < level < 1."""
    if not 0 < level < 1:
        raise InputError(f"level: must be in (0, 1), ends excluded, got {level}")


def share(count: int, n: int, level: float) -> Estimate:
    """A probability from ``count`` successes in n independent trials (Clopper and Pearson 1934)."""
    check_level(level)
    interval = stats.binomtest(count, n).proportion_ci(confidence_level=level, method="exact")
    return Estimate(count / n, float(interval.low), float(interval.high))


def mean(values: Floats, level: float) -> Estimate:
    """The expectation of independent numbers (n,); both ends infinite for n = 1."""
    check_level(level)
    n, centre = len(values), float(values.mean())
    if n < 2:
        return Estimate(centre, -np.inf, np.inf)
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return Estimate(centre, centre - half, centre + half)


def bounded_mean(values: Floats, level: float) -> Estimate:
    """The expectation of independent numbers (n,) in [0, 1]: ``mean`` cut to [0, 1]; where all are equal, which tells nothing of their spread,
    Chernoff's bound."""
    if np.ptp(values) == 0:
        return chernoff(values, level)
    found = mean(values, level)
    return Estimate(found.value, max(found.low, 0.0), min(found.high, 1.0))


def chernoff(values: Floats, level: float) -> Estimate:
    """The expectation of independent numbers (n,) in [0, 1], with a guarantee for every n: kl(mean||expectation) <= ln(2/(1 - level))/n."""
    check_level(level)
    centre, allowance = float(values.mean()), float(np.log(2 / (1 - level)) / len(values))
    return Estimate(centre, 1 - float(kl_inverse(1 - centre, allowance)), float(kl_inverse(centre, allowance)))


def squared_norm(a: Floats, level: float, generator: np.random.Generator) -> Estimate:
    """||E a||^2 of independent vectors a (n, d): the mean of <a_i, a_j> over i != j, unbiased, so it may come out negative.

    The generator draws the multipliers. Both ends say nothing (0 and infinity) for n < ``LEAST`` and where all vectors are equal, which tells
    nothing of their noise. The first-order part of the error is proportional to the unknown norm and depends on the direction of E a, so the
    interval holds every norm that the statistic does not contradict, in the noisiest direction. InputError for a level too near 1.
    """
    check_level(level)
    n = len(a)
    if n < 2:
        return Estimate(float("nan"), 0.0, np.inf)
    gram = a @ a.T
    total = gram.sum()
    value = float((total - np.trace(gram)) / (n * (n - 1)))
    if n < LEAST:
        return Estimate(value, 0.0, np.inf)
    average = gram.mean(axis=1)
    centred = gram - average[:, None] - average[None, :] + total / n**2
    if np.trace(centred) <= 1e-12 * np.trace(gram):
        return Estimate(value, 0.0, np.inf)
    noisiest = float(np.linalg.eigvalsh(centred)[-1]) / (n - 1)
    tail = (1 - level) / 2
    low, high = _pair_noise(centred, tail, generator)
    first = 4 * float(stats.t.ppf(1 - tail, n - 1)) ** 2 * noisiest / n
    bottom = value + first / 2 - np.sqrt(max(first**2 / 4 + first * value + high**2, 0.0))
    top = value + first / 2 + np.sqrt(max(first**2 / 4 + first * value + low**2, 0.0))
    if a.any(axis=1).all():  # a share e of zeros is missed with probability (1 - e)^n, and E a is 1 - e times what it is without them
        bottom *= tail ** (2 / n)
    return Estimate(value, max(float(min(bottom, value)), 0.0), max(float(top), 0.0))


def inner_product(a: Floats, b: Floats, level: float, generator: np.random.Generator) -> Estimate:
    """<E a, E b> of independent pairs of vectors a, b (n, d), unbiased: the mean of <a_i, b_j> over i != j.

    The interval is that of (||E(a + b)||^2 - ||E(a - b)||^2)/4, both norms at once, with a and b brought to one size. It says nothing where
    either is zero in every pair.
    """
    check_level(level)
    sizes = [float(np.sqrt((x**2).sum())) for x in (a, b)]
    if not all(sizes):
        return Estimate(0.0, -np.inf, np.inf)
    n, x, y = len(a), a / sizes[0], b / sizes[1]
    # where a and b are proportional in every pair, one of the norms is 0 up to rounding, and known to be
    both = [squared_norm(one, (1 + level) / 2, generator) if (one**2).sum() > 1e-20 else Estimate.exact(0.0) for one in (x + y, x - y)]
    scale = sizes[0] * sizes[1] / 4
    value = float((a.sum(axis=0) @ b.sum(axis=0) - (a * b).sum()) / (n * (n - 1))) if n > 1 else float("nan")
    low, high = scale * (both[0].low - both[1].high), scale * (both[0].high - both[1].low)
    return Estimate(value, min(low, value), max(high, value))


def _pair_noise(centred: Floats, tail: float, generator: np.random.Generator) -> tuple[float, float]:
    """Quantiles ``tail`` and 1 - ``tail`` of the second-order part of the statistic, from the centred products (n, n)."""
    n = len(centred)
    pair = centred.copy()
    np.fill_diagonal(pair, 0.0)
    if 10 / tail > _MOST:
        raise InputError(f"level: too near 1, each end may miss with probability {tail:.1g} alone, and {10 / _MOST:g} is the least; lower the level")
    count = int(max(2000, np.ceil(10 / tail)))
    moved = np.empty(count)
    step = max(1, _BLOCK // n)
    for start in range(0, count, step):
        multiplier = generator.standard_normal((min(step, count - start), n))
        moved[start : start + step] = ((multiplier @ pair) * multiplier).sum(axis=1) / (n * (n - 1))
    stretch = float(stats.t.ppf(1 - tail, n - 1) / stats.norm.ppf(1 - tail))
    low, high = np.quantile(moved, [tail, 1 - tail]) * stretch
    return float(low), float(high)
