"""An estimator of one's own, as a plain function from the rewards of a group to its advantages."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from numbers import Rational
from typing import Any, TypeAlias

import numpy as np

from tamdp_theory.errors import InputError
from tamdp_theory.estimators.base import Estimator, Multiset

Rule: TypeAlias = Callable[[tuple[Fraction, ...]], Sequence[Any]]


@dataclass(frozen=True, kw_only=True)
class Function(Estimator):
    """A rule for one group of composite rewards, called once for each multiset of them."""

    rule: Rule
    statistics: Any = "counts"

    def gains(self, group: Multiset) -> Any:
        counts, value = np.broadcast_arrays(group.counts, group.value)
        result = np.zeros(counts.shape, dtype=object)
        for place in np.ndindex(counts.shape[:-1]):
            kinds = [(Fraction(int(value[(*place, j)])) * group.unit, j) for j in np.flatnonzero(counts[place])]
            members = [(v, j) for v, j in sorted(kinds) for _ in range(int(counts[(*place, j)]))]
            for (_, j), gain in zip(members, _evaluate(self, tuple(v for v, _ in members)), strict=True):
                result[(*place, j)] = gain
        return group.numbers(result)


def from_function(rule: Rule, name: str = "own") -> Function:
    """The estimator that a function is.

    Args:
        rule: from a tuple of G composite rewards, Fractions, to G advantages, rationals or floats.
        name: what results call it.

    What it returns is held against two other orders of each group before it is used: InputError where it has another
    length, is not finite, or moves otherwise than the members do.
    """
    return Function(name=name, rule=rule)


@lru_cache(maxsize=1 << 16)
def _evaluate(estimator: Function, rewards: tuple[Fraction, ...]) -> tuple[Any, ...]:
    found = _call(estimator, rewards)
    for step in (1, -1):  # turned by one place, and reversed: the two generate every order's neighbours
        order = [*range(1, len(rewards)), 0] if step == 1 else list(range(len(rewards)))[::-1]
        moved = _call(estimator, tuple(rewards[i] for i in order))
        for i, gain in zip(order, moved, strict=True):
            if not _same(found[i], gain):
                shown = ", ".join(map(str, rewards))
                raise InputError(
                    f"{estimator.name}: in the group ({shown}) the member with reward {rewards[i]} gets {found[i]}, in "
                    f"another order of the members {gain}; an estimator must not depend on their order"
                )
    for i in range(1, len(rewards)):
        if rewards[i] == rewards[i - 1] and not _same(found[i], found[i - 1]):
            raise InputError(
                f"{estimator.name}: members with equal rewards {rewards[i]} get {found[i - 1]}, {found[i]}"
            )
    return found


def _call(estimator: Function, rewards: tuple[Fraction, ...]) -> tuple[Any, ...]:
    found = tuple(estimator.rule(rewards))
    if len(found) != len(rewards):
        raise InputError(f"{estimator.name}: gives {len(found)} advantages for a group of {len(rewards)}")
    for gain in found:
        if not isinstance(gain, (Rational, float, np.floating, np.integer)) or not math.isfinite(gain):
            raise InputError(f"{estimator.name}: an advantage must be a finite number, got {gain!r}")
    return found


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Rational) and isinstance(other, Rational):
        return bool(one == other)
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
