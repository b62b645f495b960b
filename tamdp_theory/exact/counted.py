"""Group moments by counting: a sum over every multiset of G members out of J kinds, for estimators of any form.

With counts n the probability is G!/prod n! prod P^n, and members are exchangeable, so one table of advantages A_j(n)
gives all moments: h_j = E[n_j A_j] / (G P_j), b_jl = E[n_j (n_l - 1[j=l]) A_j A_l] / (G (G - 1) P_j P_l).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import comb

import numpy as np
from scipy.special import gammaln

from tamdp_theory.errors import CapacityError
from tamdp_theory.estimators.base import Column
from tamdp_theory.estimators.keep import kept_of
from tamdp_theory.estimators.scheme import Scheme
from tamdp_theory.exact.moments import GroupMoments
from tamdp_theory.exact.multisets import FloatMultiset, Kinds, gains_of
from tamdp_theory.model import Floats, Ints

MAX_MULTISETS = 20_000_000
_TAIL = 50_000  # rows of a table of compositions
_CHUNK = 200_000  # groups at once
_KEEP = 4_000_000  # entries of a table of advantages that are kept
_RARE = 1e-60  # probabilities below need weights of their own


@dataclass(frozen=True, eq=False)
class CountPlan:
    """What does not depend on P: for each column its coefficient and the kinds (J,) of M classes (``label``), and the
    composites of the kinds, where not all groups are kept.
    """

    columns: tuple[tuple[float, Kinds], ...]
    label: Ints
    scheme: Scheme
    composite: Kinds | None = None

    @staticmethod
    def of(
        columns: Sequence[Column], lengths: Sequence[int], scheme: Scheme, composite: Sequence[Fraction]
    ) -> "CountPlan":
        """Classes with exact values in each column, lengths and composites (M,). CapacityError where multisets are too
        many.
        """
        used = lengths if scheme.estimator.lengths or scheme.aggregation == "token_mean" else (1,) * len(lengths)
        seen_by_rule = composite if scheme.filters else (Fraction(0),) * len(lengths)
        rows = list(zip(*(values for _, values in columns), seen_by_rule, used, strict=True))
        distinct = sorted(set(rows))
        size, count = scheme.group_size, len(distinct)
        groups = comb(size + count - 1, count - 1)
        if groups > MAX_MULTISETS:
            raise CapacityError(
                f"group_size {size}: {groups:,} multisets of {count} distinct values exceed the limit of "
                f"{MAX_MULTISETS:,} for {scheme.estimator}; use a smaller group or fewer distinct rewards"
            )
        tokens = [int(row[-1]) for row in distinct]
        seen = tuple(
            (float(coefficient), Kinds.of([row[v] for row in distinct], tokens, size))
            for v, (coefficient, _) in enumerate(columns)
        )
        of_rule = Kinds.of([row[-2] for row in distinct], tokens, size) if scheme.filters else None
        return CountPlan(seen, np.array([distinct.index(row) for row in rows]), scheme, of_rule)

    @property
    def count(self) -> int:
        """J."""
        return len(self.columns[0][1].value)

    def largest(self) -> float:
        """The largest root mean square of the advantages in a group."""
        squares = ((counts * gains**2).sum(axis=1).max() for counts, _, gains in self.chunks())
        return float(np.sqrt(max(squares) / self.scheme.group_size))

    def chunks(self) -> Iterator[tuple[Ints, Floats, Floats]]:
        """Counts (S, J), log of the multinomial coefficient (S,) and A (S, J), a part of all multisets at a time."""
        if self._kept is not None:
            yield from self._kept
            return
        yield from self._made()

    @cached_property
    def _kept(self) -> list[tuple[Ints, Floats, Floats]] | None:
        size, count = self.scheme.group_size, self.count
        return list(self._made()) if comb(size + count - 1, count - 1) * count <= _KEEP else None

    def _made(self) -> Iterator[tuple[Ints, Floats, Floats]]:
        size = self.scheme.group_size
        for counts in compositions(size, self.count):
            ways = gammaln(size + 1) - gammaln(counts + 1).sum(axis=1)
            if self.composite is not None:
                kept = kept_of(self.scheme.kept, self.composite.value, self.composite.unit, counts)
                ways = np.where(kept, ways, -np.inf)
            parts = (w * gains_of(FloatMultiset(kinds, counts, self.scheme)) for w, kinds in self.columns)
            gains = np.where(counts > 0, sum(parts), 0.0)
            if self.scheme.aggregation == "token_mean":
                gains *= (self.scheme.group_size / (counts @ self.columns[0][1].length))[:, None]
            yield counts, ways, gains


class CountMoments(GroupMoments):
    """Moments at P (..., M) by counting."""

    def __init__(self, plan: CountPlan, probability: Floats) -> None:
        self.plan, self.probability = plan, probability
        flat = probability.reshape(-1, probability.shape[-1])
        self._merged = np.zeros((len(flat), plan.count))
        np.add.at(self._merged.T, plan.label, flat.T)

    @property
    def first(self) -> Floats:
        return self._singles[0]

    @property
    def positive(self) -> Floats:
        return self._singles[1]

    @property
    def negative(self) -> Floats:
        return self._singles[2]

    @property
    def second(self) -> Floats:
        return self._singles[3]

    @property
    def cross(self) -> Floats:
        return self._pairs[0]

    @property
    def given_pair(self) -> Floats:
        return self._pairs[1]

    @cached_property
    def _singles(self) -> tuple[Floats, ...]:
        size = self.plan.scheme.group_size
        sums = np.zeros((4, len(self._merged), self.plan.count))
        for counts, gains, exponent in self._groups():
            parts = [counts / size * one for one in (gains, np.maximum(gains, 0), np.maximum(-gains, 0), gains**2)]
            if self._common:
                weight = np.exp(exponent)
                for total, part in zip(sums, parts, strict=True):
                    total += weight.T @ part
                continue
            for j in range(self.plan.count):
                weight = self._given(exponent, j)
                for total, part in zip(sums, parts, strict=True):
                    total[:, j] += weight.T @ part[:, j]
        if self._common:
            sums /= self._merged
        sums = over(sums, self._kept[:, None])
        label, shape = self.plan.label, self.probability.shape
        return tuple(one[:, label].reshape(shape) for one in sums)

    @cached_property
    def _pairs(self) -> tuple[Floats, Floats]:
        size, count, label = self.plan.scheme.group_size, self.plan.count, self.plan.label
        batch, kinds = len(self._merged), np.arange(count)
        products, singles = np.zeros((batch, count, count)), np.zeros((batch, count, count))
        for counts, gains, exponent in self._groups():
            held, own = counts / (size * (size - 1)), counts * gains
            twice = held * (counts - 1)  # of two members of one kind
            if self._common:
                weight = np.exp(exponent)
                for b in range(batch):
                    weighed = own * weight[:, b, None]
                    for total, other, single in ((products, held * gains, gains**2), (singles, held, gains)):
                        part = weighed.T @ other
                        part[kinds, kinds] = weight[:, b] @ (twice * single)
                        total[b] += part
                continue
            for i in range(count):
                for j in range(count):
                    share = (twice[:, i] if i == j else counts[:, i] * held[:, j]) * gains[:, i]
                    weight = self._given(exponent, i, j)
                    products[:, i, j] += weight.T @ (share * gains[:, j])
                    singles[:, i, j] += weight.T @ share
        if self._common:
            both = self._merged[:, :, None] * self._merged[:, None, :]
            products, singles = products / both, singles / both
        share = self._kept[:, None, None]
        products, singles = over(products, share), over(singles, share)
        shape = (*self.probability.shape, self.probability.shape[-1])
        found = [one[:, label][:, :, label].reshape(shape) for one in (products, singles)]
        return found[0], found[1]

    @cached_property
    def _kept(self) -> Floats:
        """Probability that a group is kept (B,)."""
        if self.plan.composite is None:
            return np.ones(len(self._merged))
        result: Floats = sum((np.exp(exponent).sum(axis=0) for *_, exponent in self._groups()), np.zeros(1))
        return result

    @property
    def _common(self) -> bool:
        """Whether no class is so rare that its probability cannot be divided out in the end."""
        return bool((self._merged >= _RARE).all())

    @cached_property
    def _logs(self) -> Floats:
        """log P (B, J); of a class that never occurs, what underflows where it is needed, and cancels where given."""
        p = self._merged
        never = -(800.0 + self.plan.scheme.group_size * np.log(self.plan.count + 1))
        return np.log(p, out=np.full(p.shape, never), where=p > 0)

    def _groups(self) -> Iterator[tuple[Ints, Floats, Floats]]:
        """Counts and advantages (S, J), and the log-probability of each multiset (S, B)."""
        for counts, ways, gains in self.plan.chunks():
            yield counts, gains, counts @ self._logs.T + ways[:, None]

    def _given(self, exponent: Floats, *kinds: int) -> Floats:
        """What remains of a multiset's probability (S, B) when the kinds of one or two members are given."""
        result: Floats = np.exp(np.minimum(exponent - self._logs[:, list(kinds)].sum(axis=1), 700.0))
        return result


def over(values: Floats, share: Floats) -> Floats:
    """values / share, 0 where that is 0."""
    result: Floats = np.divide(values, share, out=np.zeros_like(values), where=share > 0)
    return result


def compositions(size: int, count: int) -> Iterator[Ints]:
    """Every way (S, count) to write ``size`` as a sum of ``count`` integers >= 0, a part at a time."""
    tail = 1
    while tail < count and comb(size + tail, tail) <= _TAIL:
        tail += 1
    ends = [_table(rest, tail) for rest in range(size + 1)] if tail < count else []
    if not ends:
        yield _table(size, count)
        return
    rows, waiting = 0, []
    for head in _heads(size, count - tail):
        end = ends[size - sum(head)]
        waiting.append(np.column_stack([np.broadcast_to(head, (len(end), len(head))), end]))
        rows += len(end)
        if rows >= _CHUNK:
            yield np.concatenate(waiting)
            rows, waiting = 0, []
    if waiting:
        yield np.concatenate(waiting)


def _table(size: int, count: int) -> Ints:
    """All compositions of ``size`` (S, count), ``count`` >= 1."""
    table = np.arange(size + 1)[:, None] if count > 1 else np.array([[size]])
    for _ in range(count - 2):
        left = size - table.sum(axis=1)
        start = np.repeat(np.cumsum(left + 1) - left - 1, left + 1)
        table = np.column_stack([np.repeat(table, left + 1, axis=0), np.arange(len(start)) - start])
    return np.column_stack([table, size - table.sum(axis=1)]) if count > 1 else table


def _heads(size: int, count: int) -> Iterator[tuple[int, ...]]:
    """Tuples of ``count`` integers >= 0 with sums up to ``size``."""
    if count == 0:
        yield ()
        return
    for first in range(size + 1):
        for rest in _heads(size - first, count - 1):
            yield (first, *rest)
