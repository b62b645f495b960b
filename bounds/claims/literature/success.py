"""One 0/1 reward on each prompt: where it is checked, its probability, and the slope of the update along it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from bounds.claim import Claim
from bounds.claims.slopes import ZERO_ONE, on_success_or_failure
from bounds.comparison import Measured
from bounds.enclosed.objectives import is_zero_one
from bounds.instance import Instance
from bounds.suite import DEFAULT_SCHEMES, Suite, each
from tamdp_theory import TAMDP, Policy, TabularSoftmax, exact, families
from tamdp_theory.exact import Scheme
from tamdp_theory.exact.law import ClassLaw
from tamdp_theory.model import Floats

UNMET = Measured(numbers={}, assumptions={ZERO_ONE.name: False})


def on_one_reward(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """Right or wrong alone, from rare to mostly right; and the first 0/1 component alone of each process that has
    one.
    """
    yield from on_success_or_failure(replace(claim, schemes=claim.schemes or DEFAULT_SCHEMES), suite)
    for instance in each(claim, suite.smallest):
        if (found := suite.once(_one_component, instance.env)) is not None:
            env, name = found
            policy = TabularSoftmax(env, TabularSoftmax.like(instance.policy).logits)
            yield replace(instance, env=env, policy=policy, label=f"{instance.label} {name} alone")


def _one_component(env: TAMDP) -> tuple[TAMDP, str] | None:
    """The process with weight on its first component that is 0 or 1, both on every prompt, and the component's name."""
    for k, name in enumerate(env.component_names):
        alone = env.with_weights(tuple(Fraction(int(k == j)) for j in range(env.n_components)))
        if is_zero_one(alone):
            return alone, name
    return None


def right_or_wrong(scheme: Scheme, logit: float = -1.0) -> Instance:
    """One prompt, a wrong and a right answer, the latter with this logit."""
    env = families.bandit([[0], [1]], name="right-or-wrong")
    return Instance(env, TabularSoftmax(env, [[0.0, logit]]), scheme)


def success(instance: Instance, policy: Policy | None = None) -> Floats:
    """p of each prompt (N,), also under another policy of the process."""
    env = instance.env
    if policy is None:
        law = np.concatenate([one.probability for one in instance.laws])
    else:
        law = ClassLaw.of(env, policy.pair_probability[:, None], 1.0).probability[:, 0]
    return np.array([law[classes][env.class_composite[classes] == 1].sum() for classes in env.prompt_classes])


def gradients(instance: Instance) -> Iterator[tuple[Floats, Floats]]:
    """grad P_m (M, d) of each prompt and 1 where a class is a success (M,)."""
    for classes, law in zip(instance.env.prompt_classes, instance.laws, strict=True):
        yield law.gradient, (instance.env.class_composite[classes] == 1).astype(float)


def slope_at(scheme: Scheme, p: Floats) -> Floats:
    """h_1 - h_0 at success probabilities (any shape)."""
    moments = exact.group_moments(
        np.stack([1 - p, p], axis=-1), [[0], [1]], [1], scheme.group_size, scheme.normalization, scheme.eps, scheme.ddof
    )
    slope: Floats = moments.first[..., 1] - moments.first[..., 0]
    return slope
