"""From the content of a tamdp/1 file to a process: what types cannot say is checked, each fault with its place in the
file.
"""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from tamdp_theory import graph
from tamdp_theory.document import Action, Document, Edge, Node
from tamdp_theory.errors import InputError, quote
from tamdp_theory.model import KINDS, TAMDP, Ints
from tamdp_theory.numbers import MAX_DIGITS, fraction, is_short, show

SUM_TOLERANCE = Fraction(1, 10**9)  # probabilities this close to one are rescaled to sum to one exactly
SMALLEST_PROBABILITY = Fraction(1, 10**300)  # float64 holds it
WEIGHT_RANGE = (Fraction(1, 10**100), Fraction(10**100))  # of the sum of the weights: float64 holds its squares


def compile_document(document: Document) -> TAMDP:
    """Check everything that types cannot say and compile to flat arrays."""
    if not 0 <= document.max_tool_depth < 2**31:
        raise InputError(f"max_tool_depth: must be 0 or more, got {document.max_tool_depth}")
    if not document.components:
        raise InputError("components: empty; a process needs at least one reward component")
    names = tuple(c.name for c in document.components)
    _require_unique(names, "components", "name")
    weights = read_weights([c.weight for c in document.components], names)
    if not document.prompts:
        raise InputError("prompts: empty; a process needs at least one prompt")
    if not document.nodes:
        raise InputError("nodes: empty; a process needs at least one node")
    _require_unique([p.name for p in document.prompts], "prompts", "name")
    node_ids = tuple(n.id for n in document.nodes)
    _require_unique(node_ids, "nodes", "id")
    index = {node_id: x for x, node_id in enumerate(node_ids)}
    rho = _distribution(
        [p.probability for p in document.prompts],
        "prompts",
        [f"prompts[{i}].probability" for i in range(len(document.prompts))],
    )
    start = [_node_index(index, p.start, f"prompts[{i}].start") for i, p in enumerate(document.prompts)]
    _require_unique(start, "prompts", "start node", node_ids)

    reader = _Reader(index, len(names))
    for x, node in enumerate(document.nodes):
        reader.node(x, node)
    depth = np.array([node.depth for node in document.nodes], dtype=np.int64)
    pair_node, edge_pair = np.array(reader.pair_node), np.array(reader.edge_pair)
    pair_kind, pair_tokens = np.array(reader.pair_kind), np.array(reader.pair_tokens)
    target = np.array(reader.edge_target)
    where = _places(document, pair_node, edge_pair)
    structure = graph.analyse(node_ids, np.array(start), pair_node[edge_pair], target, where)
    _check_depths(
        depth,
        document.max_tool_depth,
        np.array(start),
        pair_node=pair_node,
        pair_kind=pair_kind,
        edge_pair=edge_pair,
        target=target,
        where=where,
    )
    class_prompt, class_rewards, edge_class = _classes(structure.prompt[pair_node[edge_pair]], target, reader.outcomes)
    terminal = target < 0
    target = np.where(terminal, len(node_ids) + edge_class, target)
    arrays = [
        np.array(start),
        depth,
        structure.prompt,
        pair_node,
        pair_kind,
        edge_pair,
        target,
        np.array(reader.edge_number),
        class_prompt,
        structure.rank,
        pair_tokens,
    ]
    for array in arrays:
        array.setflags(write=False)
    return TAMDP(
        name=document.name,
        max_tool_depth=document.max_tool_depth,
        component_names=names,
        exact_weights=weights,
        prompt_names=tuple(p.name for p in document.prompts),
        exact_prompt_probability=rho,
        prompt_start=arrays[0],
        node_ids=node_ids,
        node_depth=arrays[1],
        node_prompt=arrays[2],
        observations=tuple(n.observation for n in document.nodes),
        action_names=tuple(reader.action_names),
        pair_node=arrays[3],
        pair_kind=arrays[4],
        edge_pair=arrays[5],
        edge_target=arrays[6],
        edge_number=arrays[7],
        numbers=tuple(reader.numbers),
        class_prompt=arrays[8],
        exact_class_rewards=class_rewards,
        node_rank=arrays[9],
        pair_tokens=arrays[10],
    )


def read_weights(weights: Iterable[Any], names: Sequence[str]) -> tuple[Fraction, ...]:
    """Return component weights as rationals; each >= 0, not all zero."""
    result = tuple(fraction(w, f"components[{k}].weight") for k, w in enumerate(weights))
    if len(result) != len(names):
        raise InputError(f"weights: {len(result)} given for {len(names)} components")
    for k, weight in enumerate(result):
        if weight < 0:
            raise InputError(f"components[{k}].weight: must not be negative, got {show(weight)}")
    total = sum(result, Fraction(0))
    if total == 0:
        raise InputError("components: the weights sum to 0; at least one must be positive")
    if not WEIGHT_RANGE[0] <= total <= WEIGHT_RANGE[1]:
        raise InputError(f"components: the weights sum to {show(total)}, beyond float64; rescale them")
    return result


class _Reader:
    """Collects the flat arrays while walking the nodes in file order."""

    def __init__(self, index: dict[str, int], n_components: int) -> None:
        self.index, self.n_components = index, n_components
        self.pair_node: list[int] = []
        self.pair_kind: list[int] = []
        self.pair_tokens: list[int] = []
        self.action_names: list[str] = []
        self.edge_pair: list[int] = []
        self.edge_target: list[int] = []  # a node, or -1 - (index into outcomes)
        self.edge_number: list[int] = []
        self.numbers: list[Fraction] = []
        self.outcomes: list[tuple[Fraction, ...]] = []
        self._number_index: dict[Fraction, int] = {}
        self._outcome_index: dict[tuple[Fraction, ...], int] = {}
        self._raw_outcomes: dict[tuple[Any, ...], int] = {}
        self._raw_distributions: dict[tuple[Any, ...], list[int]] = {}

    def node(self, x: int, node: Node) -> None:
        if not node.actions:
            raise InputError(f"nodes[{x}] ({quote(node.id)}): no actions; a decision point needs at least one")
        names: set[str] = set()
        for j, action in enumerate(node.actions):
            if action.name in names:
                raise InputError(
                    f"nodes[{x}].actions[{j}]: duplicate action name {quote(action.name)}; names are unique within a "
                    f"node"
                )
            names.add(action.name)
            self._action(x, j, action)

    def _action(self, x: int, j: int, action: Action) -> None:
        pair = len(self.pair_node)
        self.pair_node.append(x)
        self.pair_kind.append(KINDS.index(action.kind))
        self.pair_tokens.append(action.tokens)
        self.action_names.append(action.name)
        if not action.next:
            raise InputError(f"nodes[{x}].actions[{j}].next: empty; an action needs at least one successor")
        self.edge_number.extend(self._probabilities(x, j, action.next))
        for k, edge in enumerate(action.next):
            self.edge_pair.append(pair)
            if (edge.node is None) == (edge.rewards is None):
                raise InputError(f'nodes[{x}].actions[{j}].next[{k}]: give either "node" or "rewards"')
            if edge.node is not None:
                self.edge_target.append(_node_index(self.index, edge.node, f"nodes[{x}].actions[{j}].next[{k}].node"))
            elif edge.rewards is not None:
                self.edge_target.append(-1 - self._outcome(edge.rewards, x, j, k))

    def _probabilities(self, x: int, j: int, edges: Sequence[Edge]) -> list[int]:
        raw = tuple((type(e.probability), e.probability) for e in edges)
        try:
            return self._raw_distributions[raw]
        except (KeyError, TypeError):
            pass
        place = f"nodes[{x}].actions[{j}].next"
        numbers = _distribution(
            [e.probability for e in edges], place, [f"{place}[{k}].probability" for k in range(len(edges))]
        )
        indices = [self._number_index.setdefault(p, len(self._number_index)) for p in numbers]
        self.numbers.extend(list(self._number_index)[len(self.numbers) :])
        self._raw_distributions[raw] = indices
        return indices

    def _outcome(self, rewards: Sequence[Any], x: int, j: int, k: int) -> int:
        raw = tuple((type(r), r) for r in rewards)
        try:
            return self._raw_outcomes[raw]
        except (KeyError, TypeError):
            pass
        place = f"nodes[{x}].actions[{j}].next[{k}].rewards"
        if len(rewards) != self.n_components:
            raise InputError(f"{place}: {len(rewards)} rewards for {self.n_components} components")
        values = tuple(fraction(r, f"{place}[{c}]") for c, r in enumerate(rewards))
        for c, value in enumerate(values):
            if not 0 <= value <= 1:
                raise InputError(f"{place}[{c}]: reward {show(value)} is outside [0, 1]; rescale the component")
        if values not in self._outcome_index:
            self._outcome_index[values] = len(self.outcomes)
            self.outcomes.append(values)
        self._raw_outcomes[raw] = self._outcome_index[values]
        return self._outcome_index[values]


def _distribution(values: Sequence[Any], place: str, places: Sequence[str]) -> tuple[Fraction, ...]:
    """Rationals that sum to one exactly; decimals that miss one by rounding are rescaled."""
    numbers = tuple(fraction(v, p) for v, p in zip(values, places, strict=True))
    for number, where in zip(numbers, places, strict=True):
        if not 0 < number <= 1:
            raise InputError(f"{where}: {show(number)} is not in (0, 1]; leave out what cannot happen")
        if number < SMALLEST_PROBABILITY:
            raise InputError(f"{where}: smaller than 1e-300, beyond float64; leave out what practically cannot happen")
    total = sum(numbers, Fraction(0))
    if abs(total - 1) > SUM_TOLERANCE:
        raise InputError(f"{place}: probabilities sum to {show(total)}, not 1")
    if total == 1:
        return numbers
    numbers = tuple(number / total for number in numbers)
    if not all(is_short(number) for number in numbers):
        raise InputError(
            f"{place}: rescaled to sum to 1, the probabilities need more than {MAX_DIGITS} digits; round them"
        )
    return numbers


def _places(document: Document, pair_node: Ints, edge_pair: Ints) -> Callable[[int], str]:
    """Return a function that names the place of an edge in the file."""

    def place(edge: int) -> str:
        pair = int(edge_pair[edge])
        x = int(pair_node[pair])
        j = pair - int(np.searchsorted(pair_node, x))
        k = edge - int(np.searchsorted(edge_pair, pair))
        return f"nodes[{x}].actions[{j}].next[{k}]"

    return place


def _check_depths(
    depth: Ints,
    bound: int,
    start: Ints,
    pair_node: Ints,
    pair_kind: Ints,
    edge_pair: Ints,
    target: Ints,
    where: Callable[[int], str],
) -> None:
    for x in np.flatnonzero((depth < 0) | (depth > bound)).tolist():
        raise InputError(f"nodes[{x}].depth: {depth[x]} is not between 0 and max_tool_depth = {bound}")
    for i in np.flatnonzero(depth[start] != 0):
        raise InputError(
            f"prompts[{i}].start: the start node has depth {depth[start[i]]}; no tool was called yet, so it must be 0"
        )
    is_tool = pair_kind == KINDS.index("tool")
    for pair in np.flatnonzero(is_tool & (depth[pair_node] >= bound)).tolist():
        x = int(pair_node[pair])
        j = pair - int(np.searchsorted(pair_node, x))
        raise InputError(f"nodes[{x}].actions[{j}]: a tool call at depth {depth[x]} goes over max_tool_depth = {bound}")
    inner = np.flatnonzero(target >= 0)
    expected = (depth[pair_node] + is_tool)[edge_pair[inner]]
    for e in inner[depth[target[inner]] != expected].tolist():
        x, pair = int(target[e]), int(edge_pair[e])
        need = int(depth[pair_node[pair]] + is_tool[pair])
        raise InputError(f"{where(e)}.node: nodes[{x}] has depth {depth[x]}, but {need} tool calls lead to it here")


def _classes(
    edge_prompt: Ints, target: Ints, outcomes: Sequence[tuple[Fraction, ...]]
) -> tuple[Ints, tuple[tuple[Fraction, ...], ...], Ints]:
    """Number the classes by prompt and then by reward vector: prompts (C,), rewards, class of each edge
    (-1: a node).
    """
    order = sorted(range(len(outcomes)), key=outcomes.__getitem__)
    rank = np.empty(max(len(outcomes), 1), dtype=np.int64)
    rank[order] = np.arange(len(order))
    terminal = np.flatnonzero(target < 0)
    keys = edge_prompt[terminal] * len(outcomes) + rank[-1 - target[terminal]]
    unique, inverse = np.unique(keys, return_inverse=True)
    edge_class = np.full(len(target), -1)
    edge_class[terminal] = inverse
    rewards = tuple(outcomes[order[key % len(outcomes)]] for key in unique)
    return unique // len(outcomes), rewards, edge_class


def _node_index(index: dict[str, int], node_id: str, place: str) -> int:
    try:
        return index[node_id]
    except KeyError:
        raise InputError(f'{place}: unknown node {quote(node_id)}; add it to "nodes" or correct the name') from None


def _require_unique(values: Sequence[Any], place: str, what: str, names: Sequence[str] | None = None) -> None:
    seen: dict[Any, int] = {}
    for i, value in enumerate(values):
        if value in seen:
            shown = names[value] if names is not None else value
            raise InputError(
                f"{place}[{i}]: duplicate {what} {quote(shown)}, already used by {place}[{seen[value]}]; give each its "
                f"own"
            )
        seen[value] = i
