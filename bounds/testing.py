"""Property tests of claims on drawn instances. Needs hypothesis, which loads only when this module is imported."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from bounds.check import Check
from bounds.claim import Claim
from bounds.instance import Instance
from bounds.verdicts import Verdict
from tamdp_theory import CapacityError, LogLinear, TabularSoftmax, files
from tamdp_theory.strategies import policies, schemes, tamdps

# no explanation of a failure by lines of code: the instance is the explanation
_DEFAULTS = {
    "derandomize": True,
    "database": None,
    "deadline": None,
    "phases": tuple(phase for phase in Phase if phase is not Phase.explain),
}


@st.composite
def instances(draw: st.DrawFn, claim: Claim | None = None) -> Instance:
    """Instances to check ``claim`` on (None: any): a small process, a policy, a scheme, and a seed from 0 to 3.

    The scheme is one of ``claim.schemes``, or any up to groups of four if there are none; think actions sometimes weigh
    1/2 if the claim is weighted; training, if any, takes 20 steps and 64 runs. Shrinks to two answers with rewards 0 or
    1, the uniform policy and the first scheme.
    """
    env = draw(tamdps())
    scheme = draw(st.sampled_from(claim.schemes) if claim and claim.schemes else schemes())
    think_weight = draw(st.sampled_from([1.0, 1.0, 0.5])) if claim and claim.weighted else 1.0
    seed, policy = draw(st.integers(0, 3)), draw(policies(env))
    return Instance(env, policy, scheme, seed=seed, steps=20, runs=64, think_weight=think_weight)


def claim_test(
    claim: Claim, max_examples: int = 100, strategy: st.SearchStrategy[Instance] | None = None, **options: Any
) -> Callable[[], None]:
    """A test without arguments that checks ``claim`` on ``max_examples`` drawn instances. In a test module,

        test_my_claim = claim_test(my_claim)

    is collected by pytest; calling it works too. It fails with AssertionError if an instance violates the claim, after
    shrinking it to a small one that the message shows; and if the claim holds on no instance, as a check that never
    speaks is no pass. Instances that are too large for a check (CapacityError) count as silent. strategy: instances of
    one's own in place of ``instances(claim)``, for a claim that speaks of special ones. options: of
    ``hypothesis.settings``; without any, two runs draw the same instances.
    """
    drawn = instances(claim) if strategy is None else strategy

    def test() -> None:
        seen: Counter[str] = Counter()

        @settings(**{**_DEFAULTS, **options, "max_examples": max_examples})
        @given(drawn)
        def check_one(instance: Instance) -> None:
            try:
                check = claim.check(instance)
            except CapacityError:
                seen["too large"] += 1
                return
            seen[str(check.verdict)] += 1
            if check.verdict is Verdict.VIOLATED or check.is_doubtful:
                raise AssertionError(describe(check, instance))

        check_one()
        if not seen[str(Verdict.HOLDS)]:
            found = ", ".join(f"{count} {verdict}" for verdict, count in sorted(seen.items())) or "nothing"
            raise AssertionError(
                f"{claim.id} holds on no drawn instance ({found}), so it was not tested; give a strategy of instances "
                f"that it speaks of"
            )

    test.__name__ = test.__qualname__ = f"test {claim.id}"
    test.__doc__ = f"{claim.id}, {claim.title}: violated on no drawn instance and holds on some."
    return test


def describe(check: Check, instance: Instance) -> str:
    """A check and all that is needed to make its instance again: the process as a tamdp/1 file, the policy's
    parameters, the scheme.
    """
    policy = instance.policy
    shown = (
        {"logits": policy.logits.tolist()}
        if isinstance(policy, TabularSoftmax)
        else {"parameters": policy.parameters.tolist()}
    )
    if isinstance(policy, LogLinear):
        shown["features"] = policy.features.tolist()
    return "\n".join(
        [
            f"{check.claim_id} {check.verdict}: lhs {check.lhs!r}, rhs {check.rhs!r}, slack {check.slack!r}, error "
            f"{check.error!r}",
            f"check: {json.dumps(check.to_dict(), ensure_ascii=False)}",
            f"scheme: {instance.scheme}, seed {instance.seed}, think_weight {instance.think_weight}, steps "
            f"{instance.steps}, runs {instance.runs}",
            f"policy: {type(policy).__name__} {json.dumps(shown)}",
            f"process: {files.to_text(instance.env)}",
        ]
    )
