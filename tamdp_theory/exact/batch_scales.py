"""What the rest of a batch makes of a group: moments of the factors of A = a (x - r) + b, given the group's type.

r is the type's reference, a the scale and b = a (r - centre). Three ways to the same numbers: over the law of the
batch's sums (``SummedScales``), by integrals under which the groups factor (batch_integrals.py), and in the limit of
many prompts, where the batch's sums are what is expected (``LimitScales``).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from tamdp_theory.errors import CapacityError
from tamdp_theory.estimators.batch.base import Sums
from tamdp_theory.estimators.batch.scheme import BatchScheme
from tamdp_theory.exact.batch_totals import MAX_WORK, Laws, Totals
from tamdp_theory.exact.batch_types import Array, GroupTypes
from tamdp_theory.model import Floats
from tamdp_theory.numbers import short_count

_CHUNK = 2_000_000


@dataclass(frozen=True, eq=False)
class Scores:
    """Expected score of a member, by the type of its group: times x - r, and ``alone`` (D, d)."""

    x: Floats
    alone: Floats


@dataclass(frozen=True, eq=False)
class Scales(ABC):
    """Moments of a and b in a batch of a scheme, given types of its groups."""

    types: GroupTypes
    scheme: BatchScheme

    @abstractmethod
    def one(self, others: Laws) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """E a, E b, E a^2, E ab, E b^2 (D,), given a group's type; others: the laws of the B - 1 other groups."""

    @abstractmethod
    def cross(self, others: Laws, first: Scores, second: Scores) -> float:
        """E of the inner product of what members of two groups add to the update; others: the laws of the rest."""


@dataclass(frozen=True, eq=False)
class SummedScales(Scales):
    """Over the law of the sums of the other groups."""

    totals: Totals

    def one(self, others: Laws) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        states, probability = self.totals.law(others)
        start, found = self.totals.start(), np.zeros((5, self.types.count))
        own, _ = self.totals.sums(start[:, :, None], self.scheme.ddof)
        for part in _parts(len(probability), self.types.count):
            a, b = self._factors(own, self.types.reference[:, None], self._joined(start[:, :, None], states[:, part]))
            for moment, value in zip(found, (a, b, a * a, a * b, b * b), strict=True):
                moment += value @ probability[part]
        return found[0], found[1], found[2], found[3], found[4]

    def cross(self, others: Laws, first: Scores, second: Scores) -> float:
        count = self.types.count
        states, probability = self.totals.law(others)
        if (work := len(probability) * count**2) > MAX_WORK:
            raise CapacityError(
                f"batch {self.scheme.batch}: the second moment takes {short_count(work)} sums of pairs of "
                f"{count} types of groups, more than {MAX_WORK:,}; the mean alone does not; use fewer groups or rewards"
            )
        start, found = self.totals.start(), np.zeros((3, count, count))
        own, _ = self.totals.sums(start[:, :, None], self.scheme.ddof)
        for t in range(count):
            pair = self.totals.plus(start[:, t, None], start)[:, :, None]
            mine = Sums(own.weight[t], own.mean[t], own.spread[t], own.lost)
            for part in _parts(len(probability), count):
                batch = self._joined(pair, states[:, part])
                a, b = self._factors(own, self.types.reference[:, None], batch)
                scale, shifted = self._factors(mine, self.types.reference[t], batch)
                for moment, value in zip(found, (scale * a, scale * b, shifted * b), strict=True):
                    moment[t] += value @ probability[part]
        aa, ab, bb = found
        (u, z), (uu, zz) = ((one.x, one.alone) for one in (first, second))
        total = aa * (u @ uu.T) + ab * (u @ zz.T + uu @ z.T) + bb * (z @ zz.T)
        return float(total.sum())

    def _joined(self, groups: Array, states: Array) -> tuple[Sums, Floats]:
        return self.totals.sums(self.totals.plus(groups, states[:, None]), self.scheme.ddof)

    def _factors(self, own: Sums, reference: Floats, joined: tuple[Sums, Floats]) -> tuple[Floats, Floats]:
        batch, tokens = joined
        a, b = factors(self.scheme, own, reference, batch)
        if self.scheme.aggregation == "token_mean":
            share = self.scheme.group_size * self.scheme.batch / tokens
            a, b = a * share, b * share
        return a, b


@dataclass(frozen=True, eq=False)
class LimitScales(Scales):
    """In the limit of many prompts the batch's sums over B are their means: a and b are numbers of the type alone."""

    def one(self, others: Laws) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        a, b = self._factors(others)
        return a, b, a * a, a * b, b * b

    def cross(self, others: Laws, first: Scores, second: Scores) -> float:
        a, b = self._factors(others)
        one, other = (a @ scores.x + b @ scores.alone for scores in (first, second))
        return float(one @ other)

    def _factors(self, others: Laws) -> tuple[Floats, Floats]:
        ((law, _),) = others
        types, seen = self.types, np.flatnonzero(others[0][0])
        weight = float(law @ types.weight)
        mean = float(law @ (types.weight * types.mean)) / weight
        spread = float(law @ (types.spread + types.weight * (types.mean - mean) ** 2))
        if not types.spread[seen].any() and len(set(types.mean[seen].tolist())) == 1:
            mean, spread = float(types.mean[seen[0]]), 0.0  # nothing varies, exactly
        own = Sums(types.weight, types.mean, types.spread, self.scheme.ddof)
        a, b = factors(self.scheme, own, types.reference, Sums(np.array(weight), np.array(mean), np.array(spread), 0))
        if self.scheme.aggregation == "token_mean":
            share = self.scheme.group_size / float(law @ types.tokens)
            a, b = a * share, b * share
        return a, b


def factors(scheme: BatchScheme, own: Sums, reference: Floats, batch: Sums) -> tuple[Floats, Floats]:
    """a and b of members of groups with sums ``own`` in a batch; shapes broadcast."""
    estimator = scheme.resolved
    shape = np.broadcast_shapes(np.shape(reference), np.shape(batch.mean))
    a = np.broadcast_to(estimator.scale(own, batch, scheme.eps), shape)
    return a, a * (reference - (batch.mean if estimator.centred else 0.0))


def _parts(states: int, types: int) -> list[slice]:
    step = max(_CHUNK // types, 1)
    return [slice(start, start + step) for start in range(0, states, step)]
