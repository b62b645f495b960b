from fractions import Fraction as F

import pytest

from tamdp_theory import InputError
from tamdp_theory.families import coding
from tests.helpers.family_oracle import means, optimum, read, uniform

WEIGHTS = (F(1, 5), F(3, 5), F(1, 5))
SIZES = [1, 1, 2, 1, 2, 2, 3, 0]  # defects of the default images


def reads(m: int) -> F:
    return F(9, 10) * F(1, 2**m)


def optimal(m: int, k: int, x: int, r: F, weights: tuple[F, F, F] = WEIGHTS) -> F:
    answer = weights[0] + weights[1] * max(reads(m), F(1, 10)) + weights[2] * x
    if not k or not m:
        return answer
    return max(answer, r * optimal(m - 1, k - 1, x, r, weights) + (1 - r) * optimal(m, k - 1, 0, r, weights))


@pytest.mark.parametrize(("depth", "reliability"), [(2, "4/5"), (3, "1/3"), (4, "9/10"), (0, "1/2")])
def test_optimal_value_and_actions(depth: int, reliability: str) -> None:
    process = read(coding(8, depth, reliability).to_dict())
    value, actions = optimum(process)
    assert value == sum(optimal(m, depth, 1, F(reliability)) for m in SIZES) / 8
    for q, m in enumerate(SIZES):
        assert max(actions[f"q{q}"].values()) == optimal(m, depth, 1, F(reliability))
    if depth:
        clean = actions["q7"]
        assert max(clean["rotate"], clean["brighten"], clean["crop"]) < clean["read"] == max(clean.values())


def test_perfect_code_and_reading_at_once() -> None:
    assert optimum(read(coding(8, 3, 1).to_dict()))[0] == F(1, 5) + F(3, 5) * F(9, 10) + F(1, 5)
    process = read(coding(8, 2).to_dict())
    assert means(process, lambda _, a: F(a == "read")) == [F(1), sum(map(reads, SIZES), F(0)) / 8, F(1)]


@pytest.mark.parametrize("reliability", [F(42, 100), F(43, 100)])
def test_threshold_of_running_code(reliability: F) -> None:
    """r (a(0) - a(1)) w_a >= (1-r) w_x with w_a/w_x = 3 and a(0) - a(1) = 9/20: r >= 20/47 = 0.4255."""
    table = optimum(read(coding(1, 1, reliability).to_dict()))[1]["q0"]
    assert (table["rotate"] >= table["read"]) == (reliability >= F(20, 47))


def test_random_policy_against_the_rules() -> None:
    r, depth = F(4, 5), 2
    fixes = ("rotated", "dark", "wide")

    def play(left: frozenset[str], runs: int, x: int) -> list[F]:
        answers = [[F(1), reads(len(left)), F(x)], [F(1), F(1, 10), F(x)], [F(0), F(0), F(x)]]
        if runs < depth:
            for defect in fixes:
                good, bad = play(left - {defect}, runs + 1, x), play(left, runs + 1, 0)
                answers.append([r * a + (1 - r) * b for a, b in zip(good, bad, strict=True)])
        return [sum(column, F(0)) / len(answers) for column in zip(*answers, strict=True)]

    images = [{"rotated"}, {"dark"}, {"rotated", "dark"}]
    expected = [sum(column, F(0)) / 3 for column in zip(*(play(frozenset(i), 0, 1) for i in images), strict=True)]
    process = read(coding(3, depth, r).to_dict())
    assert means(process, uniform(process)) == expected


def test_structure() -> None:
    env = coding(3, 2)
    process = read(env.to_dict())
    # one defect: start, (clean, rotated!, rotated) after a run, then (clean, clean!, rotated, rotated!)
    assert sum(node.startswith("q0") for node in process.actions) == 1 + 3 + 4
    assert process.actions["q0"]["rotate"] == [(F(4, 5), "q0/run1/clean"), (F(1, 5), "q0/run1/rotated!")]
    assert process.actions["q0"]["crop"] == [(F(4, 5), "q0/run1/rotated"), (F(1, 5), "q0/run1/rotated!")]
    assert env.horizon == 3 and env.max_tool_depth == 2
    chosen = coding(2, images=[(), ("wide", "rotated")])
    assert chosen.observations[0] == "image clean, runs 0"
    assert chosen.observations[int(chosen.prompt_start[1])] == "image rotated+wide, runs 0"


def test_thoughts_end_in_unparsed_calls() -> None:
    careful = F(1, 20)
    process = read(coding(3, 2, think=True).to_dict())

    def best(m: int, k: int, x: int) -> F:
        answer = F(1, 5) + F(3, 5) * reads(m) + F(1, 5) * x
        if k and m:
            answer = max(answer, F(4, 5) * best(m - 1, k - 1, x) + F(1, 5) * best(m, k - 1, 0))
        return (1 - careful) * answer + careful * F(1, 5) * x

    assert optimum(process)[0] == (2 * best(1, 2, 1) + best(2, 2, 1)) / 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompts": -3}, "prompts: must be at least 1"),
        ({"max_tool_depth": "2"}, "max_tool_depth: expected an integer"),
        ({"reliability": "0/5"}, "reliability: must be in (0, 1], got 0"),
        ({"images": [("dark",)]}, "images: 1 given for 3 prompts"),
        (
            {"prompts": 1, "images": [("blurred",)]},
            "images[0]: expected distinct defects out of rotated, dark, wide; got",
        ),
        ({"prompts": 1, "images": [("dark", "dark")]}, "images[0]: expected distinct defects"),
        ({"prompts": 1, "images": ["dark"]}, "images[0]: expected a sequence, got 'dark'"),
        ({"weights": (1, -1, 1)}, "components[1].weight: must not be negative"),
    ],
)
def test_messages(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as error:
        coding(**arguments)  # type: ignore[arg-type]
    assert str(error.value).startswith(message)
