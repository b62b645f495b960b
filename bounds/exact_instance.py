"""What a claim is decided on exactly: an instance whose numbers are rationals, square roots or balls."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from bounds.instance import Instance
from bounds.observation import Observation
from bounds.pac_bayes.setting import default_samples, default_target
from tamdp_theory import TAMDP, Policy, TabularSoftmax, families
from tamdp_theory.exact import Scheme
from tamdp_theory.exact.balls import BallLaw, BallPolicy, Number, number, policy_of, tabular
from tamdp_theory.numbers import fraction

NEAR = Fraction(1, 10**12)  # largest relative distance of a probability from the float that it stands for


@dataclass(frozen=True)
class ExactInstance:
    """What a claim is evaluated on: all numbers rational, or balls at the precision in force.

    target: prompt distribution of another domain, and samples: number of training prompts, where Theorem 3 speaks of
    them; policies and posterior: the class and a distribution over it, for the same claims (empty: all mass on
    ``policy``). groups: those that a claim about single groups looks at, each the classes of its members (None: every
    group). steps, learning_rate: of training, where a claim speaks of a run (None: the step that the claim recommends).
    """

    env: TAMDP
    policy: BallPolicy
    scheme: Scheme
    reference: BallPolicy | None = None
    think_weight: Fraction = Fraction(1)
    without: tuple[str, ...] = ()
    target: tuple[Fraction, ...] = ()
    samples: int = 0
    policies: tuple[BallPolicy, ...] = ()
    posterior: tuple[Fraction, ...] = ()
    groups: tuple[tuple[int, ...], ...] | None = None
    steps: int = 1
    learning_rate: Fraction | None = None

    @property
    def law(self) -> BallLaw:
        """The law of trajectories."""
        return self.policy.law(self.think_weight)

    @property
    def exact_weights(self) -> tuple[Fraction, ...]:
        """Component weights (K,)."""
        return self.env.exact_weights

    @property
    def eps(self) -> Fraction:
        """eps as the decimal that was written."""
        return fraction(float(self.scheme.eps), "eps")

    @property
    def kappa(self) -> Number:
        """(G - 1) / G."""
        return number(Fraction(self.scheme.group_size - 1, self.scheme.group_size))

    @property
    def total_weight(self) -> Number:
        """W."""
        return number(sum(self.env.exact_weights, Fraction(0)))


def exactly(instance: Instance) -> ExactInstance:
    """The instance in exact numbers: probabilities of tabular policies become rationals within 1e-12 that sum to one,
    or balls of the logits as they are where one of them underflows.

    InputError for a policy that has no exact form.
    """
    policy, reference = instance.policy, instance.reference
    target, samples, policies, posterior = _domain(instance)
    return ExactInstance(
        env=instance.env,
        policy=instance.once(_exact_policy, instance.env, policy),
        scheme=instance.scheme,
        reference=None if reference is None else instance.once(_exact_policy, instance.env, reference),
        think_weight=fraction(float(instance.think_weight), "think_weight"),
        without=instance.without,
        target=target,
        samples=samples,
        policies=policies,
        posterior=posterior,
        steps=instance.steps,
        learning_rate=None if instance.learning_rate is None else fraction(instance.learning_rate, "learning_rate"),
    )


def _domain(instance: Instance) -> tuple[tuple[Fraction, ...], int, tuple[BallPolicy, ...], tuple[Fraction, ...]]:
    """Target, number of training prompts, policies and posterior: those given, or what the seed draws."""
    given = instance.generalization
    if given is None:
        return default_target(instance.env, instance.seed), default_samples(instance.seed), (), ()
    if given.posterior is None:
        return given.target, given.n, (), ()
    shares = [
        (policy, fraction(p, "posterior")) for policy, p in zip(given.policies, given.posterior, strict=True) if p
    ]
    return (
        given.target,
        given.n,
        tuple(instance.once(_exact_policy, instance.env, policy) for policy, _ in shares),
        tuple(p for _, p in shares),
    )


def exact_groups(observation: Observation, limit: int) -> ExactInstance:
    """The first groups of an observation, as groups of a bandit whose answers are the rewards seen."""
    table = observation.table(limit)
    env = families.bandit(list(table.rewards), weights=table.weights, name="observed")
    place = {row: c for c, row in enumerate(env.exact_class_rewards)}
    label = [place[row] for row in table.rewards]
    groups = tuple(dict.fromkeys(tuple(sorted(label[m] for m in group)) for group in table.members.tolist()))
    uniform = tabular(env, [number(Fraction(1, env.n_pairs))] * env.n_pairs)
    return ExactInstance(env, uniform, observation.scheme, without=observation.without, groups=groups)


def _exact_policy(env: TAMDP, policy: Policy) -> BallPolicy:
    if isinstance(policy, TabularSoftmax) and policy.pair_probability.min() > 0:
        return tabular(env, [number(p) for p in rational_probabilities(policy)])
    return policy_of(policy, env)


def rational_probabilities(policy: Policy) -> list[Fraction]:
    """pi of each pair (P,) as rationals: small ones where they agree within 1e-12, else all digits; each node sums to
    one.
    """
    env, result = policy.env, []
    for x in range(env.n_nodes):
        own = policy.pair_probability[env.pair_start[x] : env.pair_start[x] + env.pair_count[x]].tolist()
        result += _rational_law(own)
    return result


def _rational_law(own: Sequence[float]) -> list[Fraction]:
    short = [Fraction(p).limit_denominator(1000) for p in own]
    if sum(short) == 1 and all(
        s > 0 and abs(s - Fraction(p)) <= Fraction(p) * NEAR for s, p in zip(short, own, strict=True)
    ):
        return short
    law = [Fraction(repr(p)) for p in own]
    top = own.index(max(own))
    law[top] = 1 - sum(law[:top] + law[top + 1 :], Fraction(0))
    return law
