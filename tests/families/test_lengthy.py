from fractions import Fraction as F

import pytest

from tamdp_theory import InputError
from tamdp_theory.exact import count_trajectories
from tamdp_theory.families import lengthy
from tests.helpers.family_oracle import means, optimum, read


def test_rewards_and_lengths_are_those_of_the_arms() -> None:
    env = lengthy([[("1/3", 1, 2), ("2/3", 0, 1)], [(1, "1/4", 7)]])
    process = read(env.to_dict())
    policy = {"arm0": F(1, 4), "arm1": F(3, 4), "rest": F(1)}
    assert means(process, lambda _, a: policy[a]) == [F(1, 4) * F(1, 3) + F(3, 4) * F(1, 4)]
    assert optimum(process)[0] == F(1, 3)
    whole = env.by_length
    found = {(r[0], int(n)) for r, n in zip(whole.exact_class_rewards, whole.class_length, strict=True)}
    assert found == {(F(1), 2), (F(0), 1), (F(1, 4), 7)} and count_trajectories(env) == 3


@pytest.mark.parametrize(
    ("arms", "says"),
    [
        ([], "arms: empty"),
        ([[(1, 1)]], r"arms\[0\]\[0\]: expected \(probability, reward, length\)"),
        ([[(1, 1, 0)]], r"arms\[0\]\[0\]\[2\]: a length must be an integer from 1 up, got 0"),
        ([[(1, 1, 1.5)]], "a length must be an integer"),
        ([[(1, 1, True)]], "a length must be an integer"),
        ([[("1/2", 1, 1)]], "probabilities sum to 0.5, not 1"),
        ([[(1, 2, 1)]], r"reward 2 is outside \[0, 1\]"),
        ([[(0, 1, 1)]], r"arms\[0\]\[0\]\[0\]"),
    ],
)
def test_bad_arms(arms: list[list[tuple[object, ...]]], says: str) -> None:
    with pytest.raises(InputError, match=says):
        lengthy(arms)  # type: ignore[arg-type]
