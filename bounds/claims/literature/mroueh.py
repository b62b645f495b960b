"""What repeated steps of standardized GRPO with a divergence penalty do to the success probability (Mroueh 2025)."""

from collections.abc import Callable

import numpy as np
import sympy as sp
from flint import arb

from bounds import cost
from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.claim import Claim, unmet
from bounds.claims.divergence import reference_of
from bounds.claims.drift import WITNESS
from bounds.claims.literature.success import UNMET, on_one_reward, right_or_wrong, success
from bounds.claims.slopes import ZERO_ONE
from bounds.comparison import Measured
from bounds.enclosed.literature import mroueh as enclosed
from bounds.enclosed.objectives import is_zero_one
from bounds.instance import Instance
from bounds.suite import nowhere
from bounds.verdicts import Evidence, Standing
from tamdp_theory import Policy, exact
from tamdp_theory.exact import Scheme, balls
from tamdp_theory.exact.ball_numbers import nearest
from tamdp_theory.model import Floats

BETAS, EPS = np.array([[float(one) for one in pair] for pair in enclosed.SETTINGS]).T
_REFERENCE = "Mroueh 2025, arXiv 2503.06639"


def _tilted(instance: Instance, anchor: Policy, scale: Floats) -> Floats:
    """Success probability (B, N) of the laws P_a exp(A / beta), A = (c - p) / scale (B, N), which maximize E[A] - beta
    KL(P || P_a) over laws of trajectories.
    """
    p, found = success(instance), []
    laws = exact.reward_law(instance.env, anchor)
    for q, (classes, law) in enumerate(zip(instance.env.prompt_classes, laws, strict=True)):
        right = instance.env.class_composite[classes] == 1
        power = (right - p[q]) / (scale[:, q] * BETAS)[:, None]
        weight = law.probability * np.exp(power - power.max(axis=1, keepdims=True))
        found.append(weight[:, right].sum(axis=1) / weight.sum(axis=1))
    return np.array(found).T


def _inside(p: Floats) -> bool:
    return bool(((p > 0) & (p < 1)).all())


def _steps(standardized: bool) -> Callable[[Instance], Measured]:
    def measure(instance: Instance) -> Measured:
        if not is_zero_one(instance.env):
            return UNMET
        p, anchors = success(instance), (reference_of(instance), instance.policy)
        before = np.concatenate([success(instance, anchor) for anchor in anchors])
        if not _inside(before):
            return Measured(numbers={}, empty="in floats some prompt has one answer")
        scale = np.sqrt(p * (1 - p) + EPS[:, None]) if standardized else np.ones((len(EPS), len(p)))
        numbers = {
            ls.p_next: np.concatenate([_tilted(instance, anchor, scale).ravel() for anchor in anchors]),
            ls.p_anchor: np.concatenate([np.tile(one, len(EPS)) for one in np.split(before, 2)]),
            s.p: np.tile(p, 2 * len(EPS)),
            ls.beta: np.tile(np.repeat(BETAS, len(p)), 2),
            ls.eps: np.tile(np.repeat(EPS, len(p)), 2),
        }
        return Measured(numbers=numbers)

    return measure


def _fixed(instance: Instance) -> Measured:
    if not is_zero_one(instance.env):
        return UNMET
    if not _inside(success(instance)):
        return Measured(numbers={}, empty="in floats some prompt has one answer")
    with balls.precision(128):
        rows = enclosed.fixed_from([arb(p) for p in success(instance).tolist()])
        found = {key: np.array([nearest(row[key])[0] for row in rows]) for key in rows[0]}
    return Measured(numbers=found)


def _cycle(instance: Instance) -> Measured:
    if not is_zero_one(instance.env):
        return UNMET
    chances = success(instance)
    if not _inside(chances):
        return Measured(numbers={}, assumptions={ZERO_ONE.name: True, WITNESS.name: False})
    with balls.precision(128):
        rows = enclosed.cycle_from([arb(p) for p in chances.tolist()])
        conditions = {ZERO_ONE.name: True, WITNESS.name: bool(rows)}
        if failed := unmet(instance, conditions):
            return failed
        if not rows:
            return Measured(numbers={}, assumptions=conditions)
        low, high = nearest(rows[0][ls.turn_low]), nearest(rows[0][ls.turn_high])
    return Measured(
        numbers={ls.turn_low: low[0], ls.turn_high: high[0]},
        assumptions=conditions,
        error=abs(low[0]) * high[1] + abs(high[0]) * low[1] + low[1] * high[1],
        scale=0.0,
        evidence=Evidence.CERTIFIED,
    )


def _logistic(odds: sp.Expr, increment: sp.Expr) -> sp.Expr:
    """The probability whose log-odds are those of another plus an increment."""
    return 1 / (1 + (1 - odds) / odds * sp.exp(-increment))


CLAIMS = (
    Claim(
        id="P.iterate",
        title="One step of standardized GRPO with a penalty, at population level",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(ls.p_next, _logistic(ls.p_anchor, 1 / (ls.beta * sp.sqrt(s.p * (1 - s.p) + ls.eps)))),
        measure=_steps(True),
        reference=_REFERENCE,
        assumptions=(ZERO_ONE,),
        proof=(
            "The maximizer of E[A] - beta KL(P || P_a) over laws of trajectories is P_a exp(A/beta), normalized: its "
            "log-odds of success are those of P_a plus the difference of the two advantages over beta. P_a is the "
            "reference, or the current policy (mirror)."
        ),
        example=lambda: right_or_wrong(Scheme(8, "center")),
        instances=on_one_reward,
        needs_reference=True,
    ),
    Claim(
        id="P.iterate.mean",
        title="Without the deviation the log-odds rise by 1/beta",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(ls.p_next, _logistic(ls.p_anchor, 1 / ls.beta)),
        measure=_steps(False),
        reference=_REFERENCE,
        assumptions=(ZERO_ONE,),
        proof="As P.iterate with A = c - p, whose values differ by 1.",
        depends_on=("P.iterate",),
        example=lambda: right_or_wrong(Scheme(8, "center")),
        instances=on_one_reward,
        needs_reference=True,
    ),
    Claim(
        id="P.iterate.fixed",
        title="A fixed point of the step lies above the reference",
        standing=Standing.LITERATURE,
        kind="inequality",
        statement=sp.Lt(ls.p_reference, ls.p_fixed),
        measure=_fixed,
        reference=_REFERENCE,
        assumptions=(ZERO_ONE,),
        proof="h(p) > p_ref for every p and h(1) < 1 (eps > 0): h(p) - p changes sign between p_ref and 1.",
        depends_on=("P.iterate",),
        example=lambda: right_or_wrong(Scheme(8, "center")),
        enclose=enclosed.fixed_rows,
        instances=on_one_reward,
    ),
    Claim(
        id="P.iterate.gain",
        title="By at least twice 1 over beta in log-odds, nearly",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(_logistic(ls.p_reference, 2 / (ls.beta * sp.sqrt(1 + 4 * ls.eps))), ls.p_fixed),
        measure=_fixed,
        reference=f"docs/theory.md; beside {_REFERENCE}",
        assumptions=(ZERO_ONE,),
        proof="p (1 - p) + eps <= (1 + 4 eps)/4, so every step lifts the log-odds of the reference by at least that.",
        depends_on=("P.iterate.fixed",),
        example=lambda: right_or_wrong(Scheme(8, "center")),
        enclose=enclosed.fixed_rows,
        instances=on_one_reward,
    ),
    Claim(
        id="P.iterate.cycle",
        title="The step can run in a cycle of two",
        standing=Standing.LITERATURE,
        kind="example",
        statement=sp.Lt(ls.turn_low * ls.turn_high, 0),
        measure=_cycle,
        reference=_REFERENCE,
        assumptions=(ZERO_ONE, WITNESS),
        proof=(
            "p_ref = 1/250, beta = 1, eps = 1/100: f changes sign between two points below 1/2 where h(p) > p, so "
            "h(h(p)) = p there and h(p) is not p: near .0287 and .4067. The fixed point between has h' < -1; where "
            "|h'| < 1 it attracts."
        ),
        depends_on=("P.iterate",),
        example=lambda: right_or_wrong(Scheme(8, "center"), -float(np.log(249))),
        enclose=enclosed.cycle_rows,
        cost=cost.nothing,
        instances=nowhere,
    ),
)
