"""Group moments of schemes that scale advantages by length, or keep only some groups (theory.md sections 10 and 11)."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from tamdp_theory.exact.counted import over
from tamdp_theory.exact.moments import GroupMoments
from tamdp_theory.model import Floats, Ints


class ScaledMoments(GroupMoments):
    """Advantages times a positive factor (M,) of the member's own class."""

    def __init__(self, base: GroupMoments, factor: Floats) -> None:
        self.base, self.factor, self.probability = base, factor, base.probability

    @property
    def first(self) -> Floats:
        return self.base.first * self.factor

    @property
    def positive(self) -> Floats:
        return self.base.positive * self.factor

    @property
    def negative(self) -> Floats:
        return self.base.negative * self.factor

    @property
    def second(self) -> Floats:
        return self.base.second * self.factor**2

    @property
    def cross(self) -> Floats:
        return self.base.cross * np.outer(self.factor, self.factor)

    @property
    def given_pair(self) -> Floats:
        return self.base.given_pair * self.factor[:, None]


class MixedMoments(GroupMoments):
    """Given that the group's composites are not all equal: (E[f] - sum over values c of E[f; all are c]) / P(mixed).

    ``parts``: places (m,) of the classes with each composite, and the same moments of those classes alone. 0 where no
    group is mixed.
    """

    def __init__(self, base: GroupMoments, parts: Sequence[tuple[Ints, GroupMoments]], size: int) -> None:
        self.base, self.parts, self.probability = base, parts, base.probability
        shares = np.stack([self.probability[..., own].sum(axis=-1) for own, _ in self.parts], axis=-1)
        self.mixed = mixed_share(shares, size)

    @property
    def first(self) -> Floats:
        return self._kept("first")

    @property
    def positive(self) -> Floats:
        return self._kept("positive")

    @property
    def negative(self) -> Floats:
        return self._kept("negative")

    @property
    def second(self) -> Floats:
        return self._kept("second")

    @property
    def cross(self) -> Floats:
        return self._kept("cross")

    @property
    def given_pair(self) -> Floats:
        return self._kept("given_pair")

    @cached_property
    def _known(self) -> dict[str, Floats]:
        return {}

    def _kept(self, name: str) -> Floats:
        if name not in self._known:
            result = np.array(getattr(self.base, name))
            pairs = result.ndim > self.probability.ndim
            for own, part in self.parts:
                place = (..., own[:, None], own) if pairs else (..., own)
                result[place] -= getattr(part, name)
            mixed = self.mixed[..., None, None] if pairs else self.mixed[..., None]
            self._known[name] = over(result, mixed)
        return self._known[name]


def mixed_share(shares: Floats, size: int) -> Floats:
    """1 - sum_c share_c^G (...), the probability that a group is mixed, given the shares (..., C) of composites."""
    top = np.argmax(shares, axis=-1)[..., None]
    others = shares.copy()
    np.put_along_axis(others, top, 0.0, axis=-1)
    left = others.sum(axis=-1)
    # 1 - (1 - left)^G without cancellation; the largest share is not 0
    result: Floats = -np.expm1(size * np.log1p(-left)) - (others**size).sum(axis=-1)
    return np.maximum(result, 0.0)
