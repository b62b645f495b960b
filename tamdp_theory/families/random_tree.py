"""Random trees of tool calls: the family without structure, for checks that must hold everywhere.

A node offers ``tools`` tool actions until ``max_tool_depth`` calls were made, and ``answers`` answer actions. A tool
call succeeds, with a probability of 1/10..9/10, and leads to a new node; a failure leads with probability 3/5 to a new
node of its own and otherwise ends with random rewards. An answer ends; with probability about 1/2 it has two outcomes.
Rewards are uniform on a grid of ``levels`` values, independently by component, node and action. Source: none; every
draw comes from ``numpy.random.default_rng(seed)``, level by level, so equal arguments give equal processes.

Facts: a tree, so that every trajectory is the only one to its outcome; H = 1 + max_tool_depth if there are tools, else
1; at depth d each prompt has (8/5 tools)^d nodes on average, and at least tools^d; the observation is the node's own id
(nothing is hidden, nothing shared).
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from tamdp_theory.document import Action, Edge, Node
from tamdp_theory.errors import CapacityError
from tamdp_theory.families._build import FIFTHS, Number, collection_paused, document, integer
from tamdp_theory.model import TAMDP

NODE_LIMIT = 4_000_000
TENTHS = tuple(Fraction(i, 10) for i in range(11))
FAILURE_NODE = Fraction(3, 5)  # probability that a failed call leads to a node


@collection_paused()
def random_tree(
    seed: int = 0,
    prompts: int = 4,
    tools: int = 2,
    answers: int = 3,
    max_tool_depth: int = 2,
    components: int = 3,
    *,
    levels: int = 2,
    weights: Sequence[Number] | None = None,
    name: str | None = None,
) -> TAMDP:
    """Return a random tree for each prompt.

    seed >= 0; prompts >= 1; tools >= 0 per node; answers >= 1 per node; max_tool_depth >= 0; components K >= 1;
    levels >= 2: rewards in {0, 1/(levels-1), .., 1}; weights (K,) >= 0, default (1/5, 3/5, 1/5) for K = 3 (format,
    accuracy, executability), else 1/K each. Prompt probabilities are random, in proportion 1 to 4.
    Raises InputError for an argument out of range, CapacityError above 4 million expected nodes. Facts: see the module.
    """
    seed, prompts = integer(seed, "seed", 0), integer(prompts, "prompts", 1)
    tools, answers = integer(tools, "tools", 0), integer(answers, "answers", 1)
    max_tool_depth = integer(max_tool_depth, "max_tool_depth", 0)
    components, levels = integer(components, "components", 1), integer(levels, "levels", 2)
    _check_capacity(prompts, tools, max_tool_depth)
    rng = np.random.default_rng(seed)
    draw = _Draw(rng, answers, components, levels)
    names = [f"q{q}" for q in range(prompts)]
    shares = rng.integers(1, 5, size=prompts).tolist()
    total = sum(shares)
    rho = [(prompt, Fraction(share, total)) for prompt, share in zip(names, shares, strict=True)]

    nodes: list[Node] = []
    ids = names
    for depth in range(max_tool_depth + 1):
        level = [Node(id=node_id, depth=depth, actions=[], observation=node_id) for node_id in ids]
        ids = draw.tool_calls(level, tools) if depth < max_tool_depth else []
        draw.answers(level)
        nodes.extend(level)
    named = components == 3
    default = FIFTHS if named else [Fraction(1, components)] * components
    labels = ["format", "accuracy", "executability"] if named else [f"reward{k}" for k in range(components)]
    title = f"random-tree-{seed}" if name is None else name
    return document(
        title, max_tool_depth, labels, weights=default if weights is None else weights, prompts=rho, nodes=nodes
    )


class _Draw:
    """Draws the actions of a whole level at once."""

    def __init__(self, rng: np.random.Generator, answers: int, components: int, levels: int) -> None:
        self.rng, self.n_answers, self.n_components, self.n_levels = rng, answers, components, levels
        self.grid = [0, *(Fraction(i, levels - 1) for i in range(1, levels - 1)), 1]
        self.known: dict[tuple[int, tuple[int, ...]], Edge] = {}

    def tool_calls(self, level: Sequence[Node], tools: int) -> list[str]:
        """Add the tool actions and return the ids of the nodes they lead to."""
        count = len(level) * tools
        success = self._tenths(count)
        goes_on = (self.rng.integers(0, FAILURE_NODE.denominator, size=count) < FAILURE_NODE.numerator).tolist()
        rewards = self._points(count)
        ids: list[str] = []
        for x, node in enumerate(level):
            actions: list[Action] = []
            for j in range(tools):
                i = x * tools + j
                done, failed = f"{node.id}/tool{j}+", f"{node.id}/tool{j}!"
                ids.append(done)
                edges = [Edge(probability=TENTHS[success[i]], node=done)]
                if goes_on[i]:
                    ids.append(failed)
                    edges.append(Edge(probability=TENTHS[10 - success[i]], node=failed))
                else:
                    edges.append(self._outcome(10 - success[i], self._point(rewards, i)))
                actions.append(Action(name=f"tool{j}", kind="tool", next=edges))
            node.actions = actions
        return ids

    def answers(self, level: Sequence[Node]) -> None:
        """Add the answer actions."""
        count = len(level) * self.n_answers
        first, second, probability = self._points(count), self._points(count), self._tenths(count)
        stochastic = (self.rng.integers(0, 2, size=count) == 1).tolist()
        for x, node in enumerate(level):
            actions = list(node.actions)
            for j in range(self.n_answers):
                i = x * self.n_answers + j
                a, b, p = self._point(first, i), self._point(second, i), probability[i]
                two = stochastic[i] and a != b
                edges = [self._outcome(p, a), self._outcome(10 - p, b)] if two else [self._outcome(10, a)]
                actions.append(Action(name=f"answer{j}", kind="answer", next=edges))
            node.actions = actions

    def _tenths(self, count: int) -> list[int]:
        return list(self.rng.integers(1, 10, size=count).tolist())

    def _points(self, count: int) -> list[int]:
        return list(self.rng.integers(0, self.n_levels, size=count * self.n_components).tolist())

    def _point(self, points: list[int], i: int) -> tuple[int, ...]:
        return tuple(points[i * self.n_components : (i + 1) * self.n_components])

    def _outcome(self, tenths: int, point: tuple[int, ...]) -> Edge:
        key = (tenths, point)
        if key not in self.known:
            self.known[key] = Edge(probability=TENTHS[tenths], rewards=tuple(self.grid[i] for i in point))
        return self.known[key]


def _check_capacity(prompts: int, tools: int, max_tool_depth: int) -> None:
    expected, level = 0, Fraction(prompts)
    for _ in range(max_tool_depth + 1):
        expected += int(level)
        if expected > NODE_LIMIT:
            raise CapacityError(
                f"random_tree: more than {NODE_LIMIT} nodes expected; lower prompts ({prompts}), tools ({tools}) or "
                f"max_tool_depth ({max_tool_depth})"
            )
        if not level:
            break
        level *= tools * (1 + FAILURE_NODE)
