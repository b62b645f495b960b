"""Against blackjack played with lists of cards, and against published numbers."""

from collections.abc import Callable
from fractions import Fraction as F
from functools import cache

import pytest

from tamdp_theory import InputError
from tamdp_theory.families import blackjack, dealer_law
from tests.helpers.family_oracle import Law, Process, law, means, optimum, read, uniform

DECK = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10, 10)
PUBLISHED_BUSTS = {
    1: 0.115286,
    2: 0.353608,
    3: 0.373875,
    4: 0.394468,
    5: 0.416404,
    6: 0.423150,
    7: 0.262312,
    8: 0.244741,
    9: 0.228425,
    10: 0.212109,
}
UP = {**{str(c): c for c in range(2, 11)}, "A": 1}


def points(cards: tuple[int, ...]) -> int:
    return sum(cards) + 10 * (1 in cards and sum(cards) + 10 <= 21)


@cache
def dealer(cards: tuple[int, ...]) -> dict[int, F]:
    if points(cards) >= 17:
        return {points(cards) if points(cards) <= 21 else 0: F(1)}
    result: dict[int, F] = {}
    for card in DECK:
        for total, p in dealer(tuple(sorted((*cards, card)))).items():
            result[total] = result.get(total, F(0)) + p / 13
    return result


Hits = Callable[[int, bool, int], F]  # total, soft, open card -> probability of a hit


def play(cards: tuple[int, ...], up: int, hits: Hits) -> Law:
    """Law of (format, accuracy, economy) for a player who sees total, softness and the open card."""

    @cache
    def at(hand: tuple[int, ...]) -> Law:
        total = points(hand)
        if total > 21:
            return {(F(1), F(0), F(0)): F(1)}
        p_hit = hits(total, total != sum(hand), up)
        result: Law = {}
        for final, p in dealer((up,)).items():
            rewards: tuple[F, ...] = (F(1), F(1, 2) if final == total else F(total > final), F(1))
            result[rewards] = result.get(rewards, F(0)) + (1 - p_hit) * p
        for card in DECK if p_hit else ():
            for rewards, p in at(tuple(sorted((*hand, card)))).items():
                result[rewards] = result.get(rewards, F(0)) + p_hit * p / 13
        return {rewards: p for rewards, p in result.items() if p}

    return at(cards)


@pytest.fixture(scope="module")
def accuracy_only() -> Process:
    return read(blackjack(weights=(0, 1, 0)).to_dict())


def seen(node: str) -> tuple[int, bool, int]:
    prompt, _, last = node.partition("/")
    first, _, up = prompt.partition("v")
    hand = last or first
    return int(hand[4:]), hand.startswith("soft"), UP[up]


@pytest.mark.parametrize("up", range(1, 11))
def test_dealer(up: int) -> None:
    assert dealer_law(up) == dealer((up,))
    assert sum(dealer_law(up).values()) == 1
    assert float(dealer_law(up)[0]) == pytest.approx(PUBLISHED_BUSTS[up], abs=5e-7)


def basic_strategy(total: int, soft: bool, up: int) -> str:
    if soft:
        return "stand" if total >= 19 or (total == 18 and 2 <= up <= 8) else "hit"
    if total >= 17:
        return "stand"
    if total >= 13:
        return "stand" if 2 <= up <= 6 else "hit"
    return "stand" if total == 12 and 4 <= up <= 6 else "hit"


def test_the_optimum_is_basic_strategy(accuracy_only: Process) -> None:
    value, actions = optimum(accuracy_only)
    for node, table in actions.items():
        other = {"hit": "stand", "stand": "hit"}
        best = basic_strategy(*seen(node))
        assert table[best] > table[other[best]], node
    assert float(value) == pytest.approx(0.476722, abs=5e-7)
    best_play = {node: max(table, key=table.__getitem__) for node, table in actions.items()}
    assert wins(accuracy_only, lambda node, a: F(a == best_play[node])) == pytest.approx(0.429457, abs=5e-7)
    random = uniform(accuracy_only)
    assert float(means(accuracy_only, random)[1]) == pytest.approx(0.302052, abs=5e-7)
    assert wins(accuracy_only, random) == pytest.approx(0.280611, abs=5e-7)


def wins(process: Process, policy: Callable[[str, str], F]) -> float:
    return float(sum(rho * law(process, policy, q).get((F(1),) * 3, F(0)) for q, (rho, _) in process.prompts.items()))


def test_economy_changes_the_optimum() -> None:
    for node, table in optimum(read(blackjack().to_dict()))[1].items():
        total, soft, up = seen(node)
        if total >= 12 and not soft:
            assert (table["hit"] > table["stand"]) == ((total, up) == (12, 7)), node


@pytest.mark.parametrize("hits", [lambda t, s, u: F(t < 17), lambda t, s, u: F(1, 3) if s else F(t < 12 + u % 4, 2)])
def test_law_of_the_rewards(hits: Hits) -> None:
    """Both cards and the open card enumerated, hands as lists of cards."""
    ups = (1, 6, 10)
    process = read(blackjack(ups).to_dict())
    by_prompt: dict[str, tuple[F, Law]] = {}
    for up, share in zip(ups, (F(1, 6), F(1, 6), F(4, 6)), strict=True):
        for a in DECK:
            for b in DECK:
                hand = (min(a, b), max(a, b))
                prompt = f"{'soft' if 1 in hand else 'hard'}{points(hand)}v{'A' if up == 1 else up}"
                rho, expected = by_prompt.get(prompt, (F(0), {}))
                by_prompt[prompt] = (rho + share / 169, expected or play(hand, up, hits))

    def policy(node: str, action: str) -> F:
        p = hits(*seen(node))
        return p if action == "hit" else 1 - p

    assert set(by_prompt) == set(process.prompts)
    for prompt, (rho, expected) in by_prompt.items():
        assert process.prompts[prompt][0] == rho
        assert law(process, policy, prompt) == expected


def test_law_with_thoughts() -> None:
    """A player who hits with probability h after a thought: what cannot be parsed becomes a fair coin and format 0."""
    fails, h, up = F(2, 3) * F(1, 20) + F(1, 3) * F(1, 4), F(3, 5), 9
    process = read(blackjack([up], [(17, False), (18, True)], think=True).to_dict())
    policy = {"careful": F(2, 3), "hasty": F(1, 3), "hit": h, "stand": 1 - h}

    @cache
    def at(hand: tuple[int, ...], parsed: bool) -> Law:
        if points(hand) > 21:
            return {(F(parsed), F(0), F(0)): F(1)}
        result: Law = {}
        for ok, p_hit, p_stand in ((True, (1 - fails) * h, (1 - fails) * (1 - h)), (False, fails / 2, fails / 2)):
            for final, p in dealer((up,)).items():
                total = points(hand)
                rewards: tuple[F, ...] = (F(parsed and ok), F(1, 2) if final == total else F(total > final), F(1))
                result[rewards] = result.get(rewards, F(0)) + p_stand * p
            for card in DECK:
                for rewards, p in at(tuple(sorted((*hand, card))), parsed and ok).items():
                    result[rewards] = result.get(rewards, F(0)) + p_hit * p / 13
        return result

    assert law(process, lambda _, a: policy[a], "hard17v9") == at((7, 10), True)
    assert law(process, lambda _, a: policy[a], "soft18v9") == at((1, 7), True)
    assert {kind for (_, a), kind in process.kinds.items() if a in ("careful", "hasty")} == {"think"}


def test_next_card_busts() -> None:
    process = read(blackjack([5]).to_dict())
    for node, actions in process.actions.items():
        total, soft, _ = seen(node)
        bust = sum((p for p, s in actions["hit"] if not isinstance(s, str)), F(0))
        assert bust == (F(total - 8, 13) if total >= 12 and not soft else 0)


def test_structure() -> None:
    env = blackjack()
    assert (env.n_prompts, env.max_tool_depth, env.n_actions) == (270, 0, 2)
    assert env.component_names == ("format", "accuracy", "economy")
    part = blackjack([10, 6], [(16, False), (13, True)])
    process = read(part.to_dict())
    assert {q: rho for q, (rho, _) in process.prompts.items()} == {
        "hard16v10": F(11, 13) * F(4, 5),
        "soft13v10": F(2, 13) * F(4, 5),
        "hard16v6": F(11, 13) * F(1, 5),
        "soft13v6": F(2, 13) * F(1, 5),
    }
    assert process.observation["hard16v10"] == "player 16 dealer 10"
    assert process.observation["soft13v6/soft18"] == "player soft 18 dealer 6"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dealer_cards": [11]}, "dealer_cards[0]: must be between 1 and 10, got 11"),
        ({"dealer_cards": []}, "dealer_cards: empty"),
        ({"dealer_cards": [2, 2]}, "dealer_cards: each may be given once"),
        ({"hands": [(21, False)]}, "hands[0]: two cards never make hard21"),
        ({"hands": [(16, 0)]}, "hands[0][1]: expected True or False, got 0"),
        ({"hands": [(16,)]}, "hands[0]: expected (total, soft), got (16,)"),
        ({"hands": [(16, False), (16, False)]}, "hands: each may be given once"),
        ({"hands": 16}, "hands: expected a sequence, got 16"),
        ({"think": None}, "think: expected True or False"),
    ],
)
def test_messages(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as error:
        blackjack(**arguments)  # type: ignore[arg-type]
    assert str(error.value).startswith(message)


def test_dealer_law_refuses_other_cards() -> None:
    with pytest.raises(InputError, match=r"^up_card: must be between 1 and 10, got 0"):
        dealer_law(0)
