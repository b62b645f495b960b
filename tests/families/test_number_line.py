"""Against the rules of the environment, played out step by step with the pay summed up."""

from fractions import Fraction as F
from itertools import product

import pytest

from tamdp_theory import InputError
from tamdp_theory.families import number_line
from tests.helpers.family_oracle import Law, law, means, optimum, read, uniform


def pairs(size: int) -> dict[tuple[int, int], F]:
    total: dict[tuple[int, int], F] = {}
    for start, goal in product(range(size), repeat=2):
        pair = (start, goal if start != goal else (goal + 1) % (size - 1))
        total[pair] = total.get(pair, F(0)) + F(1, size**2)
    return total


def step(size: int, current: int, goal: int, action: str) -> tuple[int, int, bool]:
    """New number, pay, whether the move was clamped."""
    after = current + int(action)
    if not 0 <= after < size:
        after = current
    pay = 1 if after == goal else (-1 if abs(after - goal) >= abs(current - goal) else 0)
    return after, pay, after == current


def play(size: int, max_steps: int, start: int, goal: int, p_plus: F) -> Law:
    """Law of (format, accuracy, executability), by trying every sequence of actions."""
    result: Law = {}

    def walk(current: int, made: int, pay: int, clamped: bool, p: F) -> None:
        if current == goal or made == max_steps:
            rewards = (F(1), F(pay > 0), F(not clamped))
            result[rewards] = result.get(rewards, F(0)) + p
            return
        for action, q in (("+1", p_plus), ("-1", 1 - p_plus)):
            after, gain, hit_end = step(size, current, goal, action)
            walk(after, made + 1, pay + gain, clamped or hit_end, p * q)

    walk(start, 0, 0, False, F(1))
    return result


@pytest.mark.parametrize(
    ("size", "max_steps", "p_plus"),
    [(6, 10, F(1, 2)), (6, 7, F(2, 3)), (4, 4, F(1, 3)), (5, 2, F(3, 4)), (3, 5, F(2, 5))],
)
def test_law_of_the_rewards(size: int, max_steps: int, p_plus: F) -> None:
    process = read(number_line(size, max_steps).to_dict())
    assert {name: rho for name, (rho, _) in process.prompts.items()} == {
        f"{s}to{g}": p for (s, g), p in pairs(size).items()
    }
    policy = {"+1": p_plus, "-1": 1 - p_plus}
    for start, goal in pairs(size):
        assert law(process, lambda _, a: policy[a], f"{start}to{goal}") == play(size, max_steps, start, goal, p_plus)


@pytest.mark.parametrize("think", [False, True])
@pytest.mark.parametrize(("size", "max_steps"), [(6, 10), (4, 6), (6, 3)])
def test_success_of_the_random_policy(size: int, max_steps: int, think: bool) -> None:
    process = read(number_line(size, max_steps, think).to_dict())
    expected = sum((p * F(1, 2 ** abs(s - g)) for (s, g), p in pairs(size).items() if abs(s - g) <= max_steps), F(0))
    assert means(process, uniform(process))[1] == expected
    if (size, max_steps) == (6, 10):
        assert expected == F(163, 576) and round(100 * float(expected), 1) == 28.3


def test_optimum() -> None:
    assert optimum(read(number_line(6, 10, weights=(0, 1, 0)).to_dict()))[0] == 1
    assert optimum(read(number_line(6, 5, weights=(1, 2, "1/3")).to_dict()))[0] == F(10, 3)
    near = sum(p for (s, g), p in pairs(6).items() if abs(s - g) <= 2)
    assert optimum(read(number_line(6, 2, weights=(0, 1, 0)).to_dict()))[0] == near
    for failure in ((F(1, 20), F(1, 4)), (F(1, 3), F(1, 5))):
        process = read(number_line(4, 5, True, parse_failure=failure, weights=(0, 1, 0)).to_dict())
        assert optimum(process)[0] == sum(p * (1 - min(failure) / 2) ** abs(s - g) for (s, g), p in pairs(4).items())


def test_law_with_thoughts() -> None:
    """Every sequence of (thought, parsed or not, executed action), with the rule of RL4VLM for what cannot
    be parsed.
    """
    size, max_steps, careful, plus, failure = 4, 4, F(2, 3), F(3, 4), (F(1, 20), F(1, 4))
    process = read(number_line(size, max_steps, True, parse_failure=failure).to_dict())
    policy = {"careful": careful, "hasty": 1 - careful, "+1": plus, "-1": 1 - plus}
    fails = careful * failure[0] + (1 - careful) * failure[1]

    def play_on(current: int, goal: int, made: int, pay: int, clamped: bool, parsed: bool, p: F, result: Law) -> None:
        if current == goal or made == max_steps:
            rewards = (F(parsed), F(pay > 0), F(not clamped))
            result[rewards] = result.get(rewards, F(0)) + p
            return
        for action in ("+1", "-1"):
            after, gain, hit_end = step(size, current, goal, action)
            for ok, q in ((True, (1 - fails) * policy[action]), (False, fails / 2)):
                play_on(
                    after,
                    goal,
                    made + 1,
                    pay=pay + gain,
                    clamped=clamped or hit_end,
                    parsed=parsed and ok,
                    p=p * q,
                    result=result,
                )

    for start, goal in pairs(size):
        expected: Law = {}
        play_on(start, goal, 0, pay=0, clamped=False, parsed=True, p=F(1), result=expected)
        assert law(process, lambda _, a: policy[a], f"{start}to{goal}") == expected


@pytest.mark.parametrize(("size", "near"), [(6, 1), (6, 2), (5, 3), (4, 3), (3, 1)])
def test_only_near_pairs(size: int, near: int) -> None:
    chosen = {(s, g): p for (s, g), p in pairs(size).items() if abs(s - g) <= near}
    whole = sum(chosen.values())
    env = number_line(size, max_distance=near)
    process = read(env.to_dict())
    assert {name: rho for name, (rho, _) in process.prompts.items()} == {
        f"{s}to{g}": p / whole for (s, g), p in chosen.items()
    }
    assert env.n_prompts == 2 * size * near - near * (near + 1)
    assert means(process, uniform(process))[1] == sum(
        (p / whole * F(1, 2 ** abs(s - g)) for (s, g), p in chosen.items()), F(0)
    )
    if near == 1:
        assert means(process, uniform(process))[1] == F(1, 2)
    if near == size - 1:
        every = number_line(size).to_dict()
        assert {**env.to_dict(), "name": every["name"]} == every


def test_structure() -> None:
    env = number_line()
    assert (env.n_prompts, env.max_tool_depth, env.horizon, env.n_actions) == (30, 0, 10, 2)
    process = read(env.to_dict())
    assert set(process.kinds.values()) == {"answer"}
    assert process.observation["2to5"] == "current 2 target 5"
    # equal states meet: from 2 of 6 towards 5, two steps lead back to 2 by two ways
    assert process.actions["2to5/step1/at3"]["-1"] == process.actions["2to5/step1/at1/penalised"]["+1"]
    assert process.observation["2to5/step2/at2/penalised"] == "current 2 target 5"

    thinking = read(number_line(4, 4, True).to_dict())
    for (node, action), kind in thinking.kinds.items():
        assert kind == ("think" if action in ("careful", "hasty") else "answer")
        if kind == "think":
            ((p, after),) = thinking.actions[node][action]
            assert p == 1 and thinking.observation[after] == f"{thinking.observation[node]} {action}"
    assert number_line(4, 4, True).horizon == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 2}, "size: must be at least 3, got 2"),
        ({"max_steps": 0}, "max_steps: must be at least 1"),
        ({"max_distance": 0}, "max_distance: must be between 1 and 5, got 0"),
        ({"max_distance": 6}, "max_distance: must be between 1 and 5, got 6"),
        ({"think": "yes"}, "think: expected True or False, got 'yes'"),
        ({"parse_failure": 0.5}, "parse_failure: expected a sequence, got 0.5"),
        ({"weights": (1,)}, "weights: 1 given for 3 components"),
    ],
)
def test_messages(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as error:
        number_line(**arguments)  # type: ignore[arg-type]
    assert str(error.value).startswith(message)
