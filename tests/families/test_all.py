"""What holds for every family."""

import json
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction as F

import pytest

from tamdp_theory import TAMDP, families

CALLS: dict[str, Callable[[], TAMDP]] = {
    "bandit": lambda: families.bandit([(1, 0), [("1/3", (1, 1)), ("2/3", (0, 0))]]),
    "drift": families.drift_bandit,
    "contextual": lambda: families.contextual_bandit([[1, 0], ["1/3"]]),
    "random_tree": lambda: families.random_tree(3, levels=4),
    "search": families.search,
    "search, think": lambda: families.search(think=True),
    "coding": families.coding,
    "coding, think": lambda: families.coding(think=True),
    "number_line": families.number_line,
    "number_line, think": lambda: families.number_line(4, 5, think=True),
    "blackjack": lambda: families.blackjack([2, 10]),
    "ez_points": lambda: families.ez_points([(6, 6), (10, 2)]),
    "ez_points, think": lambda: families.ez_points([(3, 4)], think=True),
    "blackjack, think": lambda: families.blackjack([10], [(20, False), (13, True)], think=True),
}
SEVERAL_COMPONENTS = [name for name in CALLS if name not in ("bandit", "drift", "contextual")]


@pytest.mark.parametrize("call", CALLS)
def test_round_trip_and_repeatability(call: str) -> None:
    data = CALLS[call]().to_dict()
    assert TAMDP.from_dict(data).to_dict() == data
    assert CALLS[call]().to_dict() == data
    assert json.loads(json.dumps(data)) == data


@pytest.mark.parametrize("call", CALLS)
def test_ids_name_their_prompt_and_probabilities_are_exact(call: str) -> None:
    env = CALLS[call]()
    for x, node_id in enumerate(env.node_ids):
        assert node_id.split("/")[0] == env.prompt_names[env.node_prompt[x]]
    totals = [F(0)] * env.n_pairs
    for e in range(env.n_edges):
        totals[env.edge_pair[e]] += env.numbers[env.edge_number[e]]
    assert set(totals) == {F(1)} and sum(env.exact_prompt_probability) == 1
    successors = list(zip(env.edge_pair.tolist(), env.edge_target.tolist(), strict=True))
    assert len(set(successors)) == len(successors), "an action lists a successor twice"


@pytest.mark.parametrize("call", SEVERAL_COMPONENTS)
def test_default_weights(call: str) -> None:
    env = CALLS[call]()
    assert env.exact_weights == (F(1, 5), F(3, 5), F(1, 5))
    assert env.component_names[:2] == ("format", "accuracy")


def test_names() -> None:
    assert families.search().name == "search-3x2"
    assert families.search(think=True).name == "search-3x2-think"
    assert families.number_line(4, 5, think=True).name == "number-line-4-think"
    assert families.coding(name="mine").name == "mine"


def test_the_import_is_light() -> None:
    heavy = ("torch", "sympy", "scipy.stats", "matplotlib")
    code = f"import sys, tamdp_theory.families; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
