"""Every proved and literature claim on drawn processes, policies and schemes: never violated, and each of the theory's
own speaks of enough of them. Those of the shelf speak of their papers' settings, which few draws meet; the suite has
instances of each.
"""

from collections import Counter

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from bounds import CLAIMS, Instance, Standing, Verdict
from bounds.testing import describe
from tamdp_theory import TAMDP, CapacityError
from tamdp_theory.exact import Scheme
from tamdp_theory.strategies import policies, schemes, tamdps
from tests.helpers.seeds import moved

TRAINING = ("T1.stationary", "T1.exact", "T1.biased")
CHECKED = [
    claim
    for claim in CLAIMS.values()
    if claim.standing in (Standing.PROVED, Standing.LITERATURE) and not claim.id.startswith(TRAINING)
]
# claims that need not hold on drawn instances, and why; their own tests give them instances
SPECIAL = {
    "T1.drift": "one example is all that it claims",
    "T1.drift.decomposed": "one example is all that it claims",
    "T1.scaling.joint": "needs actions that all have one law of what follows, and more than one of them",
    "T1.scaling.independent": "needs fair independent components of weight one under one law",
    "T1.scaling.comonotone": "needs fair equal components of weight one under one law",
    "T2.open": "needs a composite of three values and the joint normalization",
    "T2.cancel": "needs complementary components of equal weight",
    "T3.bernstein": "needs many training prompts; with few its bound says nothing",
    "T3.gaussian": "draws thousands of policies: only where a setting is given",
    "L9.graded": "needs large groups and rewards that vary much",
    "L9.graded.none": "one example is all that it claims",
    "T5.drift.seqmean": "one example is all that it claims",
    "T5.drift.tokenmean": "one example is all that it claims",
    "T5.drift.baseline": "one example is all that it claims",
    "T2.cancel.lossy": "needs two opposite components of equal weight and a composite that varies",
}
TURNS = 60  # a multiple of every number of schemes up to six


def check_all(number: int, max_examples: int) -> None:
    """Check every claim on ``max_examples`` instances drawn from one seed."""
    seen: dict[str, Counter[Verdict]] = {claim.id: Counter() for claim in CHECKED}
    checked = list(CHECKED)

    @seed(moved(number))
    @settings(max_examples=max_examples, deadline=None, database=None)
    @given(
        st.data(), tamdps(), schemes(), st.integers(0, TURNS - 1), st.sampled_from([1.0, 1.0, 0.5]), st.integers(0, 3)
    )
    def check(data: st.DataObject, env: TAMDP, drawn: Scheme, turn: int, think_weight: float, noise: int) -> None:
        policy = data.draw(policies(env))
        for claim in checked:
            # also a scheme that the claim does not list: it may be out of scope there, but not wrong
            choices = (*claim.schemes, drawn)
            instance = Instance(
                env,
                policy,
                choices[turn % len(choices)],
                seed=noise,
                think_weight=think_weight if claim.weighted else 1.0,
            )
            try:
                found = claim.check(instance)
                assert found.verdict is not Verdict.VIOLATED and not found.is_doubtful, describe(found, instance)
            except CapacityError:
                continue
            except Exception:
                checked[:] = [claim]  # shrinking then looks at this claim alone
                raise
            seen[claim.id][found.verdict] += 1

    check()
    silent = {
        claim_id: dict(counts)
        for claim_id, counts in seen.items()
        if counts[Verdict.HOLDS] < 3 and claim_id not in SPECIAL and not claim_id.startswith("P.")
    }
    assert not silent, (
        f"hold on fewer than 3 drawn instances; if they speak of special ones only, say so in SPECIAL: {silent}"
    )


@pytest.mark.parametrize("number", range(4))
def test_no_proved_claim_is_violated(number: int) -> None:
    check_all(number, 250)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(100, 120))
def test_no_proved_claim_is_violated_at_length(number: int) -> None:
    check_all(number, 1000)


def test_exceptions_are_claims() -> None:
    assert set(SPECIAL) <= {claim.id for claim in CHECKED}
