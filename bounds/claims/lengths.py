"""What dividing by length does to the expected update (theory.md section 11: T5)."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp

from bounds import cost
from bounds import symbols as s
from bounds.claim import Assumption, Claim, unmet
from bounds.claims.assumptions import CENTER, COMPOSITE_ALONE, TABULAR
from bounds.claims.drift import WITNESS
from bounds.claims.slopes import ZERO_ONE
from bounds.comparison import Measured
from bounds.enclosed import lengths as enclosed
from bounds.enclosed.objectives import is_zero_one
from bounds.exact_instance import exactly
from bounds.instance import Instance
from bounds.suite import SEED, Suite, nowhere
from bounds.verdicts import Evidence, Standing
from tamdp_theory import TabularSoftmax, exact, families
from tamdp_theory.exact import Scheme, balls
from tamdp_theory.exact.ball_numbers import nearest
from tamdp_theory.model import Floats

ZERO_SUM = Assumption(
    "zero sum",
    "advantages add up to zero in every group of zeros and ones",
    lambda i: enclosed.adds_up_to_zero(i.scheme),
)
ONE_LENGTH = Assumption("one length", "every node is reached in one length", lambda i: enclosed.has_lengths(i.env))
TWO_LENGTHS = Assumption(
    "two lengths", "some reward value comes in two lengths", lambda i: enclosed.comes_in_two_lengths(i.env)
)


def on_lengths(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """Answers of different lengths: by hand, in line, and drawn; 0/1 rewards, or graded where the claim takes them."""
    in_line = families.lengthy([[(1, 0, 6)], [(1, "1/2", 3)], [(1, 1, 2)]], name="lengths-in-line")
    found = [lengths_at_odds().env, lengths_twice().env, in_line]
    for seed in range(len(suite.processes)):
        generator = np.random.default_rng([SEED, seed])
        arms = [
            [("1/3", int(generator.integers(2)), int(generator.integers(1, 9))), ("2/3", a % 2, 1 + 3 * a)]
            for a in range(3)
        ]
        found.append(families.lengthy(arms, name=f"lengths-{seed}"))
    for env in found:
        policy = TabularSoftmax.random(env, np.random.default_rng(SEED))
        for scheme in claim.schemes:
            label = f"{env.name} {scheme.normalization} G={scheme.group_size}"
            yield Instance(env, policy, scheme, seed=SEED, label=label, once=suite.once)


def _laws(instance: Instance) -> tuple[exact.PromptLaw, ...]:
    return exact.reward_law(instance.env.by_length, instance.policy, instance.think_weight)


def _effective(instance: Instance, aggregation: str) -> list[Floats]:
    """h of the classes of each prompt, split by length."""
    scheme, found = instance.scheme, []
    for law, kinds in zip(_laws(instance), enclosed.classes_of(instance.env), strict=True):
        moments = exact.group_moments(
            law.probability / law.probability.sum(),
            [[c] for c, _ in kinds],
            [1],
            scheme.group_size,
            scheme.normalization,
            scheme.eps,
            scheme.ddof,
            lengths=[n for _, n in kinds],
            aggregation=aggregation,  # type: ignore[arg-type]
        )
        found.append(moments.first)
    return found


def _unfit(instance: Instance, zero_one: bool = True) -> Measured | None:
    """Why lengths, and rewards of 0 and 1 where they are asked for, are not what a claim speaks of."""
    conditions = {ONE_LENGTH.name: enclosed.has_lengths(instance.env)}
    if zero_one:
        conditions[ZERO_ONE.name] = is_zero_one(instance.env)
    return None if all(conditions.values()) else Measured(numbers={}, assumptions=conditions)


def _sequence_mean(instance: Instance) -> Measured:
    if unfit := _unfit(instance):
        return unfit
    parts: dict[Any, list[Floats]] = {key: [] for key in (s.mean_lengths, s.right_over_length, s.wrong_over_length)}
    slopes, chances = [], []
    laws, kinds_of = _laws(instance), enclosed.classes_of(instance.env)
    plain = _effective(instance, "trajectory")
    for law, kinds, h, own in zip(laws, kinds_of, _effective(instance, "sequence_mean"), plain, strict=True):
        right = np.array([float(c == 1) for c, _ in kinds])
        length = np.array([n for _, n in kinds])
        parts[s.mean_lengths].append(h @ law.gradient)
        parts[s.right_over_length].append((right / length) @ law.gradient)
        parts[s.wrong_over_length].append(((1 - right) / length) @ law.gradient)
        size = law.gradient.shape[1]
        slopes.append(np.full(size, own[right == 1][0] - own[right == 0][0]))
        chances.append(np.full(size, law.probability[right == 1].sum()))
    numbers = {key: np.concatenate(value) for key, value in parts.items()}
    return Measured(numbers={**numbers, s.slope: np.concatenate(slopes), s.p: np.concatenate(chances)})


def _token_mean(instance: Instance) -> Measured:
    if unfit := _unfit(instance):
        return unfit
    if not enclosed.comes_in_two_lengths(instance.env):
        return Measured(numbers={}, assumptions={TWO_LENGTHS.name: False})
    rows = []
    for kinds, h in zip(enclosed.classes_of(instance.env), _effective(instance, "token_mean"), strict=True):
        ends = (min(n for _, n in kinds), max(n for _, n in kinds))
        rows += [
            (h[short] / h[long], kinds[short][1], kinds[long][1], *ends)
            for short, long in enclosed.pairs_of_lengths(kinds)
        ]
    names = (s.ratio_lengths, s.short, s.long, s.shortest, s.longest)
    numbers = dict(zip(names, np.array(rows, dtype=float).T, strict=True))
    return Measured(numbers={**numbers, s.G: instance.scheme.group_size})


def _closed(instance: Instance) -> Measured:
    if unfit := _unfit(instance, zero_one=False):
        return unfit
    rows = instance.once(enclosed.closed_by_length_rows, instance.env, instance.scheme)
    if not rows:
        return Measured(numbers={}, empty="every prompt has one class")
    closed, line = np.array([(one[s.exchange], one[s.in_line]) for one in rows], dtype=float).T
    return Measured(numbers={s.exchange: closed, s.in_line: line}, evidence=Evidence.CERTIFIED)


def _drift(**changes: Any) -> Callable[[Instance], Measured]:
    def measure(instance: Instance) -> Measured:
        if unfit := _unfit(instance, zero_one=False):
            return unfit
        with balls.precision(128):
            drift = enclosed.drift_by_length(exactly(instance), replace(instance.scheme, **changes))
            conditions = {"witness": bool(drift < 0)}
            value, error = nearest(drift)
        if failed := unmet(instance, conditions):
            return failed
        return Measured(
            numbers={s.drift: value}, assumptions=conditions, error=error, scale=0.0, evidence=Evidence.CERTIFIED
        )

    return measure


def _even(arms: list[list[tuple[Any, Any, int]]], name: str, size: int = 2) -> Callable[[], Instance]:
    def make() -> Instance:
        env = families.lengthy(arms, name=name)
        return Instance(env, TabularSoftmax(env), Scheme(size, "center"))

    return make


def lengths_at_odds() -> Instance:
    """A success in 2 tokens or failure in 1, evenly; against success in 1 with probability 1/4, else failure in 2."""
    return _even([[("1/2", 1, 2), ("1/2", 0, 1)], [("1/4", 1, 1), ("3/4", 0, 2)]], "lengths-at-odds")()


def _long_answer() -> Instance:
    """Mostly 1/5 in one token; rarely 1 in a hundred tokens, or 0 in one."""
    env = families.lengthy([[(1, "1/5", 1)], [(1, 1, 100)], [(1, 0, 1)]], name="long-answer")
    logits = np.zeros((env.n_nodes, env.n_actions))
    logits[0, 0] = np.log(100)
    return Instance(env, TabularSoftmax(env, logits), Scheme(2, "center"))


def lengths_twice() -> Instance:
    """Success and failure in two lengths each."""
    return _even(
        [[("1/2", 1, 2), ("1/2", 0, 1)], [("1/4", 1, 5), ("3/4", 0, 3)], [(1, 1, 1)]], "lengths-twice", size=3
    )()


_CENTERED = (Scheme(2, "center"), Scheme(5, "center"))

CLAIMS = (
    Claim(
        id="T5.seqmean",
        title="Advantages over lengths climb short successes and long failures too",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.mean_lengths, s.slope * ((1 - s.p) * s.right_over_length - s.p * s.wrong_over_length)),
        measure=_sequence_mean,
        reference="docs/theory.md",
        assumptions=(ZERO_ONE, ONE_LENGTH, ZERO_SUM, COMPOSITE_ALONE),
        proof="p h_1 + (1-p) h_0 = 0 and h_1 - h_0 = psi give h_1 = (1-p) psi, h_0 = -p psi; then over lengths.",
        depends_on=("T4.slopes",),
        schemes=(Scheme(3, "sum_then_normalize"), Scheme(4, "rank"), Scheme(4, "leave_one_out")),
        example=lambda: replace(lengths_at_odds(), scheme=Scheme(3, "sum_then_normalize")),
        enclose=enclosed.sequence_mean_rows,
        instances=on_lengths,
    ),
    Claim(
        id="T5.tokenmean.lower",
        title="Over the group's tokens the bias is of order 1/G: from below",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le((s.long + (s.G - 1) * s.longest) / (s.short + (s.G - 1) * s.longest), s.ratio_lengths),
        measure=_token_mean,
        reference="docs/theory.md",
        assumptions=(CENTER, ZERO_ONE, ONE_LENGTH, TWO_LENGTHS),
        proof="h_l is a mean of terms of one sign over l + the others' tokens, from (G-1) l_min to (G-1) l_max.",
        depends_on=("L5",),
        schemes=_CENTERED,
        example=lengths_twice,
        enclose=enclosed.token_mean_rows,
        instances=on_lengths,
    ),
    Claim(
        id="T5.tokenmean.upper",
        title="Over the group's tokens the bias is of order 1/G: from above",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.ratio_lengths, (s.long + (s.G - 1) * s.shortest) / (s.short + (s.G - 1) * s.shortest)),
        measure=_token_mean,
        reference="docs/theory.md",
        assumptions=(CENTER, ZERO_ONE, ONE_LENGTH, TWO_LENGTHS),
        proof="As T5.tokenmean.lower, with the shortest others.",
        depends_on=("T5.tokenmean.lower",),
        schemes=_CENTERED,
        example=lengths_twice,
        enclose=enclosed.token_mean_rows,
        instances=on_lengths,
    ),
    Claim(
        id="T5.closed",
        title="Centred rewards over lengths: a gradient exactly if (c, 1/l) are in line",
        standing=Standing.PROVED,
        kind="equivalence",
        statement=sp.Eq(s.exchange, s.in_line),
        measure=_closed,
        reference="docs/theory.md",
        assumptions=(CENTER, ONE_LENGTH),
        proof="The gaps around a triple add up to a multiple of det[1, c, 1/l], next to any others.",
        depends_on=("T4.potential",),
        schemes=(Scheme(3, "center"),),
        example=lengths_at_odds,
        enclose=lambda i: enclosed.closed_by_length_rows(i.env, i.scheme),
        zero_tells=True,
        cost=cost.nothing,
        instances=on_lengths,
    ),
    Claim(
        id="T5.drift.seqmean",
        title="Advantages over lengths can lower the objective",
        standing=Standing.PROVED,
        kind="example",
        statement=sp.Lt(s.drift, 0),
        measure=_drift(aggregation="sequence_mean"),
        reference="docs/theory.md",
        assumptions=(TABULAR, ONE_LENGTH, WITNESS),
        proof="One prompt, two arms, pi = 1/2, G = 2, centred: <grad J, m> = -3/4096.",
        depends_on=("T5.seqmean",),
        example=lengths_at_odds,
        enclose=lambda i: enclosed.drift_rows(i, aggregation="sequence_mean"),
        cost=cost.nothing,
        instances=nowhere,
    ),
    Claim(
        id="T5.drift.tokenmean",
        title="So can advantages over the group's tokens",
        standing=Standing.PROVED,
        kind="example",
        statement=sp.Lt(s.drift, 0),
        measure=_drift(aggregation="token_mean"),
        reference="docs/theory.md",
        assumptions=(TABULAR, ONE_LENGTH, WITNESS),
        proof="One prompt, two arms, pi = 1/2, G = 2, centred: <grad J, m> = -1/5000.",
        depends_on=("L5",),
        example=_even([[("3/5", 1, 2), ("2/5", 0, 1)], [("2/5", 1, 1), ("3/5", 0, 3)]], "tokens-at-odds"),
        enclose=lambda i: enclosed.drift_rows(i, aggregation="token_mean"),
        cost=cost.nothing,
        instances=nowhere,
    ),
    Claim(
        id="T5.drift.baseline",
        title="So can a baseline weighted by length",
        standing=Standing.PROVED,
        kind="example",
        statement=sp.Lt(s.drift, 0),
        measure=_drift(normalization="length_baseline"),
        reference="docs/theory.md; verl's opo",
        assumptions=(TABULAR, ONE_LENGTH, WITNESS),
        proof="Three arms (1/5, 1 token), (1, 100 tokens), (0, 1 token), pi = (100, 1, 1)/102, G = 2.",
        depends_on=("L5",),
        example=_long_answer,
        enclose=lambda i: enclosed.drift_rows(i, normalization="length_baseline"),
        cost=cost.nothing,
        instances=nowhere,
    ),
)
