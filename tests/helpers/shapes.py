"""The shape of a process by walking it, and the smoothness that follows; shares no code with the package's."""

from fractions import Fraction
from math import sqrt

from tamdp_theory import TAMDP
from tamdp_theory.exact import balls


def walked_trees(env: TAMDP) -> list[bool]:
    """Whether no node of a prompt is reached by two histories of (node, action)."""
    found = []
    for start in env.prompt_start.tolist():
        histories: dict[int, set[tuple[tuple[int, int], ...]]] = {}
        waiting: list[tuple[int, tuple[tuple[int, int], ...]]] = [(start, ())]
        while waiting:
            x, history = waiting.pop()
            if x >= env.n_nodes or history in histories.setdefault(x, set()):
                continue
            histories[x].add(history)
            waiting += [(target, (*history, (x, pair))) for pair, _, target in balls.moves(env, x)]
        found.append(all(len(one) == 1 for one in histories.values()))
    return found


def walked_smoothness(env: TAMDP) -> float:
    """max_q rho_q C_q osc_q(c): 1/(3 sqrt 3) with one node, 9/40 on trees, else 57/200."""
    found = []
    for q, tree in enumerate(walked_trees(env)):
        nodes = [x for x in range(env.n_nodes) if env.node_prompt[x] == q]
        rewards = [env.exact_class_composite[c] for c in env.prompt_classes[q].tolist()]
        constant = 1 / (3 * sqrt(3)) if len(nodes) == 1 else 9 / 40 if tree else 57 / 200
        found.append(float(Fraction(env.exact_prompt_probability[q]) * (max(rewards) - min(rewards))) * constant)
    return max(found)
