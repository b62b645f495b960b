"""The graph and the pictures of ``tamdp show``."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from experiments.graph import MAX_CARDS, deal
from experiments.graph.layout import lay_out
from experiments.graph.writing import dot, tikz
from experiments.sheet import episode_sheet
from tamdp_theory import TAMDP, InputError, TabularSoftmax, environments, exact, families
from tests.helpers.command import Captured, here, refused

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def random(env: TAMDP, seed: int = 0) -> TabularSoftmax:
    return TabularSoftmax.random(env, np.random.default_rng(seed), 1.0)


@pytest.fixture
def coding() -> TAMDP:
    return TAMDP.load(EXAMPLES / "coding-small.json")


def test_flows_are_those_of_trajectories(coding: TAMDP) -> None:
    """What enters a card is the probability of being there; what leaves it, less what ends, is the rest."""
    policy = random(coding)
    cards, visits = deal(coding, policy), exact.occupancy(coding, policy)
    assert len(cards) == coding.n_nodes
    entered = np.zeros(len(cards))
    for card in cards:
        for row in card.rows:
            for branch in row.branches:
                entered[branch.target] += branch.flow
    start = np.zeros(len(cards))
    start[coding.prompt_start] = coding.prompt_probability
    np.testing.assert_allclose(entered + start, visits, atol=1e-12)
    np.testing.assert_allclose([card.flow for card in cards], visits, atol=1e-12)


def test_every_action_stands_on_a_card(coding: TAMDP) -> None:
    for x, card in enumerate(deal(coding, TabularSoftmax(coding))):
        names = coding.action_names[coding.pair_start[x] : coding.pair_start[x] + coding.pair_count[x]]
        told = " ".join(row.text.split("  π")[0] for row in card.rows[1:])
        assert sorted(told.split()) == sorted(names)


def test_actions_with_one_outcome_share_a_line() -> None:
    env = families.ez_points([(6, 6)])
    start = deal(env, TabularSoftmax(env))[0]
    assert [row.text for row in start.rows] == [
        "V = .22  ρ = 1",
        "1 2 3 4 5 7 8 9 10  π .692",
        "6  π .0769",
        "+  π .0769",
        "*  π .0769",
        "=  π .0769  → (1, 0, 1)",
    ]


def test_many_actions_are_summed_up() -> None:
    env = families.bandit([[f"{k}/20"] for k in range(20)])
    rows = deal(env, TabularSoftmax(env))[0].rows
    assert len(rows) == 11 and rows[-1].text == "11 more  π .55"


def test_a_large_process_is_shown_by_steps() -> None:
    for process in (families.search(6, 2), families.random_tree(1, prompts=8, max_tool_depth=2)):
        assert process.n_nodes > MAX_CARDS
        policy = random(process)
        cards = deal(process, policy)
        assert len(cards) == process.horizon == len(process.levels)
        entered = np.zeros(len(cards))
        for card in cards:
            for branch in (branch for row in card.rows for branch in row.branches):
                entered[branch.target] += branch.flow
        np.testing.assert_allclose(entered[1:], [card.flow for card in cards[1:]], atol=1e-12)
        ends = [float(m[1]) for card in cards for row in card.rows if (m := re.match(r"ends: ([.\d]+)", row.text))]
        assert sum(ends) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", ["coding-small", "search-small", "number-line-small", "blackjack-small"])
def test_cards_do_not_overlap(name: str) -> None:
    env = TAMDP.load(EXAMPLES / f"{name}.json")
    cards = deal(env, TabularSoftmax(env))
    layout = lay_out(cards)
    for i, one in enumerate(layout.places):
        assert one.x >= 0 and one.x + one.width <= layout.width + 1e-9
        assert one.y >= 0 and one.y + one.height <= layout.height + 1e-9
        for other in layout.places[:i]:
            apart = one.x >= other.x + other.width or other.x >= one.x + one.width
            assert apart or one.y >= other.y + other.height or other.y >= one.y + one.height
    for card, place in zip(cards, layout.places, strict=True):
        for branch in (branch for row in card.rows for branch in row.branches):
            assert layout.places[branch.target].x > place.x + place.width


def crossings(env: TAMDP) -> int:
    """Pairs of lines between the same two layers that cross."""
    cards = deal(env, TabularSoftmax(env))
    places = lay_out(cards).places
    lines = [
        (card.layer, cards[branch.target].layer, place.line(j), places[branch.target].line(-1))
        for card, place in zip(cards, places, strict=True)
        for j, row in enumerate(card.rows)
        for branch in row.branches
    ]
    return sum(
        one[:2] == other[:2] and (one[2] - other[2]) * (one[3] - other[3]) < 0
        for i, one in enumerate(lines)
        for other in lines[:i]
    )


@pytest.mark.parametrize(("name", "most"), [("search-small", 0), ("random-tree-small", 0), ("coding-small", 60)])
def test_no_order_of_the_file_makes_lines_of_a_tree_cross(name: str, most: int) -> None:
    content = TAMDP.load(EXAMPLES / f"{name}.json").to_dict()
    for seed in range(4):
        np.random.default_rng(seed).shuffle(content["nodes"])
        assert crossings(TAMDP.from_dict(content)) <= most


@pytest.mark.parametrize("ending", ["svg", "png", "pdf", "dot", "tikz"])
def test_the_same_process_gives_the_same_file(ending: str, tmp_path: Path, capsys: Captured) -> None:
    file = str(EXAMPLES / "search-small.json")
    for name in ("a", "b"):
        assert here(capsys, "show", file, "--graph", str(tmp_path / f"{name}.{ending}")).code == 0
    one, two = (tmp_path / f"{name}.{ending}" for name in ("a", "b"))
    assert one.read_bytes() == two.read_bytes()
    if ending == "svg":
        texts = "".join(ElementTree.parse(one).getroot().itertext())
        assert "careful" in texts and "3/4: (1, 1/2, 1)" in texts


def test_texts_for_graphviz_and_latex_are_escaped() -> None:
    env = families.bandit([["0"], ["1"]], name='x" & <b> $ %')
    node = TAMDP.from_dict(env.to_dict() | {"prompts": [{**env.to_dict()["prompts"][0], "name": 'a"<b>&_$%'}]})
    cards = deal(node, TabularSoftmax(node))
    assert dot(cards, node.name).startswith('digraph "x\\" & <b> $ %" {')
    for text in (dot(cards, node.name), tikz(cards, node.name)):
        assert text.count("{") == text.count("}")
    assert all(line.count("$") % 2 == 0 for line in tikz(cards, node.name).splitlines()[1:])


@pytest.mark.parametrize("name", environments.names())
def test_an_episode_is_drawn(name: str) -> None:
    environment = environments.make(name)
    policy = TabularSoftmax(environment.twin)
    first, again = (episode_sheet(environment, policy, None, 3) for _ in range(2))
    assert first == again and first.startswith(b"\x89PNG")
    with pytest.raises(InputError, match="no prompt 'nowhere'; there are"):
        episode_sheet(environment, policy, "nowhere", 0)


def test_an_environment_has_a_name_wherever_a_file_is_taken(capsys: Captured, tmp_path: Path) -> None:
    found = json.loads(here(capsys, "exact", "number_line_step", "--json", "-").out)
    twin = environments.make("number_line_step").twin
    assert found["total"] == exact.values(twin, TabularSoftmax(twin)).total
    assert "picture:" in here(capsys, "show", "number_line_step", "--picture", str(tmp_path / "x.png")).out
    assert (tmp_path / "x.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["number_line_steps"],
            "number_line_steps: neither a file nor the name of an environment; there are blackjack",
        ),
        (["number_line_step", "--graph", "x.gif"], "--graph: x.gif should end in one of .svg, .png"),
        (["number_line_step", "--picture", "x.gif"], "--picture: x.gif should end in .png"),
        (
            [str(EXAMPLES / "search-small.json"), "--picture", "x.png"],
            "so there is nothing to see; there are blackjack",
        ),
    ],
)
def test_what_cannot_be_shown(arguments: list[str], message: str, capsys: Captured) -> None:
    assert message in refused(here(capsys, "show", *arguments))
