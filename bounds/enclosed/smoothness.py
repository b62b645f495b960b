"""The claims of claims/smoothness.py in rationals, square roots and balls."""

from fractions import Fraction

from bounds import symbols as s
from bounds.decision import Row
from bounds.directions import node_directions, pair_directions
from bounds.enclosed.geometry import hessian
from bounds.enclosed.quantities import (
    composite,
    curvature_of_potential,
    norm,
    objective,
    objective_constants,
    rho,
    slope_of_potential,
    spectral_norm,
    two_valued_terms,
)
from bounds.exact_instance import ExactInstance
from tamdp_theory.exact.balls import ZERO, Number, ball, combine, is_zero, largest, number, root
from tamdp_theory.exact.shape import trees


def node_rows(i: ExactInstance) -> list[Row]:
    """L3.node: each node with several actions, along a few directions of integers."""
    rows: list[Row] = []
    for first, count in zip(i.env.pair_start.tolist(), i.env.pair_count.tolist(), strict=True):
        pi = i.policy.probability[first : first + count]
        for direction in node_directions(count) if count > 1 else []:
            v = [number(Fraction(x)) for x in direction]
            mean = sum((p * x for p, x in zip(pi, v, strict=True)), ZERO)
            squares = [(x - mean) * (x - mean) for x in v]
            spread = sum((p * w for p, w in zip(pi, squares, strict=True)), ZERO)
            fourth = sum((p * (w - spread) * (w - spread) for p, w in zip(pi, squares, strict=True)), ZERO)
            middle = sum(v, ZERO) / count
            reach = sum(((x - middle) * (x - middle) for x in v), ZERO)
            rows.append({s.node_fourth: fourth, s.node_spread: spread, s.node_reach: reach})
    return rows


def martingale_rows(i: ExactInstance) -> list[Row]:
    """L3.martingale, L3.dag.martingale: each prompt along a few directions of integers."""
    env = i.env
    rows: list[Row] = []
    for direction in pair_directions(env):
        v = [number(Fraction(x)) for x in direction]
        w, spread = list(v), [ZERO] * env.n_nodes
        for x, (first, count) in enumerate(zip(env.pair_start.tolist(), env.pair_count.tolist(), strict=True)):
            own = range(first, first + count)
            mean = sum((i.policy.probability[a] * v[a] for a in own), ZERO)
            for a in own:
                w[a] = v[a] - mean
                spread[x] += i.policy.probability[a] * w[a] * w[a]
        for q, paths in enumerate(i.law.paths):
            squared, energy = ZERO, ZERO
            for path in paths:
                along = sum((w[a] for a in path.taken), ZERO)
                bent = along * along - sum((spread[int(env.pair_node[a])] for a in path.taken), ZERO)
                squared += path.probability * bent * bent
                energy += path.probability * along * along
            length = sum((v[a] * v[a] for a in range(env.n_pairs) if env.pair_prompt[a] == q), ZERO)
            rows.append({s.martingale: squared, s.along_squared: energy, s.direction_squared: length})
    return rows


def prompt_rows(i: ExactInstance) -> list[Row]:
    """L3.sd, L3.dag.sd: the Hessian of each prompt and the deviation of its composite."""
    rows: list[Row] = []
    for q in range(i.env.n_prompts):
        own = [[number(c) for c in composite(i.env, other)] for other in range(i.env.n_prompts)]
        mean = objective(i.law, q)
        variance = sum(
            (one.probability * (c - mean) * (c - mean) for one, c in zip(i.law.classes[q], own[q], strict=True)), ZERO
        )
        rows.append({s.hessian_prompt: spectral_norm(hessian(i, own, only=q)), s.sd_prompt: root(variance)})
    return rows


def event_rows(i: ExactInstance) -> list[Row]:
    """L2.log: each reward class of each prompt as an event, and the larger half of them together."""
    rows: list[Row] = []
    for terms in i.law.classes:
        half = range(len(terms) // 2, len(terms))
        for event in [*([m] for m in range(len(terms))), half]:
            chosen = [number(Fraction(int(m in event))) for m in range(len(terms))]
            p = sum((terms[m].probability for m in event), ZERO)
            if not is_zero(p) and not is_zero(1 - p):
                rows.append({s.grad_log: norm(combine(chosen, terms, i.policy.size)) / p, s.event: p})
    return rows


def energy_of_event_rows(i: ExactInstance) -> list[Row]:
    """L2.log.square: the score's largest mean square given each reward class."""
    rows: list[Row] = []
    size = i.policy.size
    for q, terms in enumerate(i.law.classes):
        first = int(i.env.prompt_classes[q][0])
        for m, one in enumerate(terms):
            if is_zero(one.probability) or is_zero(1 - one.probability):
                continue
            square = [[ZERO] * size for _ in range(size)]
            for path in i.law.paths[q]:
                if path.reward_class - first == m:
                    score = {a: v for a, v in enumerate(i.law.score(path)) if not is_zero(v)}
                    for a, u in score.items():
                        for b, v in score.items():
                            square[a][b] += path.probability * u * v / one.probability
            rows.append({s.energy_event: spectral_norm(square), s.event: one.probability})
    return rows


def potential_rows(i: ExactInstance) -> list[Row]:
    """L7.smooth, L7.sharp: the Hessian of F."""
    env, size = i.env, i.policy.size
    rewards = [[ZERO] * len(classes) for classes in env.prompt_classes]
    bends: list[tuple[Number, list[Number]]] = []
    reach = [ZERO] * env.n_prompts
    for q, terms in enumerate(i.law.classes):
        found = two_valued_terms(i, q)
        if found is None:
            return []
        for weight, high, spread in found:
            p = sum((one.probability for one, h in zip(terms, high, strict=True) if h), ZERO)
            settings = (p, i.scheme.group_size, i.eps, i.scheme.ddof, spread)
            slope = weight * slope_of_potential(*settings)
            rewards[q] = [r + slope * h for r, h in zip(rewards[q], high, strict=True)]
            rise = combine([number(h) for h in high], terms, size)
            bends.append((rho(env, q) * weight * curvature_of_potential(*settings), rise))
            reach[q] += rho(env, q) * weight
    total = hessian(i, rewards)
    for bend, rise in bends:
        total = [[x + bend * u * v for x, v in zip(row, rise, strict=True)] for row, u in zip(total, rise, strict=True)]
    return [{s.hessian_F: spectral_norm(total), s.L: potential_smoothness(i), s.weight_rho: largest(reach)}]


def potential_smoothness(i: ExactInstance) -> Number:
    """L of two-valued rewards."""
    weights = [
        rho(i.env, q) * sum((weight for weight, _, _ in two_valued_terms(i, q) or ()), ZERO)
        for q in range(i.env.n_prompts)
    ]
    return largest([weight * c for weight, c in zip(weights, _constants(i), strict=True)])


def _constants(i: ExactInstance) -> list[Number]:
    """The constants of L7.smooth, prompt by prompt: those of J where psi is constant, else by the graph."""
    size = i.scheme.group_size
    if size <= 3:
        return [root(number(size - 1)) * constant for constant in objective_constants(i.env)]
    half = number(Fraction(1, 2))
    elsewhere = largest([half, ball(root(number(size - 1)) * number(Fraction(57, 200))).min(ball(root(half)))])
    return [half if tree else elsewhere for tree in trees(i.env).tolist()]
