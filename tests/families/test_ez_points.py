"""Against the rules of the environment over every formula, none merged; values by Python's own grammar."""

import ast
from fractions import Fraction as F
from functools import cache
from itertools import product
from random import Random
from typing import Any

import pytest

from tamdp_theory import InputError
from tamdp_theory.families import ez_points
from tamdp_theory.families._arithmetic import value_of
from tests.helpers.family_oracle import Law, law, means, optimum, read, uniform

ACTIONS = [*map(str, range(1, 11)), "+", "*", "="]
EVEN = (1,) * len(ACTIONS)
Hand = tuple[int, int]


def by_python(text: str) -> int | None:
    """What a text of digits, "+", "*" and blanks is to Python; None where it is an error."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        return None

    def at(node: ast.expr) -> int:
        match node:
            case ast.Constant(value=int(number)):
                return number
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return at(operand)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return at(left) + at(right)
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return at(left) * at(right)
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return int(at(left) ** at(right))
        raise AssertionError(text)

    return at(tree)


def deals() -> dict[Hand, F]:
    """Every way to draw a card from 2 to 13, its partner, and the order."""
    total: dict[Hand, F] = {}
    for card, coin, swap in product(range(2, 14), (0, 1), (0, 1)):
        first = min(card, 10)
        second = 12 // first if coin and first in (1, 2, 3, 4, 6) else 12 - first
        hand = (second, first) if swap else (first, second)
        total[hand] = total.get(hand, F(0)) + F(1, 48)
    return total


@cache
def every(hand: Hand) -> list[tuple[str, ...]]:
    """Every formula that can be written, the shortest first."""
    cards = [str(card) for card in hand]
    known: list[tuple[str, ...]] = [()]
    for formula in known:
        if len(formula) <= 5:
            left = {card for card in cards if cards.count(card) > formula.count(card)}
            known += [(*formula, token) for token in (*sorted(left, key=int), " ", "+", "*")]
    return known


@cache
def play(hand: Hand, weights: tuple[int, ...]) -> tuple[Law, int]:
    """Law of (format, accuracy, executability) by every formula, and how many formulas there are."""
    cards = [str(card) for card in hand]
    policy = {action: F(w, sum(weights)) for action, w in zip(ACTIONS, weights, strict=True)}

    @cache
    def after(formula: tuple[str, ...], used: tuple[str, ...]) -> Law:
        result: Law = {}
        for action in ACTIONS:
            clean = " " not in formula
            if len(formula) > 5:
                outcome: Law = {(F(1), F(0), F(clean)): F(1)}
            elif action == "=":
                won = sorted(used) == sorted(cards) and by_python("".join(formula)) == 12
                outcome = {(F(1), F(won), F(clean)): F(1)}
            elif action in "+*":
                outcome = after((*formula, action), used)
            elif (*used, action).count(action) <= cards.count(action):
                outcome = after((*formula, action), (*used, action))
            else:
                outcome = after((*formula, " "), used)
            for rewards, p in outcome.items():
                result[rewards] = result.get(rewards, F(0)) + policy[action] * p
        return result

    return after((), ()), after.cache_info().currsize


def test_prompts_are_the_deals() -> None:
    process = read(ez_points().to_dict())
    assert {name: p for name, (p, _) in process.prompts.items()} == {f"{a}and{b}": p for (a, b), p in deals().items()}
    assert len(deals()) == 13 and ez_points().horizon == 7


@pytest.mark.parametrize("hand", [(10, 2), (2, 6), (6, 6), (3, 4)])
def test_law_of_the_rewards_without_merging(hand: Hand) -> None:
    draw, process = Random(1), read(ez_points([hand]).to_dict())
    for weights in (EVEN, tuple(draw.randint(1, 9) for _ in ACTIONS)):
        policy = {action: F(w, sum(weights)) for action, w in zip(ACTIONS, weights, strict=True)}
        expected, count = play(hand, weights)
        assert law(process, lambda _, action, p=policy: p[action], f"{hand[0]}and{hand[1]}") == expected
        assert count == (8201 if hand[0] != hand[1] else 4647)


def test_values_of_every_formula_are_pythons() -> None:
    for hand in ((10, 2), (6, 6), (3, 4)):
        for formula in every(hand):
            assert value_of(formula) == by_python("".join(formula)), formula


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("6++6", 12),
        ("6*+2", 12),
        ("10 2", None),
        ("102", 102),
        ("+ +6+6", 12),
        ("2**3**2", 512),
        ("2* *3", None),
        ("", None),
        ("6+", None),
        ("*6", None),
        ("2***3", None),
        ("2**+3", 8),
        ("2*3**2+1", 19),
    ],
)
def test_value(text: str, number: int | None) -> None:
    assert value_of(text) == number == by_python(text or "?")


@pytest.mark.parametrize(("hand", "nodes", "by_pay"), [((10, 2), 53, 36), ((6, 6), 38, 25)])
def test_classes_are_the_fewest(hand: Hand, nodes: int, by_pay: int) -> None:
    """Any two nodes are told apart by some actions. RL4VLM's own pay, -1 at once for a number that is on no card, needs
    no memory of it, so there are fewer classes.
    """
    actions = read(ez_points([hand]).to_dict()).actions
    assert len({str(sorted(edges.items())) for edges in actions.values()}) == len(actions) == nodes
    classes: dict[Any, int] = {}
    of: dict[tuple[str, ...], int] = {}
    for formula in reversed(every(hand)):
        after: list[tuple[int, int]] = []
        for action in ACTIONS:
            numbers = sorted(token for token in formula if token.isdecimal())
            if len(formula) > 5:
                after.append((-1, -1))
            elif action == "=":
                won = numbers == sorted(map(str, hand)) and by_python("".join(formula)) == 12
                after.append((10 if won else -1, -1))
            elif action in "+*" or numbers.count(action) < [*map(str, hand)].count(action):
                after.append((0, of[*formula, action]))
            else:
                after.append((-1, of[*formula, " "]))
        of[formula] = classes.setdefault(tuple(after), len(classes))
    assert len(classes) == by_pay


@pytest.mark.parametrize("think", [False, True])
def test_success(think: bool) -> None:
    env = ez_points(think=think, parse_failure=(0, 0))
    process = read(env.to_dict())
    expected = sum(p * reward[1] * rho for hand, rho in deals().items() for reward, p in play(hand, EVEN)[0].items())
    assert means(process, uniform(process))[1] == expected
    assert optimum(process)[0] == 1 and env.horizon == (14 if think else 7)


def test_the_uniform_policy_in_closed_form() -> None:
    """Words that make 12, each written by as many choices of 13 as there are: a blank by every number no card shows."""
    total = F(0)
    for hand, rho in deals().items():
        cards = [str(card) for card in hand]
        for formula in every(hand):
            numbers = [token for token in formula if token.isdecimal()]
            if len(formula) > 5 or len(numbers) != 2 or by_python("".join(formula)) != 12:
                continue
            ways = 1
            for t, token in enumerate(formula):
                left = set(cards) if t == 0 else {c for c in cards if cards.count(c) > formula[:t].count(c)}
                ways *= 10 - len(left) if token == " " else 1
            total += rho * ways * F(1, 13) ** (len(formula) + 1)
    process = read(ez_points().to_dict())
    assert means(process, uniform(process))[1] == total


@pytest.mark.parametrize("hands", [[], [(6, 6), (6, 6)], [(1, 12)], [(2, 3)], "66", [6]])
def test_bad_hands(hands: object) -> None:
    with pytest.raises(InputError, match="hands"):
        ez_points(hands)  # type: ignore[arg-type]
