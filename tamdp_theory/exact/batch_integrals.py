"""Scales over a batch by integrals under which its groups factor (theory.md section 15, integrals.py).

With N = B G members, y their measured numbers, D = N sum (y - mean y)^2, k = sqrt(N (N - ddof)) and e = eps k,

    1 / (deviation + eps) = k / (sqrt D + e),    1 / (sqrt D + e)^p = int density_p(t) exp(-t^2 D) dt,
    exp(-t^2 D) = N t / sqrt(pi) int prod over groups of exp(-N t^2 (spread + G (mean - v)^2)) dv.

Where all group means are 0, as after centring, D is N times the sum of the groups' spreads and needs no v. What is
computed are the moments for a (1 + eta), |eta| <= ``integrals.ERROR`` for each batch.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from tamdp_theory.errors import CapacityError
from tamdp_theory.exact.batch_scales import Scales
from tamdp_theory.exact.batch_totals import Laws
from tamdp_theory.exact.integrals import STEP_V, t_nodes, v_nodes
from tamdp_theory.exact.states import difference_table
from tamdp_theory.model import Floats
from tamdp_theory.numbers import short_count

MAX_ENTRIES = 50_000_000  # nodes times types
_CLOSE = 1e-12  # of the largest: means nearer are one, but for rounding


@dataclass(frozen=True, eq=False)
class IntegralScales(Scales):
    """For estimators whose scale is 1 / (deviation over the batch's members + eps)."""

    def one(self, others: Laws) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        log, shift, scatter = self._others(others)
        reach = self._own(log)
        mine = (1 - 1 / self._batch) * self._from_v  # own part of r - mean, per type and node
        b = mine - shift / self._batch
        w, ww = self._nodes[2], self._nodes[3]
        a1, a2 = reach @ w, reach @ ww
        if not self.scheme.resolved.centred:
            zero = np.zeros_like(a1)
            return a1, zero, a2, zero, zero
        return a1, (reach * b) @ w, a2, (reach * b) @ ww, (reach * (b**2 + scatter / self._batch**2)) @ ww

    def two(self, others: Laws) -> tuple[Floats, Floats, Floats]:
        log, shift, scatter = self._others(others)
        top = self._log_factor.max(axis=0)
        factor = np.exp(self._log_factor - top)
        weight = np.exp(log + 2 * top) * self._nodes[3]
        both = (factor * weight) @ factor.T
        if not self.scheme.resolved.centred:
            return both, np.zeros_like(both), np.zeros_like(both)
        # r_1 - mean = y_1 - (y_1 + y_2)/B - shift/B with y = r - v
        y, s, inverse = self._from_v, shift / self._batch, 1 / self._batch
        own, other = 1 - inverse, -inverse
        f, fy, fyy = factor, factor * y, factor * y * y
        w, ws, wss = weight, weight * s, weight * (s * s + scatter * inverse**2)
        # (r_2 - mean) = own y_2 + other y_1 - s
        mixed = own * (f * w) @ fy.T + other * (fy * w) @ f.T - (f * ws) @ f.T
        square = (
            own * other * ((fyy * w) @ f.T + (f * w) @ fyy.T)
            + (own**2 + other**2) * (fy * w) @ fy.T
            - (own + other) * ((fy * ws) @ f.T + (f * ws) @ fy.T)
            + (f * wss) @ f.T
        )
        return both, mixed, square

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

    @cached_property
    def _from_v(self) -> Floats:
        """Mean less v (D, n)."""
        result: Floats = self.types.mean[:, None] - self._nodes[1]
        return result

    @cached_property
    def _log_factor(self) -> Floats:
        """log of a group's factor (D, n)."""
        size = int(self.scheme.group_size)
        members = size * self._batch
        result: Floats = -members * self._nodes[0] ** 2 * (self.types.spread[:, None] + size * self._from_v**2)
        return result

    def _own(self, log: Floats) -> Floats:
        result: Floats = np.exp(self._log_factor + log)
        return result

    def _others(self, others: Laws) -> tuple[Floats, Floats, Floats]:
        """Of independent groups, at each node (n,): log of their expected factor, and under it mean and variance of the
        sum of mean - v."""
        nodes = len(self._nodes[0])
        log, shift, scatter = np.zeros(nodes), np.zeros(nodes), np.zeros(nodes)
        for law, groups in others:
            if not groups:
                continue
            seen = np.flatnonzero(law)
            top = self._log_factor[seen].max(axis=0)
            weighed = law[seen, None] * np.exp(self._log_factor[seen] - top)
            whole = weighed.sum(axis=0)
            mean = (weighed * self._from_v[seen]).sum(axis=0) / whole
            log += groups * (np.log(whole) + top)
            shift += groups * mean
            scatter += groups * ((weighed * (self._from_v[seen] - mean) ** 2).sum(axis=0) / whole)
        return log, shift, scatter
