"""Groups as a batch sees them: by what they add to the batch's sums, whatever their members.

A group's type is the weight of its members (their number, or tokens), its tokens, and mean and spread of the measured
numbers y. Types are made of every multiset of G members out of J kinds. Where y is the composite, or a rational
multiple of its distance from the group mean, it lies on a grid, and types are told apart exactly; else (y standardized
in the group) types that agree to rounding are one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import comb, lcm
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from tamdp_theory.errors import CapacityError
from tamdp_theory.estimators.base import Column
from tamdp_theory.estimators.batch.scheme import BatchScheme
from tamdp_theory.estimators.keep import kept_of
from tamdp_theory.estimators.scheme import Scheme
from tamdp_theory.exact.counted import compositions
from tamdp_theory.exact.multisets import Counted, FloatMultiset, Kinds, gains_of
from tamdp_theory.lengths import class_lengths
from tamdp_theory.model import TAMDP, Floats, Ints
from tamdp_theory.numbers import short_count

Array: TypeAlias = NDArray[Any]
MAX_ENTRIES = 5_000_000  # multisets times kinds
_BITS = 48  # floats that agree in so many bits are one type
_SUSPECT = 1e-9  # sums of parts that cancel so far are decided exactly


@dataclass(frozen=True, eq=False)
class Listing:
    """The groups of one reward table as multisets: counts (S, J) of its kinds, log of the number of their orders
    (S,), x less the group's reference (S, J), the group's type (S,), whether it is kept (S,); kind (M,) of each class.
    """

    counts: Ints
    ways: Floats
    x: Floats
    type: Ints
    kept: NDArray[np.bool_]
    kind: Ints

    @property
    def size(self) -> int:
        """G."""
        return int(self.counts[0].sum())


@dataclass(frozen=True, eq=False)
class GroupTypes:
    """All types (D,) of groups of a process. Make them with ``group_types``.

    weight, tokens, mean, spread (D,): of a group, in reward units. exact: the same as integers (weight, tokens, sum of
    y, sum of y^2) (4, D) with the unit of y, where it lies on a grid. reference (D,): what x is measured from.
    values: what y can be, ascending, where it is the composite; else empty. listings: of each prompt.
    """

    weight: Floats
    tokens: Floats
    mean: Floats
    spread: Floats
    exact: tuple[Array, Fraction] | None
    reference: Floats
    values: tuple[Fraction, ...]
    listings: tuple[Listing, ...]

    @property
    def count(self) -> int:
        """D."""
        return len(self.mean)

    def law(self, prompt: int, probability: Floats) -> "TypeLaw":
        """The groups of a prompt at class probabilities (M,)."""
        listing = self.listings[prompt]
        merged = np.zeros(listing.counts.shape[1])
        np.add.at(merged, listing.kind, probability)
        never = -(800.0 + listing.size * np.log(len(merged) + 1))
        logs = np.log(merged, out=np.full(merged.shape, never), where=merged > 0)
        exponent = np.where(listing.kept, listing.counts @ logs + listing.ways, -np.inf)
        return TypeLaw(listing, self.count, logs, exponent)


@dataclass(frozen=True, eq=False)
class TypeLaw:
    """The law of one prompt's groups that are kept, which adds up to their share, at some class probabilities: logs
    (J,) of kinds, exponent (S,) of groups.
    """

    listing: Listing
    types: int
    logs: Floats
    exponent: Floats

    @cached_property
    def chance(self) -> Floats:
        """Of each multiset (S,)."""
        result: Floats = np.exp(self.exponent)
        return result

    @cached_property
    def probability(self) -> Floats:
        """Of each type (D,)."""
        return self._summed(self.chance)

    @cached_property
    def single(self) -> tuple[Floats, Floats, Floats]:
        """E[1, x, x^2; type | class of member 1], x less the reference, (3, M, D)."""
        own, kinds = self.listing, range(len(self.logs))
        weights = [self._given(j) * own.counts[:, j] / own.size for j in kinds]
        parts = [np.stack([self._summed(w * own.x[:, j] ** p) for j, w in enumerate(weights)]) for p in range(3)]
        one, x, squares = (part[own.kind] for part in parts)
        return one, x, squares

    def pair(self, aa: Floats, ab: Floats, bb: Floats) -> Floats:
        """E[A_1 A_2 | classes of members 1 and 2] (M, M), from E a^2, E ab, E b^2 of each type (D,)."""
        own, count = self.listing, len(self.logs)
        squares, mixed, rest = (moment[own.type] for moment in (aa, ab, bb))
        found = np.zeros((count, count))
        for i in range(count):
            for j in range(i + 1):
                x, y = own.x[:, i], own.x[:, j]
                ways = own.counts[:, i] * (own.counts[:, j] - (i == j)) / (own.size * (own.size - 1))
                found[i, j] = found[j, i] = self._given(i, j) * ways @ (squares * x * y + mixed * (x + y) + rest)
        result: Floats = found[own.kind][:, own.kind]
        return result

    def _given(self, *kinds: int) -> Floats:
        """What remains of a group's probability (S,) when the kinds of one or two members are given."""
        result: Floats = np.exp(np.minimum(self.exponent - self.logs[list(kinds)].sum(), 700.0))
        return result

    def _summed(self, values: Floats) -> Floats:
        return summed(self.listing.type, values, self.types)


@dataclass(frozen=True, eq=False)
class _Raw:
    """Groups of one table before types: the four columns (4, S), and x (S, J)."""

    counts: Ints
    kind: Ints
    kept: NDArray[np.bool_]
    columns: Array
    x: Floats


def group_types(env: TAMDP, scheme: BatchScheme) -> GroupTypes:
    """The types of all prompts' groups. CapacityError where multisets are too many."""
    composite = env.exact_class_composite
    unit = Fraction(1, lcm(*(c.denominator for c in composite)))
    least = min(composite) if scheme.resolved.shifts else Fraction(0)
    lister = _Lister(env, scheme, [int((c - least) / unit) for c in composite], int(least / unit), unit)
    raws = [lister.raw(classes) for classes in env.prompt_classes]
    rows = np.concatenate([one.columns.T for one in raws])
    if lister.exact:
        found, place = _distinct(rows)
        weight, tokens, total, squares = found.T
        units = lister.unit
        # the unit comes last, as in x, so that members of a silent group are at distance 0 to the bit
        mean = np.array([float(Fraction(int(s), int(w))) for s, w in zip(total, weight, strict=True)]) * float(units)
        each = zip(weight.tolist(), total.tolist(), squares.tolist(), strict=True)
        spread = np.array([float(Fraction(w * q - s * s, w) * units**2) for w, s, q in each])
        exact = (found.T, units)
    else:
        keys = np.stack([rounded(column) for column in rows.T.astype(np.float64)], axis=1)
        _, first, place = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        weight, tokens, mean, spread = rows[first].astype(np.float64).T
        exact = None
    reference = mean if scheme.resolved.measured == "first" else np.zeros(len(mean))
    listings, start = [], 0
    made: dict[int, Listing] = {}
    place = place.ravel()
    for one in raws:
        of = place[start : start + len(one.counts)]
        start += len(one.counts)
        if id(one) not in made:
            ways = gammaln(scheme.group_size + 1) - gammaln(one.counts + 1).sum(axis=1)
            x = np.where(one.counts > 0, one.x - reference[of][:, None], 0.0)
            made[id(one)] = Listing(one.counts, ways, x, of, one.kept, one.kind)
        listings.append(made[id(one)])
    whole, lengths = np.asarray(weight, dtype=np.float64), np.asarray(tokens, dtype=np.float64)
    return GroupTypes(whole, lengths, mean, spread, exact, reference, lister.values, tuple(listings))


class _Lister:
    """Lists the groups of a table, composites in units of the ``grid`` from ``least`` up; ``exact``: whether y lies on
    a grid, and its ``unit``.
    """

    def __init__(self, env: TAMDP, scheme: BatchScheme, composite: list[int], least: int, unit: Fraction) -> None:
        self.env, self.scheme, self.composite, self.least, self.grid = env, scheme, composite, least, unit
        self.lengths = class_lengths(env) or (1,) * env.n_classes
        estimator, size = scheme.resolved, int(scheme.group_size)
        self.multiple = None if estimator.first is None else estimator.first.multiple(size)
        self.measured = estimator.measured
        self.exact = self.measured != "first" or estimator.first is None or self.multiple is not None
        self.unit = unit
        if self.measured == "first" and self.multiple is not None:
            self.unit = unit * self.multiple / size
        plain = self.measured == "composite" or estimator.first is None
        self.values = tuple(n * unit for n in sorted(set(composite))) if plain else ()
        self._known: dict[tuple[Any, ...], _Raw] = {}

    def raw(self, classes: Ints) -> _Raw:
        """The groups of a prompt's classes (M,)."""
        own, first = classes.tolist(), self.scheme.resolved.first
        table = [self.env.exact_class_rewards[c] for c in own]
        columns: tuple[Column, ...] = ()
        if first is not None and self.multiple is None:
            columns = first.columns(table, self.env.exact_weights)
        lengths = [self.lengths[c] if self.scheme.counts_tokens else 1 for c in own]
        values = [values for _, values in columns]
        rows = list(zip([self.composite[c] for c in own], lengths, *values, strict=True))
        key = (tuple(rows), tuple(w for w, _ in columns))
        if key not in self._known:
            self._known[key] = self._list(rows, tuple(w for w, _ in columns))
        return self._known[key]

    def _list(self, rows: list[tuple[Any, ...]], coefficients: tuple[Fraction, ...]) -> _Raw:
        distinct = sorted(set(rows))
        size, count = int(self.scheme.group_size), len(distinct)
        if (groups := comb(size + count - 1, count - 1)) * count > MAX_ENTRIES:
            fits = max((g for g in range(1, size) if comb(g + count - 1, count - 1) * count <= MAX_ENTRIES), default=0)
            raise CapacityError(
                f"group_size {size}: {short_count(groups)} multisets of {count} distinct rewards are more than "
                f"{MAX_ENTRIES // count:,}; groups of up to {fits} fit"
            )
        counts = np.concatenate(list(compositions(size, count)))
        lengths = np.array([row[1] for row in distinct])
        composite = _integers([row[0] for row in distinct], size**3 * int(lengths.max()))
        centred = size * composite - (counts @ composite)[:, None]  # G times the distance from the mean
        plain = np.broadcast_to(composite, counts.shape)
        if coefficients:
            values = [[row[2 + v] for row in distinct] for v in range(len(coefficients))]
            kinds = [Kinds.of(column, lengths.tolist(), size) for column in values]
            assert self.scheme.inner is not None
            first = mixed_gains(kinds, counts, coefficients, self.scheme.inner)
        elif self.multiple is not None:
            first = centred.astype(np.float64) * float(self.grid * self.multiple / size)
        else:
            first = plain.astype(np.float64) * float(self.grid)
        weight = lengths if self.scheme.tokens else np.ones_like(lengths)
        tokens = counts @ lengths
        if self.measured == "nothing":
            y: Array = np.zeros_like(counts)
        elif self.exact:
            y = centred if self.measured == "first" and self.multiple is not None else plain
        else:
            y = first
        held = counts * weight
        whole = held.sum(axis=1)
        if self.exact:
            columns = np.stack([whole, tokens, (held * y).sum(axis=1), (held * y * y).sum(axis=1)])
        else:
            mean = (held * y).sum(axis=1) / whole
            largest = np.abs(np.where(counts > 0, y, 0.0)).max(axis=1)
            mean[np.abs(mean) <= 4e-15 * largest] = 0.0  # rounding of a sum that is zero
            columns = np.stack([whole, tokens, mean, (held * (y - mean[:, None]) ** 2).sum(axis=1)])
        rewards = np.array([row[0] + self.least for row in distinct], dtype=object)
        kept = kept_of(self.scheme.kept, rewards, self.grid, counts)
        return _Raw(counts, np.array([distinct.index(row) for row in rows]), kept, columns, first)


def mixed_gains(kinds: Sequence[Kinds], counts: Ints, coefficients: Sequence[Fraction], scheme: Scheme) -> Floats:
    """Advantages (S, J) of groups with ``counts`` of kinds (J,) or (S, J) in several columns, summed with their
    coefficients. Where columns cancel, whether they do so to zero is decided exactly.
    """

    def parts(of: Callable[[Kinds, Ints, Scheme], Counted], rows: Ints | slice) -> list[Any]:
        own = [k if k.value.ndim == 1 else Kinds(k.value[rows], k.length[rows], k.unit) for k in kinds]
        return [gains_of(of(one, counts[rows], scheme)) for one in own]

    each = [float(w) * part for w, part in zip(coefficients, parts(FloatMultiset, slice(None)), strict=True)]
    total: Floats = np.where(counts > 0, sum(each), 0.0)
    size_of = np.where(counts > 0, sum(np.abs(part) for part in each), 0.0)
    suspect = (np.abs(total) <= _SUSPECT * size_of) & (total != 0)
    rows = np.flatnonzero(suspect.any(axis=1))
    if len(rows):
        from tamdp_theory.exact.ball_multisets import ExactMultiset  # FLINT loads only where it is needed
        from tamdp_theory.exact.ball_numbers import ZERO, is_zero, number

        exactly = parts(ExactMultiset, rows)
        sums: Any = sum((number(w) * part for w, part in zip(coefficients, exactly, strict=True)), start=ZERO)
        zero: Any = np.frompyfunc(is_zero, 1, 1)(sums)
        total[rows] = np.where(suspect[rows] & zero.astype(bool), 0.0, total[rows])
    return total


def _integers(values: list[int], times: int) -> Array:
    """As 64-bit integers where so many times their squares fit, else Python's."""
    widest = max(map(abs, values))
    return np.array(values, dtype=np.int64 if 4 * widest**2 * times < 2**62 else object)


def _distinct(rows: Array) -> tuple[Array, Ints]:
    """Distinct rows (D, 4) of integers, and the place of each (S,)."""
    if rows.dtype != object:
        found, place = np.unique(rows, axis=0, return_inverse=True)
        return found, place.ravel()
    keys = [tuple(map(int, row)) for row in rows]
    order = {key: d for d, key in enumerate(sorted(set(keys)))}
    return np.array(list(order), dtype=object), np.array([order[key] for key in keys])


def summed(place: Ints, values: Floats, count: int) -> Floats:
    """Sums (count,) of the values (S,) at each place (S,)."""
    result: Floats = np.bincount(place, weights=values, minlength=count).astype(np.float64)
    return result


def rounded(values: Floats) -> Floats:
    """Floats to so many bits that what differs by rounding alone mostly agrees."""
    mantissa, exponent = np.frexp(values)
    result: Floats = np.ldexp(np.rint(np.ldexp(mantissa, _BITS)), exponent)
    return result
