"""The claims of claims/geometry.py in rationals, square roots and balls."""

from bounds import symbols as s
from bounds.decision import TRIVIAL, Row
from bounds.enclosed.quantities import composite, norm, objective, rho, spectral_norm, spread, total_gradient
from bounds.exact_instance import ExactInstance
from tamdp_theory import TAMDP, CapacityError
from tamdp_theory.exact.balls import ONE, ZERO, BallLaw, Number, ball, is_zero, largest, moves, number, order, root

MAX_HESSIAN = 40  # parameters


def energy_rows(i: ExactInstance) -> list[Row]:
    """L2, L2.bound: the score energy over classes and over nodes."""
    env, law = i.env, i.law
    uneven = [ONE] * env.n_nodes
    for pair, x in enumerate(env.pair_node.tolist()):
        uneven[x] -= i.policy.probability[pair] * i.policy.probability[pair]
    nodes = sum((rho(env, int(env.node_prompt[x])) * law.visits[x] * uneven[x] for x in range(env.n_nodes)), ZERO)
    total = sum((rho(env, q) * one.energy for q in range(env.n_prompts) for one in law.classes[q]), ZERO)
    return [{s.energy: total, s.energy_nodes: nodes, s.H: env.horizon, s.A_max: env.n_actions}]


def hessian_rows(i: ExactInstance) -> list[Row]:
    """L3: the norm of the Hessian, summed over trajectories."""
    rewards = [[number(c) for c in composite(i.env, q)] for q in range(i.env.n_prompts)]
    return [{s.hessian: spectral_norm(hessian(i, rewards)), s.osc: _largest_range(i.env)}]


def hessian(i: ExactInstance, rewards: list[list[Number]], only: int | None = None) -> list[list[Number]]:
    """sum_q rho_q of the Hessian of the mean of a reward, one number for each class of each prompt; of one prompt,
    without its rho. CapacityError where it is too large.
    """
    env, law, size = i.env, i.law, i.policy.size
    if size > MAX_HESSIAN:
        raise CapacityError(
            f"{env.name}: the Hessian of {size} parameters is too large to enclose; use a smaller instance"
        )
    total = [[ZERO] * size for _ in range(size)]
    curvature: dict[int, dict[tuple[int, int], Number]] = {}
    for pair, x in enumerate(env.pair_node.tolist()):
        block = curvature.setdefault(x, {})
        for a, u in i.policy.scores[pair].items():
            for b, v in i.policy.scores[pair].items():
                block[a, b] = block.get((a, b), ZERO) + i.policy.probability[pair] * u * v
    for q in range(env.n_prompts) if only is None else [only]:
        first = int(env.prompt_classes[q][0])
        for path in law.paths[q]:
            weight = path.probability * rewards[q][path.reward_class - first]
            if is_zero(weight):
                continue
            if only is None:
                weight = weight * rho(env, q)
            score = {a: v for a, v in enumerate(law.score(path)) if not is_zero(v)}
            for a, u in score.items():
                for b, v in score.items():
                    total[a][b] += weight * u * v
            for pair in path.taken:
                for (a, b), bend in curvature[int(env.pair_node[pair])].items():
                    total[a][b] -= weight * bend
    return total


def _largest_range(env: TAMDP) -> Number:
    return largest([rho(env, q) * spread(env, q) for q in range(env.n_prompts)])


def comparator(law: BallLaw) -> tuple[list[int], list[Number], list[Number]]:
    """The optimal deterministic policy with the smallest C (ties of value decided exactly): the pair at each node,
    J*_q, and C_q.
    """
    env = law.env
    value: list[Number] = [ZERO] * env.n_nodes + [number(c) for c in env.exact_class_composite]
    cost: list[Number] = [ZERO] * (env.n_nodes + env.n_classes)
    chosen = [0] * env.n_nodes
    for x in reversed(order(env)):
        worth: dict[int, Number] = {}
        price: dict[int, Number] = {}
        for pair, p, target in moves(env, x):
            worth[pair] = worth.get(pair, ZERO) + p * value[target]
            price[pair] = price.get(pair, ZERO) + p * p * cost[target]
        best = max(worth.values())
        for pair in worth:
            reach = law.visits[x] * law.policy.probability[pair]
            price[pair] = price[pair] + ONE / (reach * reach)
        chosen[x] = min(
            (pair for pair in worth if worth[pair] == best), key=lambda pair: float(ball(price[pair]).mid())
        )
        value[x], cost[x] = best, price[chosen[x]]
    visits = _visits_of(env, chosen)
    squares = [ZERO] * env.n_prompts
    for x, d in enumerate(visits):
        if d != 0:
            ratio = d / (law.visits[x] * law.policy.probability[chosen[x]])
            squares[int(env.node_prompt[x])] += ratio * ratio
    return chosen, [value[x] for x in env.prompt_start.tolist()], [root(v) for v in squares]


def _visits_of(env: TAMDP, chosen: list[int]) -> list[Number]:
    visits = [ZERO] * env.n_nodes
    for x in env.prompt_start.tolist():
        visits[x] = ONE
    for x in order(env):
        for pair, p, target in moves(env, x):
            if pair == chosen[x] and target < env.n_nodes:
                visits[target] += visits[x] * p
    return visits


def domination_rows(i: ExactInstance) -> list[Row]:
    """L4: shortfall, constant and gradient."""
    law = i.law
    _, optimum, constants = comparator(law)
    best = sum((rho(i.env, q) * v for q, v in enumerate(optimum)), ZERO)
    current = sum((rho(i.env, q) * objective(law, q) for q in range(i.env.n_prompts)), ZERO)
    ceiling = sum((rho(i.env, q) * spread(i.env, q) for q in range(i.env.n_prompts)), ZERO)
    return [
        {
            s.J_star: best,
            s.J: current,
            s.C_theta: norm(constants),
            s.grad_J: norm(total_gradient(law)),
            TRIVIAL: ceiling,
        }
    ]
