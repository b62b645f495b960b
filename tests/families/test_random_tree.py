from collections import Counter
from fractions import Fraction as F

import pytest

from tamdp_theory import CapacityError, InputError
from tamdp_theory.families import random_tree
from tests.helpers.family_oracle import read


@pytest.mark.parametrize(
    ("tools", "answers", "depth", "components", "levels"), [(2, 3, 2, 3, 2), (1, 2, 4, 2, 5), (3, 1, 1, 4, 3)]
)
def test_structure(tools: int, answers: int, depth: int, components: int, levels: int) -> None:
    env = random_tree(5, 6, tools, answers=answers, max_tool_depth=depth, components=components, levels=levels)
    process = read(env.to_dict())
    assert (env.n_prompts, env.n_components, env.max_tool_depth, env.horizon) == (6, components, depth, depth + 1)
    parents = Counter(
        s for acts in process.actions.values() for edges in acts.values() for _, s in edges if isinstance(s, str)
    )
    assert set(parents.values()) == {1}
    assert set(parents) | {start for _, start in process.prompts.values()} == set(process.actions)
    for node, actions in process.actions.items():
        kinds = Counter(process.kinds[node, a] for a in actions)
        assert kinds == Counter({"tool": tools * (process.depth[node] < depth), "answer": answers})
        for action, edges in actions.items():
            assert len(edges) == 2 if process.kinds[node, action] == "tool" else 1 <= len(edges) <= 2
            assert len({s for _, s in edges}) == len(edges)
            for p, successor in edges:
                assert (10 * p).denominator == 1
                if isinstance(successor, str):
                    assert process.depth[successor] == process.depth[node] + 1
                else:
                    assert all(((levels - 1) * r).denominator == 1 for r in successor)


def test_shares_of_a_large_draw() -> None:
    process = read(random_tree(1, prompts=300, levels=5).to_dict())
    tools, failed_to_node, answers, two = 0, 0, 0, 0
    grades: Counter[F] = Counter()
    for node, actions in process.actions.items():
        for action, edges in actions.items():
            if process.kinds[node, action] == "tool":
                tools += 1
                failed_to_node += isinstance(edges[1][1], str)
            else:
                answers += 1
                two += len(edges) == 2
            grades.update(r for _, s in edges if not isinstance(s, str) for r in s)
    assert abs(failed_to_node / tools - 0.6) < 0.03
    assert abs(two / answers - 0.5 * 124 / 125) < 0.03
    assert all(abs(grades[F(i, 4)] / sum(grades.values()) - 0.2) < 0.01 for i in range(5))
    assert abs(len(process.actions) / 300 - (1 + 3.2 + 3.2**2)) < 1


def test_defaults() -> None:
    env = random_tree()
    assert env.exact_weights == (F(1, 5), F(3, 5), F(1, 5))
    assert env.component_names == ("format", "accuracy", "executability")
    assert random_tree(components=4).exact_weights == (F(1, 4),) * 4
    assert random_tree(components=2, weights=(1, "1/3")).exact_weights == (F(1), F(1, 3))
    assert sum(env.exact_prompt_probability) == 1 and max(p.denominator for p in env.exact_prompt_probability) <= 16
    assert random_tree(tools=0, prompts=3).n_nodes == 3
    assert random_tree(max_tool_depth=0).horizon == 1


def test_the_seed_is_all_there_is() -> None:
    assert random_tree(7).to_dict() == random_tree(7).to_dict()
    first, second = random_tree(7, name="same").to_dict(), random_tree(8, name="same").to_dict()
    assert first != second


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed: must be at least 0, got -1"),
        ({"prompts": 0}, "prompts: must be at least 1"),
        ({"tools": -1}, "tools: must be at least 0"),
        ({"answers": 0}, "answers: must be at least 1"),
        ({"max_tool_depth": 1.5}, "max_tool_depth: expected an integer, at least 0, got 1.5"),
        ({"components": True}, "components: expected an integer"),
        ({"levels": 1}, "levels: must be at least 2"),
        ({"weights": (1, 1)}, "weights: 2 given for 3 components"),
        ({"weights": (0, 0, 0)}, "components: the weights sum to 0"),
    ],
)
def test_messages(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as error:
        random_tree(**arguments)  # type: ignore[arg-type]
    assert str(error.value).startswith(message)


def test_too_large_is_refused_before_work_starts() -> None:
    with pytest.raises(CapacityError, match="lower prompts"):
        random_tree(tools=3, max_tool_depth=10**6)
