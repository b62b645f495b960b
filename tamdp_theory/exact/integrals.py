"""Group moments of a standardized variable by integrals under which the members factor (theory.md section 15).

With D = G sum c^2 - (sum c)^2 = G^2 variance, k = sqrt(G (G - ddof)) and e = eps k,

    A_1 = (k/G) sum_{j != 1} (c_1 - c_j) / (sqrt D + e),
    1 / (sqrt D + e)^p = int_0^inf density_p(t) exp(-t^2 D) dt,                          p = 1, 2,
    exp(-t^2 D) = G t / sqrt(pi) int prod_i exp(-G t^2 (c_i - v)^2) dv.

The trapezoid rule in ln t (t = t0 exp(u - exp(-u))) and in v converges exponentially: at these steps the relative error
is below 2e-15 in t, and at most 2.01 exp(-2 pi^2 / STEP_V^2) < 5e-16 in v, in every group at once. So what is computed
are the moments of A (1 + eta), |eta| <= ERROR for each group: |error of h_m| <= ERROR sqrt(a_m), of a_m <= 2 ERROR a_m.
Differences of rewards are exact and taken from the reward nearest to v, so their closeness costs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.special import erfcx, roots_genlaguerre

from tamdp_theory.exact.states import difference_table
from tamdp_theory.model import Floats, Ints

ERROR = 5e-15
STEP_T = 0.125
STEP_V = 0.74
_WIDTHS = 9.6  # nodes farther from every reward contribute less than 1e-17
_START = 0.35
_TAIL = 1e-18
_PAIRS = 10  # up to so many values a table of pairs pays
_LAGUERRE = {p: roots_genlaguerre(40, p) for p in (1, 2)}


def density(t: Floats, e: float, power: int) -> Floats:
    """What exp(-t^2 D) is weighed with to give 1 / (sqrt D + e)^power, for t > 0, e >= 0, power 1 or 2."""
    z = e * t
    near, far = np.minimum(z, 2.0), np.maximum(z, 2.0)
    roots, weights = _LAGUERRE[power]
    # int s^p exp(-s^2 - 2 s z) ds by Gauss and Laguerre, where the closed form cancels
    tail = (weights * np.exp(-((roots / (2 * far[:, None])) ** 2))).sum(axis=1) / (2 * far) ** (power + 1)
    if power == 1:
        close = 2 / np.sqrt(np.pi) - 2 * near * erfcx(near)
        apart = 4 / np.sqrt(np.pi) * tail
    else:
        close = 2 * t * ((1 + 2 * near**2) * erfcx(near) - 2 * near / np.sqrt(np.pi))
        apart = 8 * t / np.sqrt(np.pi) * tail
    result: Floats = np.where(z < 2, close, apart)
    return result


def t_nodes(smallest: float, largest: float, e: float) -> tuple[Floats, Floats, Floats]:
    """Nodes t and weights for both powers: sums of weight * exp(-t^2 D) hold for D in [smallest, largest]."""
    start, logs = _START / (np.sqrt(largest) + e), -np.log(1e-16)
    last = np.log(np.sqrt(logs + 1) / (np.sqrt(smallest) * start)) + STEP_T
    u = np.arange(-np.log(logs + 2), last, STEP_T)
    t = start * np.exp(u - np.exp(-u))
    step = STEP_T * t * (1 + np.exp(-u))
    one, two = step * density(t, e, 1), step * density(t, e, 2)
    end = np.exp(-t * t * smallest)
    keep = np.maximum(one * (np.sqrt(largest) + e), two * (np.sqrt(largest) + e) ** 2) * end > _TAIL
    return t[keep], one[keep], two[keep]


def v_nodes(difference: Floats, width: float) -> tuple[Ints, Floats]:
    """Nodes v within reach of some reward, as the nearest reward (n,) and v less it (n,). Rewards ascend."""
    step, count = STEP_V * width, len(difference)
    gaps = np.diagonal(difference, -1)
    ends = [*np.flatnonzero(gaps > 2 * _WIDTHS * width + step).tolist(), count - 1]
    anchors, offsets, start = [], [], 0
    for end in ends:
        inside = difference[start : end + 1, start]
        number = int(np.ceil((inside[-1] + 2 * _WIDTHS * width) / step)) + 1
        position = np.arange(number) * step - ((number - 1) * step - inside[-1]) / 2
        nearest = np.searchsorted((inside[1:] + inside[:-1]) / 2, position)
        anchors.append(start + nearest)
        offsets.append(position - inside[nearest])
        start = end + 1
    return np.concatenate(anchors), np.concatenate(offsets)


@dataclass(frozen=True, eq=False)
class IntegralPlan:
    """Nodes for one variable with J distinct values in groups of G; make one with ``integral_plan``.

    difference (J, J); anchor (n,) the reward that is nearest to each node; log_factor (J, n) of a member; weight (2, n)
    for A and A^2.
    """

    size: int
    label: Ints
    difference: Floats
    anchor: Ints
    log_factor: Floats
    weight: Floats

    @cached_property
    def top(self) -> Floats:
        """Largest log factor (n,) of each node."""
        result: Floats = self.log_factor.max(axis=0)
        return result

    @cached_property
    def factor(self) -> Floats:
        """A member's factor over the largest one (J, n)."""
        return np.exp(self.log_factor - self.top)

    @cached_property
    def distance(self) -> Floats:
        """Reward less the node's anchor (J, n)."""
        return self.difference[:, self.anchor]

    @cached_property
    def less_one(self) -> Floats:
        """A member's factor less one (J, n)."""
        return np.expm1(self.log_factor)

    @cached_property
    def _by_anchor(self) -> tuple[tuple[int, Ints], ...]:
        return tuple((int(a), np.flatnonzero(self.anchor == a)) for a in np.unique(self.anchor))

    def merged(self, probability: Floats) -> Floats:
        """Laws (B, J) of the distinct values, from class probabilities (M, B)."""
        result = np.zeros((probability.shape[1], len(self.difference)))
        np.add.at(result.T, self.label, probability)
        return result

    def fields(self, p: Floats) -> tuple[Floats, Floats, Floats]:
        """log of a member's expected factor (B, n), and under it the mean distance from the anchor, and its square."""
        whole = p @ self.factor
        whole = np.maximum(whole, 1e-320)
        # a law that adds up to one but for rounding is one: groups of 10^7 would see the difference
        short = p.sum(axis=1, keepdims=True) - 1.0
        missing = p @ self.less_one + np.where(np.abs(short) <= 1e-15 * p.shape[1], 0.0, short)
        logs = np.log(whole) + self.top
        close = missing > -0.5
        logs[close] = np.log1p(missing[close])
        mean, square = np.empty_like(whole), np.empty_like(whole)
        for a, nodes in self._by_anchor:
            weighed = p * self.difference[:, a]
            mean[:, nodes] = weighed @ self.factor[:, nodes]
            square[:, nodes] = (weighed * self.difference[:, a]) @ self.factor[:, nodes]
        return logs, mean / whole, square / whole

    def one(self, p: Floats) -> tuple[Floats, Floats]:
        """h and a (B, J) at laws p (B, J)."""
        n1, x, q = self.size - 1, self.factor, self.distance
        logs, f1, f2 = self.fields(p)
        own = np.exp(n1 * logs + self.top)
        x1, x2 = x * self.weight[0], x * self.weight[1]
        h = n1 * (own @ (x1 * q).T - (own * f1) @ x1.T)
        far = n1 * (own @ (x2 * q * q).T) - 2 * n1 * ((own * f1) @ (x2 * q).T)
        a = n1 * (far + (own * (f2 + (n1 - 1) * f1**2)) @ x2.T)
        return h, a

    def two(self, p: Floats) -> tuple[Floats, Floats]:
        """E[A_1 | m, l] and b (B, J, J) at laws p (B, J)."""
        n1, n2, x, q = self.size - 1, self.size - 2, self.factor, self.distance
        logs, f1, f2 = self.fields(p)
        both = np.exp(n2 * logs + 2 * self.top)
        rest = n2 * (f2 + (n2 - 1) * f1**2)
        count = len(x)
        given, cross = np.empty((len(p), count, count)), np.empty((len(p), count, count))
        if count <= _PAIRS:
            xx, mixed = self._pairs
            cross_flat = both @ mixed[0].T - n2 * n2 * ((both * f1) @ mixed[1].T) + (both * rest) @ mixed[2].T
            i, j = np.triu_indices(count)
            cross[:, i, j] = cross[:, j, i] = cross_flat
            for m in range(count):
                y = xx * x[m]
                given[:, m] = both @ (y * (n1 * q[m] - q)).T - n2 * ((both * f1) @ y.T)
            return given, cross
        x1, x2 = x * self.weight[0], x * self.weight[1]
        for b in range(len(p)):
            w, v, r = both[b], both[b] * f1[b], both[b] * rest[b]
            side = (x2 * (n1 * w * q * q + n2 * n2 * v * q)) @ x.T
            cross[b] = (x2 * q * w) @ (x * q).T * (n2 * n2 + 2 * n1) + (x2 * r) @ x.T - side - side.T
            given[b] = (x1 * (n1 * w * q - n2 * v)) @ x.T - (x1 * w) @ (x * q).T
        return given, cross

    @cached_property
    def _pairs(self) -> tuple[Floats, tuple[Floats, Floats, Floats]]:
        i, j = np.triu_indices(len(self.factor))
        n1, n2 = self.size - 1, self.size - 2
        left, right = self.distance[i], self.distance[j]
        both = self.factor[i] * self.factor[j] * self.weight[1]
        apart = n2 * n2 * left * right - n1 * (left - right) ** 2
        return self.factor * self.weight[0], (both * apart, both * (left + right), both)


def integral_plan(values: Sequence[Fraction], size: int, eps: Fraction, ddof: int) -> IntegralPlan | None:
    """Nodes for exact values (M,) in groups of ``size``; None where values agree, or their gaps are beyond floats."""
    distinct = sorted(set(values))
    span = distinct[-1] - distinct[0]
    if not span or min(b - a for a, b in pairwise(distinct)) < span / 10**100:
        return None
    difference = difference_table([(v - distinct[0]) / span for v in distinct])
    gap = float(np.diagonal(difference, -1).min())
    scale = np.sqrt(size * (size - ddof))
    t, *weights = t_nodes((size - 1) * gap**2, float(size // 2) * (size - size // 2), float(eps / span) * scale)
    anchors, offsets, owner = [], [], []
    for j, one in enumerate(t):
        near, offset = v_nodes(difference, 1 / (size * one * np.sqrt(2)))
        anchors.append(near)
        offsets.append(offset)
        owner.append(np.full(len(near), j))
    place, anchor, offset = np.concatenate(owner), np.concatenate(anchors), np.concatenate(offsets)
    logs = -size * (t[place] * (difference[:, anchor] - offset)) ** 2
    rule = STEP_V / np.sqrt(2 * np.pi)
    weight = np.stack([w[place] * rule * (scale / size) ** (p + 1) for p, w in enumerate(weights)])
    return IntegralPlan(size, np.array([distinct.index(v) for v in values]), difference, anchor, logs, weight)
