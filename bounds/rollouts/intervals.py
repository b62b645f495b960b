"""Confidence intervals of what is estimated from independent draws (theory.md sections 8 and 14).

Valid at every number of draws (evidence ``statistical``):

    share          Clopper and Pearson: exact
    chernoff       Chernoff's bound for numbers in [0, 1]
    bounded_mean   betting, for numbers of a known range; ``lower_bound`` and ``upper_bound`` are its two ends
    squared_norm, inner_product   of vectors of known largest norm: betting on disjoint pairs of draws

Valid as their number grows (evidence ``asymptotic``), for what has no known range: a heavy tail that was never drawn is
not in the interval:

    mean           Student's t: exact for normal numbers
    squared_norm   ||E a||^2 by the unbiased U-statistic. Its error has two parts: one proportional to the unknown
                   ||E a||, and one that is left where E a = 0, by a bootstrap with normal multipliers. Inverting both
                   keeps the interval valid between the two. A group may be silent, so the lower end allows for zeros
                   that were never drawn
    inner_product  <E a, E b> from two squared norms

The package confseq has betting intervals too: on a grid of a thousand means, which is too coarse for rare rewards,
without bets near the largest one that is safe, which numbers that hardly vary need, and with compiled parts.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from bounds.pac_bayes.formulas import kl_inverse
from bounds.quantiles import clopper_pearson, normal, student
from tamdp_theory import InputError
from tamdp_theory.guards import check_inside_unit
from tamdp_theory.model import Floats

LEAST = 16  # vectors; fewer say too little about their own noise
_BLOCK = 2_000_000  # multipliers held at once
_MOST = 1_000_000  # draws of multipliers
_PLUG_IN, _LARGEST = 0.5, 0.2  # of the stake: on the bet for the variance seen so far; on the largest bet that is safe
_STEP = 0.5  # of ln(bet), between the other constant bets
_HALVINGS = 40


@dataclass(frozen=True)
class Estimate:
    """A number and its confidence interval; low = value = high where it is exact, infinite ends where nothing can be
    said.

    valid: the interval keeps its level at the number of draws it comes from, and not only as that grows.
    """

    value: float
    low: float
    high: float
    valid: bool = True

    @classmethod
    def exact(cls, value: float) -> "Estimate":
        """A number without error."""
        return cls(float(value), float(value), float(value))

    @property
    def half_width(self) -> float:
        """The farther end's distance."""
        return max(self.high - self.value, self.value - self.low)

    def distance(self, towards: float) -> float:
        """How far the end on the side of another number is: what matters for whether this one is below or above it."""
        return self.high - self.value if towards >= self.value else self.value - self.low

    def root(self) -> "Estimate":
        """Square root of a number known not to be negative."""
        value, low, high = (float(np.sqrt(max(x, 0.0))) for x in (self.value, self.low, self.high))
        return Estimate(value, low, high, self.valid)

    def clipped(self) -> "Estimate":
        """The interval of a number known not to be negative."""
        return Estimate(self.value, max(self.low, 0.0), max(self.high, 0.0), self.valid)

    def scale(self, factor: float) -> "Estimate":
        """The number times a positive factor."""
        return Estimate(factor * self.value, factor * self.low, factor * self.high, self.valid)


def share(count: int, n: int, level: float) -> Estimate:
    """A probability from ``count`` successes in n independent trials (Clopper and Pearson 1934)."""
    check_inside_unit("level", level)
    return Estimate(count / n, *clopper_pearson(count, n, level))


def mean(values: Floats, level: float) -> Estimate:
    """The expectation of independent numbers (n,) of any range, asymptotic; both ends infinite for n = 1."""
    check_inside_unit("level", level)
    n, centre = len(values), float(values.mean())
    if n < 2:
        return Estimate(centre, -np.inf, np.inf, valid=False)
    half = float(student((1 + level) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return Estimate(centre, centre - half, centre + half, valid=False)


def bounded_mean(values: Floats, level: float, low: float = 0.0, high: float = 1.0) -> Estimate:
    """The expectation of independent numbers (n,) known to lie in [low, high], at every n: each end misses with half of
    what the level leaves.
    """
    check_inside_unit("level", level)
    miss = (1 - level) / 2
    return Estimate(float(values.mean()), lower_bound(values, miss, low, high), upper_bound(values, miss, low, high))


def upper_bound(values: Floats, miss: float, low: float = 0.0, high: float = 1.0) -> float:
    """As ``lower_bound``, from above.

    Args:
        values: independent draws (n,).
        miss: probability that the bound is too low, in (0, 1).
        low, high: range of the values.
    """
    return -lower_bound(-np.asarray(values, dtype=np.float64), miss, -high, -low)


def lower_bound(values: Floats, miss: float, low: float = 0.0, high: float = 1.0) -> float:
    """A number that is above the expectation of independent numbers (n,) in [low, high] with probability at most
    ``miss``, at every n.

    Betting (Waudby-Smith and Ramdas 2024), for x = (value - low)/(high - low): whoever holds a stake of 1 and puts it
    on x being above m, gaining the factor 1 + lambda (x - m) on each number, 0 <= lambda <= 1/m chosen before it is
    seen, has at most 1 on average if the expectation is at most m; so 1/miss with probability at most ``miss``
    (Markov). The bound is the largest m at which the stake became 1/miss: it falls in m.

    The stake is shared out. One part follows the variance seen so far, lambda = sqrt(2 ln(1/miss)/(n variance)) up to
    0.9/m. The rest lies on constant bets lambda = gamma/m: gamma = 1, the best for numbers that hardly vary, and a
    geometric row down to 1/n, for rare large ones. So the bound is near the best of all these bets for whatever law it
    meets; only the first part depends on the order of the numbers. InputError if a number is outside of the range or
    the range is empty.
    """
    x = _in_unit_range(values, miss, low, high)
    if not x.any():
        return low
    stake = _Stake.on(x, miss)
    bottom, top = 0.0, float(x.mean())
    for _ in range(_HALVINGS):
        middle = (bottom + top) / 2
        bottom, top = (middle, top) if middle > 0 and stake.grows_enough(middle) else (bottom, middle)
    return low + (high - low) * bottom


def is_mean_above(values: Floats, number: float, miss: float, low: float = 0.0, high: float = 1.0) -> bool:
    """Whether the expectation is shown to be above a number: as ``lower_bound(values, ...) > number``, without looking
    for the bound.

    Args:
        values: independent draws (n,).
        number: what the mean is held against.
        miss: probability of a false yes, in (0, 1).
        low, high: range of the values.
    """
    x, m = _in_unit_range(values, miss, low, high), (number - low) / (high - low)
    return m < 1 and (m < 0 or (bool(x.any()) and (m == 0 or _Stake.on(x, miss).grows_enough(m))))


def _in_unit_range(values: Floats, miss: float, low: float, high: float) -> Floats:
    width = high - low
    if not (len(values) and width > 0 and 0 < miss < 1):
        raise InputError(
            f"bound of a mean: needs numbers, a range and a share of misses in (0, 1), got {len(values)} in [{low:g}, "
            f"{high:g}] and {miss:g}"
        )
    x = (np.asarray(values, dtype=np.float64) - low) / width
    if not (x.min() >= -1e-9 and x.max() <= 1 + 1e-9):  # beyond rounding
        raise InputError(
            f"bound of a mean: the numbers from {values.min():g} to {values.max():g} are not in their known range "
            f"[{low:g}, {high:g}]"
        )
    return np.clip(x, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class _Stake:
    """What a stake on numbers x in [0, 1] being above m becomes: values and how often they come, x in its order, and
    all bets.
    """

    seen: Floats
    counts: Floats
    x: Floats
    plug_in: Floats
    gamma: Floats
    share: Floats
    target: float

    @classmethod
    def on(cls, x: Floats, miss: float) -> "_Stake":
        n = len(x)
        rungs = max(1, int(np.ceil(np.log(n) / _STEP)))
        share = np.full(rungs + 2, (1 - _PLUG_IN - _LARGEST) / rungs)
        share[0], share[-1] = _LARGEST, _PLUG_IN
        gamma = np.exp(-np.linspace(0.0, np.log(n), rungs + 1))[:, None]
        seen, counts = np.unique(x, return_counts=True)
        return cls(
            seen, counts.astype(np.float64), x, _predictable_bets(x, miss), gamma, share, float(np.log(1 / miss))
        )

    def grows_enough(self, m: float) -> bool:
        """Whether it becomes 1/miss."""
        with np.errstate(divide="ignore", over="ignore"):
            constant = np.log1p(self.gamma * (self.seen / m - 1)) @ self.counts
            plug_in = np.log1p(np.minimum(self.plug_in, 0.9 / m) * (self.x - m)).sum()
        return bool(logsumexp([*constant, plug_in], b=self.share) >= self.target)


def _predictable_bets(x: Floats, miss: float) -> Floats:
    """lambda before each number (n,), from the variance of those before it and one more at the middle with the largest
    variance.
    """
    count = np.arange(1, len(x) + 1)
    centre = (0.5 + np.cumsum(x)) / (count + 1)
    variance = (0.25 + np.cumsum((x - centre) ** 2)) / (count + 1)
    before = np.append(0.25, variance[:-1])
    result: Floats = np.sqrt(2 * np.log(1 / miss) / (len(x) * before))
    return result


def chernoff(values: Floats, level: float) -> Estimate:
    """The expectation of independent numbers (n,) in [0, 1], with a guarantee for every n: kl(mean||expectation) <=
    ln(2/(1 - level))/n.
    """
    check_inside_unit("level", level)
    centre, allowance = float(values.mean()), float(np.log(2 / (1 - level)) / len(values))
    return Estimate(centre, 1 - float(kl_inverse(1 - centre, allowance)), float(kl_inverse(centre, allowance)))


def squared_norm(a: Floats, level: float, generator: np.random.Generator, largest: float | None = None) -> Estimate:
    """||E a||^2 of independent vectors a (n, d): the mean of <a_i, a_j> over i != j, unbiased, so it may come out
      negative.

    largest: a number that no ||a_i|| exceeds, if one is known; the interval is then valid at every n, from disjoint
    pairs of vectors. Else it is asymptotic, and the generator draws its multipliers. Both ends say nothing (0 and
    infinity) for n < ``LEAST`` and where all vectors are equal, which tells nothing of their noise. The first-order
    part of the error is proportional to the unknown norm and depends on the direction of E a, so the interval holds
    every norm that the statistic does not contradict, in the noisiest direction. InputError for a level too near 1.
    """
    check_inside_unit("level", level)
    if largest is not None:
        return inner_product(a, a, level, generator, (largest, largest)).clipped()
    n = len(a)
    if n < 2:
        return Estimate(float("nan"), 0.0, np.inf, valid=False)
    gram = a @ a.T
    total = gram.sum()
    value = float((total - np.trace(gram)) / (n * (n - 1)))
    if n < LEAST:
        return Estimate(value, 0.0, np.inf, valid=False)
    average = gram.mean(axis=1)
    centred = gram - average[:, None] - average[None, :] + total / n**2
    if np.trace(centred) <= 1e-12 * np.trace(gram):
        return Estimate(value, 0.0, np.inf, valid=False)
    noisiest = float(np.linalg.eigvalsh(centred)[-1]) / (n - 1)
    tail = (1 - level) / 2
    low, high = _pair_noise(centred, tail, generator)
    first = 4 * student(1 - tail, n - 1) ** 2 * noisiest / n
    bottom = value + first / 2 - np.sqrt(max(first**2 / 4 + first * value + high**2, 0.0))
    top = value + first / 2 + np.sqrt(max(first**2 / 4 + first * value + low**2, 0.0))
    if a.any(
        axis=1
    ).all():  # a share e of zeros is missed with probability (1 - e)^n, and E a is 1 - e times what it is without them
        bottom *= tail ** (2 / n)
    return Estimate(value, max(float(min(bottom, value)), 0.0), max(float(top), 0.0), valid=False)


def inner_product(
    a: Floats, b: Floats, level: float, generator: np.random.Generator, largest: tuple[float, float] | None = None
) -> Estimate:
    """<E a, E b> of independent pairs of vectors a, b (n, d), unbiased: the mean of <a_i, b_j> over i != j.

    largest: numbers that no ||a_i|| and no ||b_i|| exceeds, if they are known. Then (<a_i, b_j> + <a_j, b_i>)/2 over
    disjoint pairs {i, j} are independent, bounded by their product, and of the wanted expectation: the interval is
    ``bounded_mean``'s. Else it is asymptotic, that of (||E(a + b)||^2 - ||E(a - b)||^2)/4, both norms at once, with a
    and b brought to one size, and says nothing where either is zero in every pair.
    """
    check_inside_unit("level", level)
    if largest is not None:
        return _of_disjoint_pairs(a, b, level, largest[0] * largest[1])
    sizes = [float(np.sqrt((x**2).sum())) for x in (a, b)]
    if not all(sizes):
        return Estimate(0.0, -np.inf, np.inf, valid=False)
    x, y = a / sizes[0], b / sizes[1]
    # where a and b are proportional in every pair, one of the norms is 0 up to rounding, and known to be
    both = [
        squared_norm(one, (1 + level) / 2, generator) if (one**2).sum() > 1e-20 else Estimate.exact(0.0)
        for one in (x + y, x - y)
    ]
    scale = sizes[0] * sizes[1] / 4
    value = _mean_over_pairs(a, b)
    low, high = scale * (both[0].low - both[1].high), scale * (both[0].high - both[1].low)
    return Estimate(value, min(low, value), max(high, value), valid=False)


def _mean_over_pairs(a: Floats, b: Floats) -> float:
    """The mean of <a_i, b_j> over i != j, nan for one vector."""
    n = len(a)
    return float((a.sum(axis=0) @ b.sum(axis=0) - (a * b).sum()) / (n * (n - 1))) if n > 1 else float("nan")


def _of_disjoint_pairs(a: Floats, b: Floats, level: float, largest: float) -> Estimate:
    """<E a, E b>, no <a_i, b_j> larger than ``largest``."""
    pairs, value = len(a) // 2, _mean_over_pairs(a, b)
    if not largest:
        return Estimate.exact(0.0)
    if not pairs:
        return Estimate(value, -largest, largest)
    first, second = slice(0, 2 * pairs, 2), slice(1, 2 * pairs, 2)
    products = ((a[first] * b[second]).sum(axis=1) + (a[second] * b[first]).sum(axis=1)) / 2
    found = bounded_mean(products, level, -largest, largest)
    return Estimate(value, min(found.low, value), max(found.high, value))


def _pair_noise(centred: Floats, tail: float, generator: np.random.Generator) -> tuple[float, float]:
    """Quantiles ``tail`` and 1 - ``tail`` of the second-order part of the statistic, from the centred
    products (n, n).
    """
    n = len(centred)
    pair = centred.copy()
    np.fill_diagonal(pair, 0.0)
    if 10 / tail > _MOST:
        raise InputError(
            f"level: too near 1, each end may miss with probability {tail:.1g} alone, and {10 / _MOST:g} is the least; "
            f"lower the level"
        )
    count = int(max(2000, np.ceil(10 / tail)))
    moved = np.empty(count)
    step = max(1, _BLOCK // n)
    for start in range(0, count, step):
        multiplier = generator.standard_normal((min(step, count - start), n))
        moved[start : start + step] = ((multiplier @ pair) * multiplier).sum(axis=1) / (n * (n - 1))
    stretch = student(1 - tail, n - 1) / normal(1 - tail)
    low, high = np.quantile(moved, [tail, 1 - tail]) * stretch
    return float(low), float(high)
