"""Certificates: exact decisions against the float checks, files that verify, and files that must not."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sympy as sp

from bounds import CLAIMS, Check, Claim, Instance, Standing, Verdict
from bounds.certificates import certify
from bounds.claims.scaling import component_bandit
from bounds.decision import Decision, decide
from bounds.exact_instance import exactly
from tamdp_theory import TAMDP, CapacityError, LogLinear, Policy, TabularSoftmax
from tamdp_theory.exact import Scheme, balls
from tests.helpers.certificate_files import BITS, ENCLOSED, SKEW, THREE, TREE

FORMS = ("sum_then_normalize", "normalize_then_sum", "center")


# -- against floats -----------------------------------------------------------------------------------------------


def three_policies(env: TAMDP) -> tuple[Policy, Policy, Policy]:
    noise = np.random.default_rng(2)
    linear = LogLinear(env, noise.standard_normal((env.n_pairs, 2)).round(2), [0.5, -0.25])
    return TabularSoftmax(env), TabularSoftmax.random(env, np.random.default_rng(1)), linear


def instances(claim: Claim, without: tuple[str, ...] = ()) -> Iterator[Instance]:
    """The stored example; then each process with each policy, under the claim's first scheme, a plain one, and one with
    eps or ddof.
    """
    if claim.example is not None and not without:
        yield claim.example()
    size = claim.schemes[0].group_size if claim.schemes else 3
    for env in (TREE, THREE, BITS, BITS.with_weights((1, 1)), SKEW):
        for turn, policy in enumerate(three_policies(env)):
            reference = (
                policy.with_parameters([0.1, 0.2])
                if isinstance(policy, LogLinear)
                else TabularSoftmax.random(env, np.random.default_rng(3), 0.3)
            )
            first = claim.schemes[0] if claim.schemes else Scheme(3, "center")
            schemes = [
                first,
                Scheme(3, "normalize_then_sum"),
                Scheme(3, FORMS[turn], (0.25, 0.0, 0.25)[turn], turn % 2),
            ]
            if without:
                schemes += [Scheme(min(size, 4), form, 0.25 * turn) for form in FORMS]
            for scheme in schemes:
                yield Instance(env, policy, scheme, reference=reference, without=without, steps=4)
    if claim.id.startswith("T1.scaling"):
        for comonotone in (False, True):
            env = component_bandit(2, comonotone, "components")
            yield Instance(env, TabularSoftmax(env), first)


def decided(claim: Claim, instance: Instance) -> tuple[Check, Decision] | None:
    """Both checks; None where the instance is too large for the exact one."""
    try:
        with balls.precision(200):
            return claim.check(instance), decide(claim, exactly(instance))
    except CapacityError:
        return None


def as_float(value: Any) -> float:
    return float(balls.ball(value).mid())


@pytest.mark.parametrize("claim_id", ENCLOSED)
def test_decisions_agree_with_floats(claim_id: str) -> None:
    claim = CLAIMS[claim_id]
    seen: Counter[Verdict | None] = Counter()
    for instance in instances(claim):
        if (found := decided(claim, instance)) is None:
            continue
        check, decision = found
        seen[decision.verdict] += 1
        assert (decision.verdict is Verdict.ASSUMPTION_UNMET) == (check.verdict is Verdict.ASSUMPTION_UNMET), (
            instance.name
        )
        if decision.verdict is Verdict.ASSUMPTION_UNMET or decision.lhs is None:
            assert check.verdict == decision.verdict
            continue
        assert {
            name: met for name, met in check.assumptions.items() if name in decision.assumptions
        } == decision.assumptions
        assert check.lhs is not None and check.rhs is not None
        left, right = as_float(decision.lhs), as_float(decision.rhs)
        if isinstance(claim.statement, sp.Eq):  # rows of an identity are along other directions
            assert left == pytest.approx(right, rel=1e-9, abs=1e-12) or decision.verdict is Verdict.VIOLATED
        # floats look at other rows where all of one is rounding, and which of several equal rows decides is open
        elif left != right and max(abs(left), abs(right)) > 1e-15:
            assert (left, right) == (
                pytest.approx(check.lhs, rel=1e-7, abs=1e-12),
                pytest.approx(check.rhs, rel=1e-6, abs=1e-12),
            )
        assert (decision.verdict is Verdict.VIOLATED) == (check.verdict is Verdict.VIOLATED), instance.name
        if claim.standing is not Standing.PRINTED:
            assert decision.verdict is not Verdict.VIOLATED
    assert sum(seen[verdict] for verdict in (Verdict.HOLDS, Verdict.VIOLATED)) or claim_id == "L1", seen


def test_chain_rule_in_balls() -> None:
    """L1 equates logarithms, which balls never show equal: it is enclosed, not certified."""
    instance = next(instances(CLAIMS["L1"]))
    with balls.precision(200):
        found = decide(CLAIMS["L1"], exactly(instance))
    assert found.verdict is None
    assert balls.ball(found.lhs).overlaps(balls.ball(found.rhs)) and found.lhs.rad() < 1e-50
    with pytest.raises(CapacityError, match="L1: 2048 bits do not separate the sides"):
        certify(CLAIMS["L1"], instance)
