"""The law of sampled training's parameters, against every sequence of groups walked one by one."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from bounds import Instance
from bounds.exact_instance import exactly
from tamdp_theory import TAMDP, CapacityError, InputError, LogLinear, TabularSoftmax, exact, families, grpo
from tamdp_theory.exact import Scheme, balls
from tamdp_theory.exact.ball_paths import PathLaw

TWO = families.bandit([["1"], ["0"]])
DRIFT = families.drift_bandit()
REWARDS = families.bandit([("1", "0"), ("0", "1"), ("1", "1")], weights=("1/4", "3/4"))
TREE = families.random_tree(seed=4, prompts=2, tools=1, answers=2, max_tool_depth=1, components=2)
PROMPTS = families.random_tree(seed=5, prompts=2, tools=0, answers=2, max_tool_depth=0, components=1)


def law_of(env: TAMDP, scheme: Scheme, prompt: int = 0, eta: Fraction = Fraction(1, 2)) -> PathLaw:
    policy = TabularSoftmax.random(env, np.random.default_rng(1), 0.7)
    return PathLaw(exactly(Instance(env, policy, scheme)).policy, prompt, scheme, eta)


def walked(env: TAMDP, scheme: Scheme, prompt: int, eta: float, steps: int) -> list[float]:
    """E of the prompt's mean composite at each step, by walking every ordered sequence of groups in floats."""
    start = TabularSoftmax.random(env, np.random.default_rng(1), 0.7)
    paths = exact.enumerate_trajectories(env)
    own = np.flatnonzero(paths.prompt == prompt)
    composite = env.class_composite[paths.reward_class[own]]
    rewards = env.class_rewards[paths.reward_class[own]]
    rho = env.prompt_probability[prompt]
    found, states = [], [(1.0, start)]
    for t in range(steps):
        laws = [paths.probability(policy.pair_log_probability[:, None])[own, 0] for _, policy in states]
        found.append(sum(p * float(law @ composite) for (p, _), law in zip(states, laws, strict=True)))
        if t == steps - 1:
            return found
        after = []
        for (p, policy), law in zip(states, laws, strict=True):
            scores = paths.visits[own] @ policy.scores()
            for group in itertools.product(range(len(own)), repeat=scheme.group_size):
                members = list(group)
                gains = grpo.advantages(
                    rewards[members][None], env.weights, scheme.normalization, scheme.eps, scheme.ddof
                )[0]
                step = rho * gains @ scores[members] / scheme.group_size
                moved = policy.with_parameters(policy.parameters + eta * step)
                after.append((p * math.prod(law[m] for m in members), moved))
        states = after
    return found


@pytest.mark.parametrize(
    ("env", "scheme", "prompt", "lattice"),
    [
        (TWO, Scheme(3, "center"), 0, True),
        (TWO, Scheme(3, "sum_then_normalize", 0.25, 1), 0, True),
        (DRIFT, Scheme(2, "sum_then_normalize"), 0, True),
        (REWARDS, Scheme(2, "normalize_then_sum"), 0, True),
        (PROMPTS, Scheme(2, "center"), 1, True),
        (TWO, Scheme(2, "leave_one_out"), 0, True),
        (TWO, Scheme(3, "signed(negative=0)"), 0, False),
        (TREE, Scheme(2, "center"), 0, False),
        (TREE, Scheme(2, "normalize_then_sum"), 1, False),
    ],
    ids=str,
)
def test_every_path_one_by_one(env: TAMDP, scheme: Scheme, prompt: int, lattice: bool) -> None:
    law = law_of(env, scheme, prompt)
    assert law.on_lattice == lattice
    composite = [balls.number(env.exact_class_composite[c]) for c in env.prompt_classes[prompt].tolist()]

    def mean(policy: balls.BallPolicy) -> tuple[balls.Number, ...]:
        terms = policy.law().classes[prompt]
        return (balls.dot([one.probability for one in terms], composite), balls.ONE)

    with balls.precision(128):
        found = law.expectations(mean, 3)
        for _, total in found:
            assert balls.ball(total).overlaps(balls.ball(balls.ONE)) and float(balls.ball(total).rad()) < 1e-30
        ours = [float(balls.ball(value).mid()) for value, _ in found]
    np.testing.assert_allclose(ours, walked(env, scheme, prompt, 0.5, 3), rtol=1e-12)


def test_states_are_counted_before_work_and_merge() -> None:
    """Two arms, G = 3, standardized: s = 1 and 2 move by the same +-, so t steps reach 2t + 1 points."""
    law = law_of(TWO, Scheme(3, "sum_then_normalize"))
    assert law.count_states(10) == sum(range(1, 11))  # both mixed groups raise the better arm
    centred = law_of(TWO, Scheme(4, "center"))  # 3/16 and 4/16: a 3 + b 4 with a + b <= t
    assert centred.count_states(4) == sum(
        len({3 * a + 4 * b for a in range(t + 1) for b in range(t + 1 - a)}) for t in range(4)
    )
    listed = law_of(TREE, Scheme(2, "center"))
    moving = listed.count_states(2) - 1
    assert listed.count_states(3) == 1 + moving + moving**2
    with pytest.raises(CapacityError, match="states or more in 200 steps"):
        law_of(REWARDS, Scheme(3, "normalize_then_sum")).count_states(200)
    with pytest.raises(CapacityError, match="groups exceed the limit of 2,000"):
        law_of(TREE, Scheme(16, "center"))


def test_sampled_training_agrees() -> None:
    """Mean success of 20,000 runs of the trainer within five standard errors of the law, and outside of another's."""
    scheme, steps = Scheme(4, "center"), 6
    law = law_of(TWO, scheme, eta=Fraction(2))
    with balls.precision(128):
        found = law.expectations(lambda policy: (policy.probability[0],), steps + 1)
        expected = float(balls.ball(found[-1][0]).mid())
    config = grpo.Config(mode="sampled", steps=steps, learning_rate=2.0, group_size=4, normalization="center")
    policy = TabularSoftmax.random(TWO, np.random.default_rng(1), 0.7)
    history = grpo.train(TWO, policy, config, [np.random.default_rng([5, run]) for run in range(20_000)])
    ends = history.total[:, -1]
    error = 5 * ends.std() / len(ends) ** 0.5
    assert abs(ends.mean() - expected) < error
    assert abs(ends.mean() - float(balls.ball(found[-2][0]).mid())) > error


def test_what_has_no_law() -> None:
    linear = LogLinear(TWO, np.ones((2, 1)), [0.5])
    with pytest.raises(InputError, match="tabular"):
        PathLaw(exactly(Instance(TWO, linear)).policy, 0, Scheme(2, "center"), Fraction(1))
    policy = exactly(Instance(TWO, TabularSoftmax(TWO))).policy
    with pytest.raises(InputError, match="all groups"):
        PathLaw(policy, 0, Scheme(2, "center", keep="mixed"), Fraction(1))
