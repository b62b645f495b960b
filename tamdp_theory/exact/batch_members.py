"""Expected advantages in a batch where its members factor, so that no groups are listed: any rewards, any G and B.

As in batch_integrals.py, but with a group's factor in turn a product over its members: where the composite is measured,

    exp(-t^2 D) = N t / sqrt(pi) int prod over members of phi(c - v) dv,    phi(d) = exp(-N t^2 d^2),

and where its distance from the group mean is, exp(-t^2 N spread) = t sqrt(N G / pi) int prod of phi(c - v) dv in every
group. In the limit of many prompts the batch's mean and deviation come from moments of groups (group.py). The first
stage is the composite, or a multiple of its distance from the group mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from tamdp_theory.estimators.batch.base import Sums
from tamdp_theory.estimators.batch.scheme import BatchScheme
from tamdp_theory.exact.integrals import STEP_V, t_nodes, v_nodes
from tamdp_theory.exact.states import difference_table
from tamdp_theory.exact.update import UpdatePlan
from tamdp_theory.model import TAMDP, Floats, Ints

Rest: TypeAlias = Sequence[tuple[Floats, int]]  # laws of prompts (N,), and how many groups have each
_RULE = STEP_V / np.sqrt(2 * np.pi)


def factors(scheme: BatchScheme) -> bool:
    """Whether the members of a batch factor under integrals, or in the limit of many prompts, under expectations."""
    estimator = scheme.resolved
    simple = estimator.first is None or estimator.first.multiple(int(scheme.group_size)) is not None
    if scheme.keep != "all" or not simple:
        return False
    return estimator.is_common if scheme.is_limit else scheme.has_integrals


@dataclass(frozen=True, eq=False)
class Members:
    """The members of a batch under class probabilities (C,)."""

    env: TAMDP
    scheme: BatchScheme
    probability: Floats

    def limit(self) -> Floats:
        """h (C,) before lengths, in the limit of many prompts."""
        env, scheme, estimator = self.env, self.scheme, self.scheme.resolved
        share = env.prompt_probability[env.class_prompt] * self.probability
        lengths = np.ones(env.n_classes) if env.class_length is None else env.class_length.astype(np.float64)
        weight = share * (lengths if scheme.tokens else 1.0)
        composite = self._composite
        if scheme.inner is None:
            x, scatter = composite, np.zeros(env.n_classes)
        else:
            x, scatter = np.empty(env.n_classes), np.empty(env.n_classes)
            for moments, classes in UpdatePlan(env, scheme.inner).group_moments(self.probability[:, None]):
                x[classes] = np.swapaxes(moments.first, 1, 2)[..., 0]
                scatter[classes] = np.swapaxes(moments.second, 1, 2)[..., 0]
            scatter = scatter - x**2
        y, within = (composite, 0.0) if estimator.measured == "composite" else (x, scatter)
        whole, seen = weight.sum(), np.flatnonzero(weight)
        mean = weight @ y / whole
        spread = weight @ (within + (y - mean) ** 2)
        if self._is_silent(seen):
            mean, spread = y[seen[0]], 0.0
        batch = Sums(np.array(whole), np.array(mean), np.array(max(spread, 0.0)), 0)
        scale = estimator.scale(batch, batch, scheme.eps)
        if scheme.aggregation == "token_mean":
            scale = scale / (share @ lengths)
        result: Floats = scale * (x - (mean if estimator.centred else 0.0))
        return result

    def _is_silent(self, seen: Ints) -> bool:
        """Whether all composites that are compared agree, exactly: of all prompts, or of each if groups are centred."""
        composite, prompts = self.env.exact_class_composite, self.env.class_prompt
        apart = self.scheme.resolved.measured == "first" and self.scheme.inner is not None
        held = {(int(prompts[c]) if apart else 0, composite[c]) for c in seen}
        return len(held) == len({place for place, _ in held})

    @cached_property
    def _composite(self) -> Floats:
        exact = self.env.exact_class_composite
        least = min(exact) if self.scheme.resolved.shifts else Fraction(0)
        return np.array([float(c - least) for c in exact])

    @cached_property
    def _values(self) -> tuple[list[Fraction], Ints]:
        """Distinct composites, ascending, and the place of each class among them (C,)."""
        found = sorted(set(self.env.exact_class_composite))
        return found, np.array([found.index(c) for c in self.env.exact_class_composite])

    @cached_property
    def _law(self) -> Floats:
        """Law of the composite on each prompt (N, J)."""
        values, place = self._values
        result = np.zeros((self.env.n_prompts, len(values)))
        np.add.at(result, (self.env.class_prompt, place), self.probability)
        return result

    def finite(self, cases: Sequence[tuple[Sequence[int], Rest]]) -> Floats:
        """h (C,) before lengths; cases: prompts, and the groups beside one of theirs. 0 on prompts of no case."""
        values, place = self._values
        found = np.zeros((self.env.n_prompts, len(values)))
        if len(values) > 1:
            centred = self.scheme.inner is not None and self.scheme.resolved.measured == "first"
            for one, table in self._over_t(centred):
                for prompts, rest in cases:
                    for q in prompts:
                        found[q] += one * (self._own(table, q, rest) if centred else self._shared(table, q, rest))
        return found[self.env.class_prompt, place]

    @property
    def _multiple(self) -> float:
        first = self.scheme.resolved.first
        found = None if first is None else first.multiple(int(self.scheme.group_size))
        return 1.0 if found is None else float(found)

    def _over_t(self, centred: bool) -> "Sequence[tuple[float, _Table]]":
        """Weights of nodes t, and members' factors there."""
        scheme, values = self.scheme, self._values[0]
        size, batch = int(scheme.group_size), int(scheme.batch)
        members = size * batch
        span, gap = float(values[-1] - values[0]), float(min(b - a for a, b in pairwise(values)))
        scale = np.sqrt(members * (members - scheme.ddof))
        least = (members * (size - 1) / size if centred else members - 1) * gap**2
        largest = members**2 * span**2 / 4
        times = self._multiple if centred else 1.0
        t, one, _ = t_nodes(least * times**2, largest * times**2, scheme.eps * scale)
        gaps, found = difference_table(values), []
        for node, weight in zip(t * times, one * scale, strict=True):
            width = 1 / (node * np.sqrt(2) * (np.sqrt(members * size) if centred else members))
            anchor, offset = v_nodes(gaps, width)
            distance = gaps[:, anchor] - offset
            found.append((float(weight), _Table(distance, -members * (node * distance) ** 2, self._law, size)))
        return found

    def _shared(self, table: "_Table", q: int, rest: Rest) -> Floats:
        """Of the composite measured over the batch (J,), one v for all members."""
        size, members = int(self.scheme.group_size), int(self.scheme.group_size) * int(self.scheme.batch)
        log, shift = np.zeros(table.mean.shape[1]), np.zeros(table.mean.shape[1])
        for shares, groups in rest:
            seen = np.flatnonzero(shares)
            if groups:
                powers = np.log(shares[seen, None]) + size * table.log[seen]
                top = powers.max(axis=0)
                weighed = np.exp(powers - top)
                whole = weighed.sum(axis=0)
                log += groups * (np.log(whole) + top)
                shift += groups * (weighed * table.mean[seen]).sum(axis=0) / whole
        reach = np.exp(table.factor + (size - 1) * table.log[q] + log)
        if self.scheme.resolved.centred:
            batch_mean = (table.distance + (size - 1) * table.mean[q] + size * shift) / members
            value = table.distance - batch_mean
        else:
            value = self._multiple * (size - 1) / size * (table.distance - table.mean[q])
        result: Floats = _RULE * (reach * value).sum(axis=1)
        return result

    def _own(self, table: "_Table", q: int, rest: Rest) -> Floats:
        """Of distances from the group mean measured over the batch (J,), one v for each group."""
        size = int(self.scheme.group_size)
        whole = _RULE * np.exp(size * table.log).sum(axis=1)
        others = np.prod([(shares @ whole) ** groups for shares, groups in rest])
        reach = np.exp(table.factor + (size - 1) * table.log[q])
        value = self._multiple * (size - 1) / size * (table.distance - table.mean[q])
        result: Floats = float(others) * _RULE * (reach * value).sum(axis=1)
        return result


@dataclass(frozen=True, eq=False)
class _Table:
    """At nodes v: value less v, and log of a member's factor (J, n); laws (N, J) of prompts; G."""

    distance: Floats
    factor: Floats
    law: Floats
    size: int

    @cached_property
    def log(self) -> Floats:
        """log of a member's expected factor on each prompt (N, n), bounded from below."""
        top = self.factor.max(axis=0)
        result: Floats = np.log(np.maximum(self.law @ np.exp(self.factor - top), 1e-300)) + top
        return result

    @cached_property
    def mean(self) -> Floats:
        """Mean of value - v under it (N, n)."""
        weighed = np.exp(self.factor - self.factor.max(axis=0))
        result: Floats = (self.law @ (weighed * self.distance)) / np.maximum(self.law @ weighed, 1e-300)
        return result
