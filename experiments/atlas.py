"""What every estimator does, as exact numbers: does it optimise something, what does it distort, can it go wrong.

Each answer is decided, not guessed: whether there is an objective by the exchanges of theory.md section 10, whether the
expected step can lower J by the sign of an exact product, silent groups and slopes by summing over groups.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import comb
from typing import Literal, TypeAlias

import numpy as np

from tamdp_theory import TAMDP, CapacityError, InputError, TabularSoftmax, estimators, exact, families
from tamdp_theory.estimators import BatchEstimator, BatchScheme, Estimator, Scheme
from tamdp_theory.exact import balls
from tamdp_theory.model import Floats

Level: TypeAlias = Literal["0-1", "levels", "graded"]
REWARDS: dict[str, tuple[str, ...]] = {
    "0-1": ("0", "1"),
    "levels": ("0", "1/2", "1"),
    "graded": ("0", "3/10", "9/20", "1"),
}
VARIANTS = ("best_minus_second(std=True)", "signed(negative=0)", "signed(positive=0)")
HARD, EVEN = 0.01, 0.5  # success probabilities that slopes are compared at
NOISE = 0.2  # and that silent groups and variances are taken at
LENGTHS = (3, 1, 4, 2)  # of the rewards, where lengths play a part


@dataclass(frozen=True)
class Entry:
    """One estimator at one group size, of groups or of batches (batch_atlas.py).

    closed: whether it has an objective on the rewards; None if exact arithmetic did not decide. climbs: which, in
    words. witness: an exchange that does not close. hard: slope at p = 0.01 over that at one half. lowers: a process
    on which its expected step lowers J, and the certified product; "never" where it is a multiple of grad J. silent:
    share of groups without any advantage, at p = 1/5. variance: V there over that of ``leave_one_out``, at one slope.
    None where the slope is zero: 0/1 rewards then teach nothing.
    """

    name: str
    summary: str
    scheme: Scheme | BatchScheme
    closed: bool | None
    climbs: str
    witness: str
    hard: float | None
    lowers: str
    silent: float
    variance: float | None
    uses: tuple[str, ...]


def names(size: int) -> list[str]:
    """Every estimator that makes sense in groups of ``size``, families with a number by its smallest telling value."""
    found = []
    for name, family in estimators.families().items():
        if "k" in estimators.options_of(family):
            found.append(name.replace("_at_k", "_at_2"))
        else:
            found.append(name)
    return [name for name in (*found, *VARIANTS) if _fits(name, size)]


def _fits(name: str, size: int) -> bool:
    try:
        Scheme(size, name)
    except InputError:
        return False
    return True


def scheme_of(name: str, size: int) -> Scheme:
    """An estimator's scheme in the atlas: ddof 1 where its own library has it so, eps 0."""
    ddof = 1 if name.startswith(("leave_one_out_normalize", "best_minus_second(")) and size > 2 else 0
    return Scheme(size, name, 0.0, ddof)


def entry(name: str, size: int, level: Level) -> Entry:
    """One row of the atlas. InputError for an unknown name or a group that is too small."""
    scheme = scheme_of(name, size)
    estimator = scheme.estimator
    closed, climbs, witness = objective(scheme, level)
    slope = {p: slope_at(scheme, np.array([p]))[0] for p in (HARD, EVEN)}
    silent, variance = _noise(scheme)
    unit = _noise(Scheme(size, "leave_one_out"))[1]
    return Entry(
        name=name,
        summary=summary_of(estimator),
        scheme=scheme,
        closed=closed,
        climbs=climbs,
        witness=witness,
        hard=float(slope[HARD] / slope[EVEN]) if slope[EVEN] else None,
        lowers=lowers(scheme),
        silent=silent,
        variance=None if variance is None or not unit else variance / unit,
        uses=type(estimator).uses,
    )


def summary_of(estimator: Estimator | BatchEstimator) -> str:
    """The first line of what an estimator says of itself."""
    return (type(estimator).__doc__ or "").strip().split("\n")[0].rstrip(".")


def objective(scheme: Scheme, level: Level) -> tuple[bool | None, str, str]:
    """Whether an objective is closed, what is climbed, and the witness if not."""
    estimator, values = scheme.estimator, REWARDS[level]
    if estimator.binary and len(values) > 2:
        return True, f"{type(estimator).climbs[1] or 'its potential'} (two rewards only)", ""
    small = min(scheme.group_size, 4)  # exchanges are looked at in groups of four
    size = small if _fits(str(scheme.normalization), small) else scheme.group_size
    try:
        found = estimators.objective(
            scheme.normalization, values, size, scheme.eps, scheme.ddof, lengths=LENGTHS[: len(values)]
        )
    except CapacityError:
        return None, "", "too large to decide"
    if found.closed:
        climbs = type(estimator).climbs[1]
        return True, climbs if climbs else "the integral of psi" if len(values) == 2 else "its potential", ""
    if found.witness is None:
        return None, "", "not decided"
    low, middle, high = (values[m] for m in found.witness.triple)
    others = ", ".join(values[m] for m in found.witness.others) or "nobody"
    return False, "", f"{low} → {middle} → {high} next to {others}: {_short(found.witness.total)}"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{float(balls.ball(value).mid()):.6g}"


def slope_at(scheme: Scheme, p: Floats) -> Floats:
    """psi at success probabilities (P,) of 0/1 rewards of equal length."""
    law = np.stack([1 - p, p], axis=-1)
    h = exact.group_moments(
        law, [[0], [1]], [1], scheme.group_size, scheme.normalization, scheme.eps, scheme.ddof, lengths=(1, 1)
    ).first
    result: Floats = h[..., 1] - h[..., 0]
    return result


def _noise(scheme: Scheme) -> tuple[float, float | None]:
    """Share of groups whose members all get 0, and V over the squared slope, at p = 1/5 with two arms, 0 and 1."""
    size = scheme.group_size
    members = np.array([[0] * (size - n) + [1] * n for n in range(size + 1)])
    groups = exact.Groups(members, ((Fraction(0),), (Fraction(1),)), (Fraction(1),), (1, 1))
    chance = np.array([comb(size, n) * NOISE**n * (1 - NOISE) ** (size - n) for n in range(size + 1)])
    silent = 1 - float(chance @ groups.advantages(scheme).any(axis=1))
    policy = TabularSoftmax(families.bandit([(0,), (1,)]), [[np.log(1 - NOISE), np.log(NOISE)]])
    update = exact.update_moments(policy.env, policy, size, scheme.normalization, scheme.eps, scheme.ddof)
    slope = float(slope_at(scheme, np.array([NOISE]))[0])
    return silent, update.variance / slope**2 if slope else None


def candidates() -> Iterator[TAMDP]:
    """Small processes on which an expected step may lower J, the smallest first."""
    yield families.drift_bandit()
    yield families.bandit([[("1/4", 1), ("3/4", 0)], "1/5"], name="rare-or-sure")
    yield families.bandit([[("4/5", 1), ("1/5", 0)], "9/10"], name="likely-or-sure")
    yield families.bandit([[("1/10", 1), ("9/10", 0)], "1/20"], name="rarer-or-sure")
    yield families.bandit([[("9/10", 1), ("1/10", 0)], "4/5"], name="likely-or-less")
    yield families.bandit([[("1/2", 1), ("1/2", 0)], "2/5"], name="even-or-less")
    yield families.bandit([[("1/2", 1), ("1/2", 0)], "3/5"], name="even-or-more")


def lowers(scheme: Scheme) -> str:
    """A candidate whose expected step lowers J, by an exact product; "never" for multiples of c less its mean."""
    estimator = scheme.estimator
    if estimator.multiple(scheme.group_size) is not None:
        return "never"
    if estimator.binary or estimator.tilts:
        return "never on one prompt"
    if estimator.lengths:
        return "T5.drift.baseline"
    for size in (2, 3, 4):
        if not _fits(str(scheme.normalization), size):
            continue
        for env in candidates():
            try:
                found = balls.update(env, None, size, scheme.normalization, scheme.eps, min(scheme.ddof, size - 1))
            except (CapacityError, ZeroDivisionError, ValueError):
                continue
            if found.drift < 0:
                return f"{env.name}, G = {size}: {float(found.drift.mid()):.3g}"
    return "not found"


def atlas(size: int = 8, level: Level = "graded") -> Iterator[Entry]:
    """Every estimator's entry, one at a time. InputError for a group size below 2."""
    for name in names(size):
        yield entry(name, size, level)
