"""What Theorem 3's claims are checked on besides a process and a policy: training prompts, a class of policies, a
target domain.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tamdp_theory import TAMDP, InputError, Policy
from tamdp_theory.guards import check_inside_unit, check_integer
from tamdp_theory.model import Floats
from tamdp_theory.numbers import fraction
from tamdp_theory.posteriors import check_distribution


@dataclass(frozen=True, eq=False)
class Generalization:
    """n training prompts drawn from the process's own prompt distribution, the source; Gibbs posteriors on a finite
    class of policies.

    target: prompt distribution (N,) of the target domain; policies: the class, on the same process; prior (m,): None
    for equal; inverse_temperature beta >= 0: the posterior is proportional to prior times exp(-beta empirical risk);
    delta in (0, 1); rollouts: the empirical risk comes from one sampled rollout of each policy for each training
    prompt, not from exact values; draws: policies drawn from the posterior where a claim speaks of a sampled posterior;
    resamples: training sets drawn if there are too many to sum over. posterior (m,): where a claim compares two
    domains, a distribution over the policies, kept as rationals that sum to one (what is given sums to one within 1e-9
    and is divided by its sum); None: all mass on the instance's own policy.
    """

    target: tuple[Fraction, ...]
    policies: tuple[Policy, ...]
    n: int = 8
    delta: float = 0.05
    prior: tuple[float, ...] | None = None
    inverse_temperature: float = 4.0
    rollouts: bool = False
    draws: int = 16
    resamples: int = 20_000
    posterior: tuple[Fraction | float | str, ...] | None = None

    def __post_init__(self) -> None:
        if not self.policies:
            raise InputError("policies: need at least one")
        env = self.policies[0].env
        if len(self.target) != env.n_prompts:
            raise InputError(f"target: {len(self.target)} probabilities given for {env.n_prompts} prompts")
        numbers = [fraction(p, f"target[{q}]") for q, p in enumerate(self.target)]
        if any(p < 0 for p in numbers) or sum(numbers) != 1:
            raise InputError(
                f"target: probabilities must not be negative and must sum to 1, got the sum {sum(numbers)}"
            )
        object.__setattr__(self, "target", tuple(numbers))
        if self.prior is not None:
            check_distribution(self.prior, "prior", len(self.policies))
        if self.posterior is not None:
            shares = [fraction(p, f"posterior[{j}]") for j, p in enumerate(self.posterior)]
            check_distribution([float(p) for p in shares], "posterior", len(self.policies))
            object.__setattr__(self, "posterior", tuple(p / sum(shares) for p in shares))
        for name, least in (("n", 1), ("draws", 1), ("resamples", 1)):
            check_integer(name, getattr(self, name), least)
        check_inside_unit("delta", self.delta)
        if not (np.isfinite(self.inverse_temperature) and self.inverse_temperature >= 0):
            raise InputError(f"inverse_temperature: must be finite and not negative, got {self.inverse_temperature}")

    @property
    def prior_probability(self) -> Floats:
        """The prior (m,)."""
        count = len(self.policies)
        return np.full(count, 1 / count) if self.prior is None else np.array(self.prior, dtype=np.float64)

    def voters(self, policy: Policy) -> tuple[tuple[Policy, ...], Floats]:
        """Policies and their shares (m,) where two domains are compared: the class under the posterior, or ``policy``
        alone.
        """
        if self.posterior is None:
            return (policy,), np.ones(1)
        return self.policies, np.array([float(p) for p in self.posterior])


def default_target(env: TAMDP, seed: int) -> tuple[Fraction, ...]:
    """A target distribution, which may leave prompts out, drawn from the seed."""
    generator = np.random.default_rng([seed, 1])
    shares = generator.integers(0, 5, env.n_prompts)
    shares[generator.integers(env.n_prompts)] += 1
    return tuple(Fraction(int(share), int(shares.sum())) for share in shares)


def around(policy: Policy, count: int, seed: int) -> tuple[Policy, ...]:
    """The policy and ``count`` - 1 others with parameters moved at random from the seed."""
    generator = np.random.default_rng([seed, 4])
    others = (
        policy.with_parameters(policy.parameters + generator.standard_normal(policy.n_parameters))
        for _ in range(count - 1)
    )
    return (policy, *others)


def default_samples(seed: int) -> int:
    """A number of training prompts, drawn from the seed."""
    return int(np.random.default_rng([seed, 2]).choice([4, 8, 12]))


def default_generalization(policy: Policy, seed: int) -> Generalization:
    """Four policies around the given one, and target, training prompts and temperature: all drawn from the seed."""
    temperature = float(np.random.default_rng([seed, 3]).choice([0.0, 2.0, 20.0]))
    target, policies = default_target(policy.env, seed), around(policy, 4, seed)
    return Generalization(target, policies, n=default_samples(seed), inverse_temperature=temperature, resamples=2000)
