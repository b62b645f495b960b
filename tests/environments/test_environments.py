"""Environments against their twins: every sequence of choices played through text, in rationals; wordings; errors."""

from fractions import Fraction as F
from typing import Any

import numpy as np
import pytest

from tamdp_theory import CapacityError, InputError, TabularSoftmax, exact, families
from tamdp_theory.environments import (
    Blackjack,
    Coding,
    Environment,
    EZPoints,
    Household,
    ImageRepair,
    NumberLine,
    Points24,
    Search,
)
from tamdp_theory.environments.blackjack import RANKS, SUITS, Card, count, draw_card
from tamdp_theory.environments.formulas import FormulaGame
from tests.helpers.enumeration import episodes, played_law, uneven
from tests.helpers.family_oracle import law, means, read

GENERATOR = np.random.default_rng(0)


def tabular(environment: Environment, policy: Any) -> TabularSoftmax:
    twin = environment.twin
    logits = np.zeros((twin.n_nodes, twin.n_actions))
    for x, a, name in zip(twin.pair_node, twin.pair_action, twin.action_names, strict=True):
        logits[x, a] = np.log(float(policy(twin.node_ids[x], name)))
    return TabularSoftmax(twin, logits)


@pytest.mark.parametrize("make", [Blackjack, Coding, EZPoints, Household, NumberLine, Points24, Search])
def test_texts_end_their_thoughts(make: Any) -> None:
    """Every text that can be parsed has the end of its thought, if thoughts are asked for; else there is none."""
    plain: Any = {Points24: {"longest": 5}}.get(make, {})
    environment = make(**plain)
    actions = sorted(set(environment.twin.action_names))
    assert environment.thought_end is not None
    for action in actions:
        text = environment.phrase(action, GENERATOR)
        assert environment.thought_end in text.lower() or "unparsed" in action or "malformed" in action, text
    assert make(thoughts=False, **plain).thought_end is None


# -- exact agreement ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "environment",
    [
        NumberLine(4, 4),
        NumberLine(6, 3, thoughts=False),
        NumberLine(5, 4, 2),
        NumberLine(6, 1, 1, weights=(1, 2, 3)),
        NumberLine(3, 5),
    ],
    ids=lambda e: f"{e.name}-{e.max_steps}",
)
def test_number_line_is_its_twin(environment: NumberLine) -> None:
    process = read(environment.twin.to_dict())
    policy = uneven(process)
    laws = [played_law(environment, process, policy, prompt) for prompt in range(environment.twin.n_prompts)]
    assert laws == [law(process, policy, name) for name in environment.twin.prompt_names]
    values = exact.values(environment.twin, tabular(environment, policy)).per_prompt
    expected = [[float(sum(p * rewards[k] for rewards, p in table.items())) for k in range(3)] for table in laws]
    np.testing.assert_allclose(values, expected, atol=1e-12)


@pytest.mark.parametrize(
    "environment",
    [ImageRepair(16, 1, pixels=32), ImageRepair(5, 2, pixels=32), ImageRepair(3, 0), ImageRepair(1, 3, pixels=36)],
    ids=lambda e: e.name,
)
def test_image_repair_is_its_twin(environment: ImageRepair) -> None:
    process = read(environment.twin.to_dict())
    policy = uneven(process)
    laws = [played_law(environment, process, policy, prompt) for prompt in range(environment.twin.n_prompts)]
    assert laws == [law(process, policy, name) for name in environment.twin.prompt_names]
    values = exact.values(environment.twin, tabular(environment, policy)).per_prompt
    expected = [[float(sum(p * rewards[k] for rewards, p in table.items())) for k in range(4)] for table in laws]
    np.testing.assert_allclose(values, expected, atol=1e-12)


def cards(n: int) -> list[tuple[int, F]]:
    """One card for each number of points; which of the pairs that make the first hand, and the suits, say nothing."""
    if n == 52:
        return [(4 * rank, F(4 if rank == 9 else 1, 13)) for rank in range(10)]
    return [(0, F(1, 2)), (1, F(1, 2))] if n == 2 else [(0, F(1))]


@pytest.mark.parametrize(
    ("dealer", "hand", "free_at"),
    [
        (10, (19, False), "every node"),
        (8, (20, False), "every node"),
        (10, (16, False), "the start"),
        (10, (20, True), "the start"),
        (1, (18, False), "no node"),
    ],
)
def test_blackjack_is_its_twin(dealer: int, hand: tuple[int, bool], free_at: str) -> None:
    """Every card that can come. Where that would take too long, the policy stands but for the nodes where
    it is free.
    """
    environment = Blackjack([dealer], [hand])
    process = read(environment.twin.to_dict())
    free = uneven(process)
    start = environment.twin.prompt_names[0]

    def policy(node: str, action: str) -> F:
        return (
            free(node, action)
            if free_at == "every node" or (free_at == "the start" and node == start)
            else F(action == "stand")
        )

    assert played_law(environment, process, policy, 0, cards) == law(process, policy, start)


@pytest.mark.parametrize(
    ("environment", "formulas"),
    [(EZPoints([(6, 6)], pixels=32), 4647), (Points24([(6, 6, 6, 6)], 1, pixels=32), 1 + 8 + 64)],
    ids=["ez_points", "points24"],
)
def test_a_game_of_formulas_is_its_twin(environment: FormulaGame, formulas: int) -> None:
    """Every formula, none merged, played through text, and what comes of the policy in rationals."""
    choices = len(environment.rules.actions)
    process = read(environment.twin.to_dict())
    policy, words = uneven(process), np.random.default_rng(0)
    known: dict[Any, Any] = {}

    def at(formula: tuple[str, ...], parsed: bool) -> Any:
        """The law from a state on; a text that says nothing takes any of the actions."""
        if (formula, parsed) not in known:
            total: dict[Any, F] = {}
            for action, edges in process.actions[node_of(formula, parsed)].items():
                for dice in range(choices) if action == "unparsed" else [0]:
                    episode: Any = environment.start(0, Fixed(dice))  # type: ignore[arg-type]
                    episode.formula, episode.parsed = formula, parsed
                    node = episode.node
                    episode.act(environment.phrase(action, words))
                    assert (episode.decisions[-1].node, episode.decisions[-1].action) == (node, action)
                    after = episode.exact_rewards if episode.done else episode.node
                    assert after in [successor for _, successor in edges]
                    p = policy(node, action) * (F(1, choices) if action == "unparsed" else 1)
                    later = {after: F(1)} if episode.done else at(episode.formula, episode.parsed)
                    for rewards, q in later.items():
                        total[rewards] = total.get(rewards, F(0)) + p * q
            known[formula, parsed] = total
        return known[formula, parsed]

    def node_of(formula: tuple[str, ...], parsed: bool) -> str:
        episode: Any = environment.start(0, Fixed(0))  # type: ignore[arg-type]
        episode.formula, episode.parsed = formula, parsed
        return episode.node

    expected = law(process, policy, environment.twin.prompt_names[0])
    assert at((), True) == expected and len(known) == 2 * formulas - 1
    values = exact.values(environment.twin, tabular(environment, policy)).per_prompt[0]
    np.testing.assert_allclose(
        values, [float(sum(p * r[k] for r, p in expected.items())) for k in range(3)], atol=1e-12
    )


def test_cards_of_a_ten() -> None:
    """Next to a 2: 10, J, Q or K drawn first, 1 of 12 each; or the 2, 1 of 12, and in half of these cases a 10."""
    environment, generator = EZPoints([(10, 2)]), np.random.default_rng(3)
    ranks = [environment.start(0, generator).cards[0][0] for _ in range(3000)]
    for rank, share in {"10": 3, "J": 2, "Q": 2, "K": 2}.items():
        assert abs(ranks.count(rank) / 3000 - share / 9) < 0.04
    assert environment.start(0, generator).cards[1][0] == "2"


def test_first_cards() -> None:
    """Both cards and the open card are those of the prompt, and every pair that makes the hand comes up, with all
    suits.
    """
    environment = Blackjack([1, 10], [(12, False), (12, True), (17, True)])
    generator = np.random.default_rng(1)
    for prompt, name in enumerate(environment.twin.prompt_names):
        total, soft, up = int(name[4:6]), name.startswith("soft"), name[7:]
        seen, suits = set(), set()
        for _ in range(600):
            episode = environment.start(prompt, generator)
            assert episode.node == name
            ranks = [card.rank for card in episode.hand]
            values = [min("A23456789".find(rank) + 1 or 10, 10) for rank in ranks]
            assert ("A" in ranks) == soft and sum(values) + 10 * soft == total
            assert (episode.dealer[0].rank == "A") if up == "A" else episode.dealer[0].rank in ("10", "J", "Q", "K")
            seen.add(tuple(ranks))
            suits.update(card.suit for card in episode.hand)
        possible = {(a, b) for a in RANKS for b in RANKS if count([Card(a, ""), Card(b, "")]) == (total, soft)}
        assert seen == possible and suits == set(SUITS)


def test_a_deck() -> None:
    deck = {draw_card(Fixed(place)) for place in range(52)}  # type: ignore[arg-type]
    assert len(deck) == 52 and {(c.rank, c.suit) for c in deck} == {(r, s) for r in RANKS for s in SUITS}
    assert sorted(card.points for card in deck) == sorted([*range(1, 10), 10, 10, 10, 10] * 4)
    assert count([Card("A", ""), Card("A", "")]) == (12, True) and count(
        [Card("A", ""), Card("K", ""), Card("5", "")]
    ) == (16, False)


class Fixed:
    def __init__(self, value: int) -> None:
        self.value = value

    def integers(self, n: int) -> int:
        return self.value % n


@pytest.mark.parametrize(
    ("environment", "process"),
    [
        (NumberLine(4, 3), families.number_line(4, 3)),
        (Blackjack([10], [(19, True)]), families.blackjack([10], [(19, True)])),
        (EZPoints([(6, 6)]), families.ez_points([(6, 6)])),
        (Points24([(6, 6, 6, 6)], 5), families.points24([(6, 6, 6, 6)], 5)),
    ],
    ids=["line", "cards", "formulas", "twenty-four"],
)
def test_unparsed_is_a_random_legal_action(environment: Environment, process: Any) -> None:
    """A policy that never says anything has the accuracy of the uniformly random one, and no format."""
    twin, plain = read(environment.twin.to_dict()), read(process.to_dict())
    silent = means(twin, lambda _, action: F(action == "unparsed"))
    uniform = means(plain, lambda node, _: F(1, len(plain.actions[node])))
    assert tuple(silent) == (0, *uniform[1:])
    spoken = means(twin, lambda node, action: F(action != "unparsed", len(twin.actions[node]) - 1))
    assert tuple(spoken) == tuple(uniform) and spoken[0] == 1


def test_known_numbers() -> None:
    line, cards_twin = NumberLine(6, 10), Blackjack()
    silent = {"-1": F(0), "+1": F(0), "unparsed": F(1)}
    assert means(read(line.twin.to_dict()), lambda _, action: silent[action])[1] == F(163, 576)
    uniform = exact.values(cards_twin.twin, TabularSoftmax(cards_twin.twin))
    assert round(uniform.components[1], 6) == 0.302052
    assert {len(c) for c in (line.twin.component_names, cards_twin.twin.component_names)} == {3}
    assert line.twin.exact_weights == (F(1, 5), F(3, 5), F(1, 5)) and sum(ImageRepair().twin.exact_weights) == 1


def test_structure_of_the_repair() -> None:
    environment = ImageRepair(144, 2, pixels=32)
    process = read(environment.twin.to_dict())
    assert environment.twin.n_prompts == 144 == len({(q.colour, q.form, q.picture) for q in environment.questions})
    assert environment.twin.max_tool_depth == 2 and environment.twin.horizon == 3
    for (node, action), kind in process.kinds.items():
        called = action.startswith(("rotate", "brighten", "crop", "bad_call"))
        assert kind == ("tool" if called else "answer")
        assert called <= (process.depth[node] < 2) and (action != "late_call" or process.depth[node] == 2)
    start = "red-triangle-turn180-dark-wide"
    assert process.actions[start]["red triangle"] == [(1, (1, 1, 1, 1))]
    assert process.actions[start]["red square"] == process.actions[start]["blue triangle"] == [(1, (1, 0, F(1, 2), 1))]
    assert process.actions[start]["blue square"] == [(1, (1, 0, 0, 1))] and process.actions[start]["untagged"] == [
        (1, (0, 0, 0, 1))
    ]
    assert process.actions[start]["bad_call"] == [(1, f"{start}/calls1/turn180-dark-wide/failed")]
    assert process.actions[f"{start}/calls1/turn180-dark-wide/failed"]["red triangle"] == [(1, (1, 1, 1, 0))]
    assert process.actions[start]["crop"] == [(1, f"{start}/calls1/turn180-dark")] and process.actions[start][
        "crop_corner"
    ] == [(1, f"{start}/calls1/spoiled")]


def test_the_whole_game_of_24_is_played_without_a_twin() -> None:
    """22 decisions at most, cards of every rank, nodes that are the formulas; no list of it is asked for."""
    environment = Points24([(8, 3, 8, 3), (10, 10, 1, 1)], 20, pixels=32)
    generator = np.random.default_rng(0)

    def played(prompt: int, tokens: list[str]) -> Any:
        episode: Any = environment.start(prompt, generator)
        for token in tokens:
            episode.act(environment.phrase(token, generator))
        return episode

    won = played(0, list("8/(3-8/3)="))
    assert won.exact_rewards == (1, 1, 1)
    assert won.decisions[-1].node == "8and3and8and3/8/(3-8/3)"
    long = played(0, ["("] * 21)
    assert not long.done
    long.act(environment.phrase("=", generator))
    assert long.exact_rewards == (1, 0, 1) and len(long.decisions) == 22
    assert played(1, ["10", "5", "="]).exact_rewards == (1, 0, 0)
    ranks = {rank for _ in range(60) for rank, _ in environment.start(1, generator).cards}  # type: ignore[attr-defined]
    assert ranks == {"A", "10", "J", "Q", "K"}
    with pytest.raises(CapacityError, match="too many to be listed"):
        _ = environment.twin


def test_the_household_is_its_twin() -> None:
    """Every state that can be reached, played through text: each action, and each command that a text that says nothing
    may turn into, leads where the twin says, and as often.
    """
    environment = Household(["apple in fridge", "apple and book on counter"], 3, pixels=32)
    process, words = read(environment.twin.to_dict()), np.random.default_rng(0)
    seen = set()
    for prompt, name in enumerate(environment.twin.prompt_names):
        queue = [(environment.rules.begin(prompt), True)]
        for at, parsed in queue:
            episode: Any = environment.start(prompt, Fixed(0))  # type: ignore[arg-type]
            episode.at, episode.parsed = at, parsed
            node = episode.node
            assert set(process.actions[node]) == {*episode.commands, "refused", "unparsed"}
            if node in seen:
                continue
            seen.add(node)
            for action, edges in process.actions[node].items():
                law: dict[Any, F] = {}
                choices = len(episode.commands) if action == "unparsed" else 1
                for dice in range(choices):
                    own: Any = environment.start(prompt, Fixed(dice))  # type: ignore[arg-type]
                    own.at, own.parsed = at, parsed
                    own.act(environment.phrase(action, words))
                    assert (own.decisions[-1].node, own.decisions[-1].action) == (node, action)
                    after = own.exact_rewards if own.done else own.node
                    law[after] = law.get(after, F(0)) + F(1, choices)
                    if not own.done:
                        queue.append((own.at, own.parsed))
                assert law == {after: p for p, after in edges}
        assert name in seen
    assert len(seen) == environment.twin.n_nodes


# -- wordings and messages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "environment",
    [
        NumberLine(6, 3),
        Blackjack([10], [(12, False), (13, True)]),
        EZPoints([(10, 2)]),
        Points24([(1, 2, 3, 4)], 4),
        Household(pixels=32),
        Search(2, 1, pixels=32),
        Coding(2, 1, pixels=32),
        ImageRepair(8, 2, pixels=32),
        NumberLine(6, 1, 1, thoughts=False),
        Blackjack([2], [(4, False)], thoughts=False),
    ],
)
def test_wordings(environment: Environment) -> None:
    """Every wording of every action is taken for it, at some node where it is legal; most actions have several."""
    process = read(environment.twin.to_dict())
    found: dict[str, set[str]] = {}
    generator = np.random.default_rng(2)
    for action in {action for actions in process.actions.values() for action in actions}:
        for _ in range(120):
            text = environment.phrase(action, generator)
            episode: Any = environment.start(0, generator)
            while episode.done or action not in process.actions[episode.node]:
                if episode.done:
                    episode = environment.start(int(generator.integers(environment.twin.n_prompts)), generator)
                else:
                    legal = process.actions[episode.node]
                    first = ("bad_call", "unparsed", f"other at {episode.node[:2]}", f"bad code at {episode.node[:2]}")
                    episode.act(environment.phrase(next(on for on in (*first, *legal) if on in legal), generator))
            episode.act(text)
            assert episode.decisions[-1].action == action
            found.setdefault(action, set()).add(text)
    assert all(len(texts) > 1 for action, texts in found.items()) or not getattr(environment, "thoughts", True)
    with pytest.raises(InputError, match="no such action 'fly'"):
        environment.phrase("fly", generator)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NumberLine(2), "size: must be at least 3"),
        (lambda: NumberLine(6, 0), "max_steps: must be at least 1"),
        (lambda: NumberLine(6, 1, 6), "max_distance: must be between 1 and 5"),
        (lambda: NumberLine(pixels=16), "pixels: must be between 32 and 1024"),
        (lambda: NumberLine(thoughts=1), "thoughts: expected True or False"),
        (lambda: NumberLine(weights=(1,)), "weights: 1 given for 3"),
        (lambda: Blackjack([11]), "dealer_cards[0]: must be between 1 and 10"),
        (lambda: Blackjack(pixels=2000), "pixels: must be between"),
        (lambda: EZPoints([(1, 1)]), "hands: no hand (1, 1); there are (2, 6), (2, 10)"),
        (lambda: Points24([(1, 2, 3)]), "hands: a hand has 4 cards"),
        (lambda: Household(["apple"]), "tasks: no task 'apple'"),
        (lambda: Points24(longest=21), "longest: must be between 1 and 20"),
        (lambda: EZPoints(pixels=31), "pixels: must be between 32 and 1024"),
        (lambda: EZPoints([(6, 6)]).start(1, GENERATOR), "prompt: must be between 0 and 0"),
        (lambda: ImageRepair(0), "prompts: must be between 1 and 144"),
        (lambda: ImageRepair(145), "prompts: must be between 1 and 144"),
        (lambda: ImageRepair(8, -1), "max_tool_depth: must be at least 0"),
        (lambda: ImageRepair(pixels=34), "pixels: must be a multiple of 4"),
        (lambda: ImageRepair(pixels=1024), "pixels: must be between 32 and 512"),
        (lambda: ImageRepair(result_role="system"), "result_role: expected 'tool' or 'user'"),
        (lambda: ImageRepair(weights=(1, 1, 1)), "weights: 3 given for 4"),
        (lambda: NumberLine(6).start(30, GENERATOR), "prompt: must be between 0 and 29, got 30"),
        (lambda: Blackjack([2], [(4, False)]).start(1, GENERATOR), "prompt: must be between 0 and 0"),
        (lambda: ImageRepair(8).start(-1, GENERATOR), "prompt: must be between 0 and 7"),
        (lambda: NumberLine(6).start(0, GENERATOR).rewards, "rewards: the episode has not ended"),
    ],
)
def test_messages(make: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("environment", [NumberLine(6, 1), ImageRepair(1, 0)], ids=lambda e: e.name)
def test_nothing_after_the_end(environment: Environment) -> None:
    episode: Any = environment.start(0, np.random.default_rng(0))
    episode.act("x")
    assert episode.done and len(episode.decisions) == 1
    rewards = episode.rewards
    for act in [
        lambda: episode.act("x"),
        *([lambda: episode.rotate(90), lambda: episode.refuse("x")] if isinstance(environment, ImageRepair) else []),
    ]:
        with pytest.raises(InputError, match="has ended"):
            act()
    assert len(episode.decisions) == 1 and episode.rewards == rewards


def test_every_episode_of_the_enumeration_is_a_distinct_one() -> None:
    """The enumeration itself: probabilities sum to one, and every path of the twin was played."""
    environment = NumberLine(4, 3)
    process = read(environment.twin.to_dict())
    played = list(episodes(environment, process, uneven(process), 0, lambda n: [(i, F(1, n)) for i in range(n)]))
    assert sum(p for p, _ in played) == 1 and all(p > 0 for p, _ in played)
    own = {node for node in process.actions if node.split("/")[0] == environment.twin.prompt_names[0]}
    assert {d.node for _, episode in played for d in episode.decisions} == own
