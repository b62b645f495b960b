"""Which estimator a trainer's advantages are: every one of the atlas, with the small numbers that trainers use."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tamdp_theory import estimators
from tamdp_theory.errors import InputError
from tamdp_theory.exact import Scheme
from tamdp_theory.grpo import advantages as advantages_of
from tamdp_theory.lvlm.logs.base import LoggedStep
from tamdp_theory.model import Floats

MAX_GROUPS = 400  # that estimators are tried on; the one that fits is held against all
ROUNDING = 4e-6  # of a float32 sum of rewards, relative to their weight
EPS = (0.0, 1e-4, 1e-6, 1e-8)  # TRL's is 1e-4, verl's 1e-6


@dataclass(frozen=True)
class Fit:
    """An estimator held against a trainer's advantages.

    agree: groups that do, rounding aside, of ``groups``; worst: the largest difference; factor: what its advantages are
    multiplied by, where the weights are known up to a factor.
    """

    scheme: Scheme
    agree: int
    groups: int
    worst: float
    factor: float = 1.0

    @property
    def holds(self) -> bool:
        """Whether every group agrees."""
        return self.agree == self.groups


def candidates(group_size: int, normalization: str | None = None) -> list[Scheme]:
    """Every estimator without a number in its name, with its defaults, or the one of this name; with small numbers
    where it scales.
    """
    names = [name.partition("[")[0] for name in estimators.names()] if normalization is None else [normalization]
    found = []
    for plain in names:
        try:
            scales = Scheme(group_size, plain).estimator.scales
        except InputError:  # it needs a number, or a larger group
            continue
        found += [
            Scheme(group_size, plain, eps, ddof)
            for eps in (EPS if scales else (0.0,))
            for ddof in (0, 1)
            if scales or not ddof
        ]
    return found


def hold(steps: Sequence[LoggedStep], scheme: Scheme, free: bool = False) -> Fit:
    """A scheme against the advantages of all steps that have some. InputError where it does not speak of such rewards.

    Args:
        steps: of a log.
        scheme: the estimator, with its numbers.
        free: the weights are known up to a factor; where the estimator does not scale it shows, and is found.
    """
    agree = groups = 0
    worst = 0.0
    known = [(step, step.advantages) for step in steps if step.advantages is not None]
    own = [_own(step, scheme) for step, _ in known]
    factor = 1.0
    if free and not scheme.estimator.scales:
        square = sum(float((values**2).sum()) for values in own)
        factor = (
            sum(float((values * a).sum()) for values, (_, a) in zip(own, known, strict=True)) / square
            if square
            else 1.0
        )
    for (step, advantages), values in zip(known, own, strict=True):
        gap = np.abs(factor * values - advantages).max(axis=1)
        allowed = factor * _rounding(step, values, scheme)
        agree, groups = agree + int((gap <= allowed).sum()), groups + len(gap)
        worst = max(worst, float(gap.max()))
    return Fit(scheme, agree, groups, worst, factor)


def fit(steps: Sequence[LoggedStep], free: bool = False, normalization: str | None = None) -> list[Fit]:
    """The schemes that agree with most groups, the best first, at most three that no number tells apart; empty where no
    step has advantages.

    Args:
        steps: of a log, with one group size.
        free: as in ``hold``.
        normalization: an estimator's name, whose small numbers are looked for alone.
    """
    known = [step for step in steps if step.advantages is not None]
    if not known:
        return []
    few, tried = _few(known), []
    for scheme in candidates(known[0].groups.group_size, normalization):
        try:
            tried.append(hold(few, scheme, free))
        except InputError:
            continue  # of rewards 0 and 1 alone, or of lengths
    if not tried:
        return []
    best = max(one.agree for one in tried)
    chosen = sorted((one for one in tried if one.agree == best), key=lambda one: one.worst)
    near = [one for one in chosen if one.worst <= 2 * chosen[0].worst + 1e-7]
    near.sort(key=lambda one: (abs(one.factor - 1) > 1e-4, one.scheme.eps, one.scheme.ddof))
    return [hold(known, one.scheme, free) for one in near[:3]]


def _few(steps: Sequence[LoggedStep]) -> list[LoggedStep]:
    """The first steps, up to MAX_GROUPS groups."""
    found, count = [], 0
    for step in steps:
        found.append(step)
        count += len(step.groups.prompt)
        if count >= MAX_GROUPS:
            break
    return found


def _own(step: LoggedStep, scheme: Scheme) -> Floats:
    weights = [float(w) for w in step.groups.weights]
    return advantages_of(step.groups.rewards, weights, scheme.normalization, scheme.eps, scheme.ddof)


def _rounding(step: LoggedStep, advantages: Floats, scheme: Scheme) -> Floats:
    """How far each group's advantages may be off in a trainer's float32 (n,): they may be divided by a spread that is
    small, and rounded.
    """
    weights = np.array([float(w) for w in step.groups.weights])
    own = ROUNDING * weights.sum()
    found: Floats = own + 1e-6 * np.abs(advantages).max(axis=1)
    if scheme.estimator.scales:
        spread = (step.groups.rewards @ weights).std(axis=1, ddof=scheme.ddof) + scheme.eps
        found = found + np.minimum(np.divide(own, spread, out=np.zeros_like(spread), where=spread > 0), 0.05)
    return found
