from fractions import Fraction as F

import pytest

from tamdp_theory import InputError
from tamdp_theory.families import bandit, contextual_bandit, drift_bandit
from tests.helpers.family_oracle import composite, law, means, optimum, read


def test_value_is_the_mean_of_the_arms() -> None:
    env = bandit([(1, 0), [("2/5", (1, 1)), ("3/5", (0, 0.5))], (0, "1/4")], weights=(F(1, 4), F(3, 4)))
    process = read(env.to_dict())
    policy = {"arm0": F(1, 2), "arm1": F(1, 3), "arm2": F(1, 6)}
    expected = [F(1, 2) + F(1, 3) * F(2, 5), F(1, 3) * (F(2, 5) + F(3, 5) * F(1, 2)) + F(1, 6) * F(1, 4)]
    assert means(process, lambda _, a: policy[a]) == expected
    assert optimum(process)[0] == F(1, 4) * F(2, 5) + F(3, 4) * F(7, 10)  # arm1, above 1/4 of arm0
    assert (env.horizon, env.max_tool_depth, env.n_nodes, env.n_actions) == (1, 0, 1, 3)
    assert set(process.kinds.values()) == {"answer"}


def test_drift_has_an_expected_update_against_the_gradient() -> None:
    process = read(drift_bandit().to_dict())
    outcomes = [
        (F(1, 2) * p, arm, composite(process, rewards))
        for arm, edges in process.actions["q0"].items()
        for p, rewards in edges
    ]

    def score(arm: str) -> tuple[F, F]:
        return (F(arm == "arm0") - F(1, 2), F(arm == "arm1") - F(1, 2))

    gradient = [sum(p * c * score(arm)[i] for p, arm, c in outcomes) for i in range(2)]
    assert gradient == [F(3, 80), F(-3, 80)]
    update = [F(0), F(0)]
    for p, a, c in outcomes:
        for q, b, d in outcomes:
            advantage = F((c > d) - (c < d))  # (c - mean) / deviation in a group of two is a sign
            update = [u + p * q * advantage * (score(a)[i] - score(b)[i]) / 2 for i, u in enumerate(update)]
    assert update == [F(-1, 20), F(1, 20)]


def test_several_prompts_and_defaults() -> None:
    env = contextual_bandit([[1, 0], [[("1/3", 1), ("2/3", 0)]]], prompt_probability=("1/4", 0.75))
    process = read(env.to_dict())
    assert env.exact_prompt_probability == (F(1, 4), F(3, 4))
    assert env.component_names == ("reward",) and env.exact_weights == (F(1),)
    assert optimum(process)[0] == F(1, 4) + F(3, 4) * F(1, 3)
    assert law(process, lambda n, a: F(1), "q1") == {(F(1),): F(1, 3), (F(0),): F(2, 3)}
    assert contextual_bandit([[(1, 0)], [(0, 1)]]).exact_prompt_probability == (F(1, 2), F(1, 2))
    assert bandit([(1, 0, 0)]).exact_weights == (F(1, 3),) * 3


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ([], "arms: empty"),
        ([(1, 0), (1,)], "arms[1]: 1 rewards, but the first arm has 2"),
        ([(1, 2)], "arms[0][1]: reward 2 is outside [0, 1]"),
        ([[("2/5", 1), ("2/5", 0)]], "arms[0]: probabilities sum to 0.8, not 1"),
        ([[("2/5", 1, 1), ("3/5", 0)]], "arms[0][0]: expected a (probability, rewards) pair"),
        ([[(0, 1), (1, 0)]], "arms[0][0][0]: must be in (0, 1], got 0"),
        ([True], "arms[0][0]: expected a number, got the boolean true"),
        ([[]], "arms[0]: empty"),
        (["high"], "arms[0][0]: 'high' is not a number"),
        (7, "arms: expected a sequence, got 7"),
    ],
)
def test_messages(arms: object, message: str) -> None:
    with pytest.raises(InputError) as error:
        bandit(arms)  # type: ignore[arg-type]
    assert str(error.value).startswith(message)


def test_messages_of_several_prompts() -> None:
    with pytest.raises(InputError, match=r"^prompt_probability: 1 given for 2 prompts"):
        contextual_bandit([[1], [0]], prompt_probability=[1])
    with pytest.raises(InputError, match=r"^prompts\[1\]\[0\]\[0\]: reward 3 is outside"):
        contextual_bandit([[1], [3]])
    with pytest.raises(InputError, match=r"^prompts: empty"):
        contextual_bandit([])
    with pytest.raises(InputError, match=r"^prompts: probabilities sum to 0.75, not 1"):
        contextual_bandit([[1], [0]], prompt_probability=["1/4", "1/2"])
