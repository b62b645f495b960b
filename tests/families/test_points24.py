"""Points24 against the rules over every formula, none merged, and against a solver of its own."""

from fractions import Fraction as F
from functools import cache
from itertools import combinations, combinations_with_replacement, permutations, product
from random import Random

import pytest

from tamdp_theory import CapacityError, InputError, TabularSoftmax, exact
from tamdp_theory.families import points24
from tamdp_theory.families._build import document, grow
from tamdp_theory.families._formulas import FormulaGame, Rules
from tests.families.test_arithmetic import by_python
from tests.helpers.family_oracle import Law, law, means, optimum, read, uniform

SIGNS = ("+", "-", "*", "/", "(", ")")
ACTIONS = [*map(str, range(1, 11)), *SIGNS, "="]


def unmerged(hand: tuple[int, ...], target: int, longest: int, weights: list[int]) -> Law:
    """Law of (format, accuracy, executability) by every formula that can be written."""
    cards = [str(card) for card in hand]
    policy = {action: F(w, sum(weights)) for action, w in zip(ACTIONS, weights, strict=True)}

    @cache
    def after(formula: tuple[str, ...]) -> Law:
        result: Law = {}
        clean = F(" " not in formula)
        for action in ACTIONS:
            if len(formula) > longest:
                outcome: Law = {(F(1), F(0), clean): F(1)}
            elif action == "=":
                used = sorted(token for token in formula if token.isdecimal())
                won = used == sorted(cards) and by_python("".join(formula)) == target
                outcome = {(F(1), F(won), clean): F(1)}
            else:
                spent = action.isdecimal() and formula.count(action) >= cards.count(action)
                outcome = after((*formula, " " if spent else action))
            for rewards, p in outcome.items():
                result[rewards] = result.get(rewards, F(0)) + policy[action] * p
        return result

    return after(())


@pytest.mark.parametrize(
    ("hand", "target", "longest"), [((3, 4), 12, 3), ((2, 2), 4, 3), ((1, 2), 12, 3), ((2, 2), -4, 4)]
)
def test_law_of_the_rewards_without_merging(hand: tuple[int, ...], target: int, longest: int) -> None:
    """The engine of both games with all signs: small hands, so that every formula can be looked at. 12 by "3*4", by
    joining "1" and "2"; -4 by "-2*2".
    """
    game, draw = FormulaGame(Rules(SIGNS, target, longest)), Random(len(hand) + target)
    nodes = grow(game, [("q", game.start(hand))], False, (0, 0))
    process = read(document("q", 0, ("format", "accuracy", "executability"), (1, 1, 1), [("q", F(1))], nodes).to_dict())
    for weights in ([1] * 17, [draw.randint(1, 9) for _ in ACTIONS]):
        policy = {action: F(w, sum(weights)) for action, w in zip(ACTIONS, weights, strict=True)}
        expected = unmerged(hand, target, longest, weights)
        assert any(rewards[1] for rewards in expected)
        assert law(process, lambda _, action, p=policy: p[action], "q") == expected
    assert len({str(sorted(edges.items())) for edges in process.actions.values()}) == len(process.actions)


@pytest.mark.parametrize("hand", [(6, 6, 6, 6), (2, 2, 4, 8)])
def test_success_of_the_uniform_policy(hand: tuple[int, ...]) -> None:
    """Every formula of four to seven tokens that makes 24, by Python's grammar, in as many ways as it is written."""
    total = F(0)
    cards = [str(card) for card in hand]
    for length in range(4, 8):
        for places in combinations(range(length), 4):
            for order in set(permutations(cards)):
                for rest in product((*SIGNS, " "), repeat=length - 4):
                    numbers, signs = iter(order), iter(rest)
                    formula = [next(numbers) if t in places else next(signs) for t in range(length)]
                    if by_python("".join(formula)) != 24:
                        continue
                    ways = 1
                    for t, token in enumerate(formula):
                        left = {card for card in cards if cards.count(card) > formula[:t].count(card)}
                        ways *= 10 - len(left) if token == " " else 1
                    total += ways * F(1, 17) ** (length + 1)
    process = read(points24([hand]).to_dict())
    assert means(process, uniform(process))[1] == total > 0


def test_the_default() -> None:
    env = points24()
    assert (env.n_prompts, env.n_nodes, env.horizon) == (3, 377, 9)
    assert points24(think=True).horizon == 18
    assert [float(p) for p in env.exact_prompt_probability] == [1 / 3] * 3
    process = read(env.to_dict())
    assert optimum(process)[0] == 1
    assert env.name == "points24-3x7" and points24(think=True).name == "points24-3x7-think"


def test_hands_are_as_likely_as_they_are_dealt() -> None:
    env = points24([(6, 6, 6, 6), (10, 6, 10, 6), (1, 10, 1, 1)], 4)
    assert env.exact_prompt_probability == (F(1, 21), F(16, 21), F(4, 21))


def solvable(numbers: tuple[F, ...], target: int) -> bool:
    """Whether four operations make the target, each number once."""
    if len(numbers) == 1:
        return numbers[0] == target
    for i, j in permutations(range(len(numbers)), 2):
        a, b = numbers[i], numbers[j]
        rest = tuple(number for k, number in enumerate(numbers) if k not in (i, j))
        found = [a + b, a - b, a * b, *([a / b] if b else [])]
        if any(solvable((one, *rest), target) for one in found):
            return True
    return False


def test_566_of_715_hands_can_be_won_with_four_operations() -> None:
    hands = list(combinations_with_replacement(range(1, 11), 4))
    assert len(hands) == 715
    assert sum(solvable(tuple(map(F, hand)), 24) for hand in hands) == 566


@pytest.mark.parametrize(
    ("hand", "formula"),
    [((1, 2, 3, 4), "1*2*3*4"), ((1, 1, 2, 2), "22+1+1"), ((4, 4, 10, 10), "44-10-10"), ((2, 2, 2, 3), "2*2*2*3")],
)
def test_won_in_seven_tokens(hand: tuple[int, ...], formula: str) -> None:
    """Joined numbers among them."""
    assert by_python(formula) == 24
    assert exact.optimal_values(points24([hand])).components[1] == 1


def test_what_needs_brackets_needs_nine_tokens() -> None:
    assert by_python("8/(3-8/3)") == 24
    assert [exact.optimal_values(points24([(8, 3, 8, 3)], n)).components[1] for n in (7, 9)] == [0, 1]
    assert exact.optimal_values(points24([(1, 1, 1, 1)])).components[1] == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([],), InputError, "hands: need at least one"),
        (([(1, 2, 3, 4), (1, 2, 3, 4)],), InputError, "none twice"),
        (([(1, 2, 3)],), InputError, "a hand has 4 cards"),
        (([(0, 2, 3, 4)],), InputError, "hands: must be between 1 and 10"),
        (("1234",), InputError, "hands: expected a sequence"),
        (([(1, 2, 3, 4)], 0), InputError, "longest: must be between 1 and 20"),
        (([(1, 2, 3, 4)], 21), InputError, "longest: must be between 1 and 20"),
        (([(1, 2, 3, 4)], 20), CapacityError, "more than 20 tokens are too many to be listed"),
    ],
)
def test_bad_arguments(arguments: tuple[object, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        points24(*arguments)  # type: ignore[arg-type]


def test_too_many_states_are_refused_with_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(points24.__globals__, "MAX_STATES", 3000)
    with pytest.raises(CapacityError, match=r"have more than 3,000 states; longest = 3 would fit; 3,000 states"):
        points24([(1, 2, 3, 5)], 6)
    with pytest.raises(CapacityError, match=r"or 1 of these 2 hands"):
        points24([(6, 6, 6, 6), (1, 2, 3, 5)], 6)


def test_exact_numbers_of_the_default_take_a_moment() -> None:
    env = points24()
    policy = TabularSoftmax(env)
    process = read(env.to_dict())
    found = exact.values(env, policy).components
    for k, mean in enumerate(means(process, uniform(process))):
        assert found[k] == pytest.approx(float(mean), rel=1e-12)
