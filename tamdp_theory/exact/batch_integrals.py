"""Scales over a batch by integrals under which its groups factor (theory.md section 15, integrals.py).

With N = B G members, y their measured numbers, D = N sum (y - mean y)^2, k = sqrt(N (N - ddof)) and e = eps k,

    1 / (deviation + eps) = k / (sqrt D + e),    1 / (sqrt D + e)^p = int density_p(t) exp(-t^2 D) dt,
    exp(-t^2 D) = N t / sqrt(pi) int prod over groups of exp(-N t^2 (spread + G (mean - v)^2)) dv.

Where all group means are 0, as after centring, D is N times the sum of the groups' spreads and needs no v. What is
computed are the moments for a (1 + eta), |eta| <= ``integrals.ERROR`` for each batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from tamdp_theory.errors import CapacityError
from tamdp_theory.exact.batch_scales import Scales, Scores
from tamdp_theory.exact.batch_totals import Laws
from tamdp_theory.exact.integrals import STEP_V, t_nodes, v_nodes
from tamdp_theory.exact.states import difference_table
from tamdp_theory.model import Floats
from tamdp_theory.numbers import short_count

MAX_ENTRIES = 500_000_000  # nodes times types
_CHUNK = 2_000_000
_CLOSE = 1e-12  # of the largest: means nearer are one, but for rounding


@dataclass(frozen=True, eq=False)
class _Nodes:
    """Some nodes (n,): log of a group's factor, and its mean less v (D, n); weights of both powers; of the other groups
    the log of their expected factor, and under it mean and variance of the sum of mean - v, over B.
    """

    log_factor: Floats
    y: Floats
    one: Floats
    two: Floats
    log: Floats
    shift: Floats
    scatter: Floats


@dataclass(frozen=True, eq=False)
class IntegralScales(Scales):
    """For estimators whose scale is 1 / (deviation over the batch's members + eps)."""

    def one(self, others: Laws) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        a, b, aa, ab, bb = np.zeros((5, self.types.count))
        for nodes in self._parts(others):
            reach = np.exp(nodes.log_factor + nodes.log)
            a += reach @ nodes.one
            aa += reach @ nodes.two
            if self.scheme.resolved.centred:
                shifted = (1 - 1 / self._batch) * nodes.y - nodes.shift  # r - mean
                b += (reach * shifted) @ nodes.one
                ab += (reach * shifted) @ nodes.two
                bb += (reach * (shifted**2 + nodes.scatter)) @ nodes.two
        return a, b, aa, ab, bb

    def cross(self, others: Laws, first: Scores, second: Scores) -> float:
        own, other, total = 1 - 1 / self._batch, -1 / self._batch, 0.0
        for nodes in self._parts(others):
            top = nodes.log_factor.max(axis=0)
            factor = np.exp(nodes.log_factor - top)
            weight = np.exp(nodes.log + 2 * top) * nodes.two
            u, uu = (factor.T @ one.x for one in (first, second))
            if not self.scheme.resolved.centred:
                total += float(weight @ (u * uu).sum(axis=1))
                continue
            # r_1 - mean = own y_1 + other y_2 - shift, and so for the second
            moments = []
            for one in (first, second):
                z = [(factor * nodes.y**p).T @ one.alone for p in range(3)]
                moments.append((factor.T @ one.x, (factor * nodes.y).T @ one.x, *z))
            (u, yu, z, yz, yyz), (uu, yuu, zz, yzz, yyzz) = moments
            s = nodes.shift[:, None]
            value = u * uu + u * (own * yzz - s * zz) + other * yu * zz + uu * (own * yz - s * z) + other * yuu * z
            value += (own**2 + other**2) * yz * yzz + own * other * (yyz * zz + z * yyzz)
            value += (s**2 + nodes.scatter[:, None]) * z * zz - (own + other) * s * (yz * zz + z * yzz)
            total += float(weight @ value.sum(axis=1))
        return total

    def check(self) -> None:
        """CapacityError where nodes are too many."""
        _ = self._nodes

    @property
    def _batch(self) -> float:
        return float(self.scheme.batch)

    @cached_property
    def _nodes(self) -> tuple[Floats, Floats, Floats, Floats]:
        """t, v and the weights of both powers (n,)."""
        types, size = self.types, int(self.scheme.group_size)
        members = size * int(self.scheme.batch)
        means, spreads = np.unique(types.mean), types.spread[types.spread > 0]
        span = float(means[-1] - means[0])
        silent = np.unique(types.mean[types.spread == 0])
        gaps = [b - a for a, b in pairwise(silent.tolist()) if b - a > _CLOSE * span]
        least = [float(spreads.min())] if len(spreads) else []
        if gaps and self.scheme.batch > 1:
            least.append(size * (1 - 1 / self._batch) * min(gaps) ** 2)
        scale = np.sqrt(members * (members - self.scheme.ddof))
        if not least:
            return np.ones(1), np.zeros(1), np.zeros(1), np.zeros(1)
        largest = self._batch * float(types.spread.max()) + members * span**2 / 4
        t, one, two = t_nodes(members * min(least), members * largest, self.scheme.eps * scale)
        if not span:
            return t, np.full(len(t), means[0]), one * scale, two * scale**2
        # v farther from every reward than integrals.WIDTHS contributes nothing
        gaps_of = difference_table(types.values)
        widths = 1 / (members * t * np.sqrt(2))
        found = [v_nodes(gaps_of, width) for width in widths]
        count = np.array([len(anchor) for anchor, _ in found])
        if (entries := int(count.sum()) * types.count) > MAX_ENTRIES:
            raise CapacityError(
                f"batch {self.scheme.batch}: {short_count(entries)} nodes of integrals times types of groups exceed "
                f"the limit of {MAX_ENTRIES:,}; use rewards on a coarser grid, or batch=math.inf"
            )
        place, values = np.repeat(np.arange(len(t)), count), np.array([float(value) for value in types.values])
        v = np.concatenate([values[anchor] + offset for anchor, offset in found])
        rule = STEP_V / np.sqrt(2 * np.pi)
        return t[place], v, one[place] * rule * scale, two[place] * rule * scale**2

    def _parts(self, others: Laws) -> Iterator[_Nodes]:
        """All nodes, some at a time."""
        t, v, one, two = self._nodes
        types, size = self.types, int(self.scheme.group_size)
        step = max(_CHUNK // types.count, 1)
        for start in range(0, len(t), step):
            part = slice(start, start + step)
            y = types.mean[:, None] - v[part]
            factor = -size * self._batch * t[part] ** 2 * (types.spread[:, None] + size * y**2)
            log, shift, scatter = np.zeros((3, y.shape[1]))
            for law, groups in others:
                seen = np.flatnonzero(law)
                top = factor[seen].max(axis=0)
                weighed = law[seen, None] * np.exp(factor[seen] - top)
                whole = weighed.sum(axis=0)
                mean = (weighed * y[seen]).sum(axis=0) / whole
                log += groups * (np.log(whole) + top)
                shift += groups * mean / self._batch
                scatter += groups * (weighed * (y[seen] - mean) ** 2).sum(axis=0) / whole / self._batch**2
            yield _Nodes(factor, y, one[part], two[part], log, shift, scatter)
