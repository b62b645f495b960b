"""Every file under examples/ is what the call listed here makes. ``python -m tests.families.test_examples`` writes them
anew.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tamdp_theory import TAMDP, environments, families

FOLDER = Path(__file__).resolve().parents[2] / "examples"
SOME_HANDS = [(12, False), (16, False), (20, False), (18, True)]
EXAMPLES: dict[str, Callable[[], TAMDP]] = {
    "bandit-drift": families.drift_bandit,
    "search-small": lambda: families.search(2, 1, difficulties=[1, 2], name="search-small"),
    "coding-small": lambda: families.coding(3, 2, name="coding-small"),
    "number-line-small": lambda: families.number_line(4, 4, name="number-line-small"),
    "number-line-think-small": lambda: families.number_line(3, 4, think=True, name="number-line-think-small"),
    "blackjack-small": lambda: families.blackjack([6, 10], SOME_HANDS, name="blackjack-small"),
    "ez-points-small": lambda: families.ez_points([(6, 6)], name="ez-points-small"),
    "points24-small": lambda: families.points24([(6, 6, 6, 6)], name="points24-small"),
    "household-small": lambda: families.household(["apple in fridge"], 5, name="household-small"),
    "search-index-1x1": lambda: environments.Search(1, 1).twin,
    "coding-pictures-1x1": lambda: environments.Coding(1, 1).twin,
    "image-repair-1x1": lambda: environments.ImageRepair(1, 1).twin,
    "random-tree-small": lambda: families.random_tree(0, 2, name="random-tree-small"),
}


@pytest.mark.parametrize("stem", EXAMPLES)
def test_the_file_is_what_the_family_makes(stem: str) -> None:
    path, env = FOLDER / f"{stem}.json", EXAMPLES[stem]()
    assert env.name == stem
    assert json.loads(path.read_text()) == env.to_dict()
    assert TAMDP.load(path).to_dict() == env.to_dict()
    assert path.stat().st_size < 100_000


if __name__ == "__main__":
    for stem, make in EXAMPLES.items():
        make().save(FOLDER / f"{stem}.json")
