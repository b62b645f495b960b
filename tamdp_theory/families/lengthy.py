"""Answers of different lengths: an arm leads to outcomes with a reward and a length, in tokens.

An outcome of one token ends the trajectory; a longer one goes on to a node with a single action that takes the rest of
the tokens, so it has no score and H <= 2. Source: the examples of theory.md section 11 (T5.drift).

Facts, with pi the policy: J = sum_a pi(a) E[c | a], as in ``bandit``; lengths change nothing but the estimators that
look at them.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import TypeAlias

from tamdp_theory.document import Action, Edge, Node
from tamdp_theory.errors import InputError
from tamdp_theory.families._build import Number, document, probability, sequence, uniform
from tamdp_theory.model import TAMDP

Outcome: TypeAlias = tuple[Number, Number, int]


def lengthy(arms: Sequence[Sequence[Outcome]], name: str = "lengthy") -> TAMDP:
    """Return a process with one prompt whose answers differ in length.

    arms: at least one; each a sequence of (probability, reward, length): probabilities in (0, 1] that sum to one,
    rewards in [0, 1], lengths from 1 up, in tokens.

    >>> lengthy([[(1, 1, 2)], [("1/2", 0, 1), ("1/2", 1, 5)]]).by_length.class_length.tolist()
    [1, 2, 5]

    Raises InputError naming the arm. Facts: see the module.
    """
    actions, rest = [], []
    for a, arm in enumerate(sequence(arms, "arms")):
        edges = []
        for i, outcome in enumerate(sequence(arm, f"arms[{a}]")):
            place = f"arms[{a}][{i}]"
            parts = sequence(outcome, place)
            if len(parts) != 3:
                raise InputError(f"{place}: expected (probability, reward, length), got {len(parts)} entries")
            chance, reward, length = probability(parts[0], f"{place}[0]", positive=True), parts[1], parts[2]
            if not isinstance(length, int) or isinstance(length, bool) or length < 1:
                raise InputError(f"{place}[2]: a length must be an integer from 1 up, got {length!r}")
            if length == 1:
                edges.append(Edge(probability=chance, rewards=[reward]))
                continue
            node = f"q0/arm{a}/{i}"
            edges.append(Edge(probability=chance, node=node))
            end = Action(name="rest", kind="answer", next=[Edge(probability=1, rewards=[reward])], tokens=length - 1)
            rest.append(Node(id=node, depth=0, observation=node, actions=[end]))
        actions.append(Action(name=f"arm{a}", kind="answer", next=edges))
    if not actions:
        raise InputError("arms: empty; a prompt needs at least one arm")
    nodes = [Node(id="q0", depth=0, observation="q0", actions=actions), *rest]
    return document(name, 0, ["reward"], weights=[Fraction(1)], prompts=uniform(["q0"]), nodes=nodes)
