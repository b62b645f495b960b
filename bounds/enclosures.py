"""The numbers of each claim in rationals and balls: what certificates rest on.

Every function takes an ``ExactInstance`` and returns rows, each a number for every quantity of the claim's statement.
They share no floating-point code with the measures in lemmas.py, theorem1.py and theorem2.py: trajectories are walked,
groups are summed as multisets (``tamdp_theory.exact.balls``). Where a measure follows a random direction, here every
coordinate is a row of its own.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import combinations_with_replacement
from math import comb, factorial, prod

import numpy as np
from flint import arb, arb_mat

from bounds import symbols as s
from bounds.decision import TRIVIAL, Row
from bounds.exact_instance import ExactInstance
from tamdp_theory import TAMDP, CapacityError, InputError
from tamdp_theory.exact.ball_numbers import bits_of, check_effort, effort
from tamdp_theory.exact.balls import (
    ONE,
    ZERO,
    BallGroup,
    BallLaw,
    BallPolicy,
    ClassTerms,
    Number,
    Path,
    absolute,
    ball,
    combine,
    dot,
    gradient_of,
    group_of,
    is_zero,
    largest,
    moves,
    number,
    order,
    prompt_update,
    root,
)
from tamdp_theory.exact.surds import Total

MAX_GROUPS = 20_000  # of trajectories, listed one by one
MAX_MEMBERS = 200_000  # of all groups that are listed
FIXED_LAWS = (
    (1, 1, 1, 1, 1, 1, 1, 1),
    (1, 2, 3, 5, 7, 11, 13, 17),
    (8, 1, 5, 2, 9, 3, 4, 7),
)  # weights of class laws to look at


def rho(env: TAMDP, q: int) -> Number:
    """Probability of a prompt."""
    return number(env.exact_prompt_probability[q])


def probabilities(terms: tuple[ClassTerms, ...]) -> list[Number]:
    """P_m."""
    return [one.probability for one in terms]


def norm(vector: list[Number]) -> Number:
    """Euclidean norm."""
    return root(dot(vector, vector))


def composite(env: TAMDP, q: int) -> list[Fraction]:
    """c of a prompt's classes."""
    return [env.exact_class_composite[c] for c in env.prompt_classes[q].tolist()]


def spread(env: TAMDP, q: int) -> Number:
    """osc(c) over a prompt's classes."""
    return number(max(composite(env, q)) - min(composite(env, q)))


def reward(env: TAMDP, q: int, k: int) -> list[Fraction]:
    """R_k of a prompt's classes."""
    return [env.exact_class_rewards[c][k] for c in env.prompt_classes[q].tolist()]


def total_gradient(law: BallLaw) -> list[Number]:
    """grad J."""
    result = [ZERO] * law.policy.size
    for q in range(law.env.n_prompts):
        result = [x + rho(law.env, q) * g for x, g in zip(result, gradient_of(law, q), strict=True)]
    return result


def objective(law: BallLaw, q: int) -> Number:
    """J_q."""
    return sum((number(c) * p for c, p in zip(composite(law.env, q), probabilities(law.classes[q]), strict=True)), ZERO)


# -- lemmas -------------------------------------------------------------------------------------------------------


def divergence_rows(i: ExactInstance) -> list[Row]:
    if i.reference is None:
        raise CapacityError("this claim compares with a reference policy; the instance has none")
    law = i.law
    ratio = [ball(a / b).log() for a, b in zip(i.policy.probability, i.reference.probability, strict=True)]
    direct = ZERO
    for q, own in enumerate(law.paths):
        direct += rho(i.env, q) * sum(
            (path.probability * sum((ratio[pair] for pair in path.taken), ZERO) for path in own), ZERO
        )
    per_node = [ZERO] * i.env.n_nodes
    for pair, x in enumerate(i.env.pair_node.tolist()):
        per_node[x] += i.policy.probability[pair] * ratio[pair]
    chain = sum(
        (rho(i.env, int(i.env.node_prompt[x])) * law.visits[x] * per_node[x] for x in range(i.env.n_nodes)), ZERO
    )
    return [{s.kl: direct, s.kl_chain: chain, s.kl_max: largest(per_node), s.H: i.env.horizon}]


def energy_rows(i: ExactInstance) -> list[Row]:
    env, law = i.env, i.law
    uneven = [ONE] * env.n_nodes
    for pair, x in enumerate(env.pair_node.tolist()):
        uneven[x] -= i.policy.probability[pair] * i.policy.probability[pair]
    nodes = sum((rho(env, int(env.node_prompt[x])) * law.visits[x] * uneven[x] for x in range(env.n_nodes)), ZERO)
    total = sum((rho(env, q) * one.energy for q in range(env.n_prompts) for one in law.classes[q]), ZERO)
    return [{s.energy: total, s.energy_nodes: nodes, s.H: env.horizon, s.A_max: env.n_actions}]


def hessian_rows(i: ExactInstance) -> list[Row]:
    env, law, size = i.env, i.law, i.policy.size
    if size > 40:
        raise CapacityError(
            f"{env.name}: the Hessian of {size} parameters is too large to enclose; use a smaller instance"
        )
    total = [[ZERO] * size for _ in range(size)]
    curvature: dict[int, list[list[Number]]] = {}
    for pair, x in enumerate(env.pair_node.tolist()):
        block = curvature.setdefault(x, [[ZERO] * size for _ in range(size)])
        for a, u in i.policy.scores[pair].items():
            for b, v in i.policy.scores[pair].items():
                block[a][b] += i.policy.probability[pair] * u * v
    for q, own in enumerate(law.paths):
        for path in own:
            weight = rho(env, q) * path.probability * number(env.exact_class_composite[path.reward_class])
            if is_zero(weight):
                continue
            score = law.score(path)
            for a in range(size):
                for b in range(size):
                    bend = sum((curvature[int(env.pair_node[pair])][a][b] for pair in path.taken), ZERO)
                    total[a][b] += weight * (score[a] * score[b] - bend)
    return [{s.hessian: spectral_norm(total), s.osc: _largest_range(env)}]


def spectral_norm(matrix: list[list[Number]]) -> Number:
    """Norm of a symmetric matrix: of each block that is connected by entries not known to be zero, exactly where it has
    rank one.
    """
    left, norms = set(range(len(matrix))), [ZERO]
    while left:
        block, queue = [], [min(left)]
        while queue:
            row = queue.pop()
            if row in left:
                left.remove(row)
                block.append(row)
                queue += [column for column in left if not is_zero(matrix[row][column])]
        norms.append(_block_norm([[matrix[a][b] for b in sorted(block)] for a in sorted(block)]))
    return largest(norms)


def _block_norm(block: list[list[Number]]) -> Number:
    """Norm of one block. Of rank one it is the trace; else between a Rayleigh quotient and a bound by what is left off
    the diagonal.

    Approximate eigenvectors V are a hint only: for any V with E = V'V - I small, max |D_ii| / (V'V)_ii <= norm <= (max
    |D_ii| + ||off D||_F) / (1 - ||E||_F), D = V'HV. The width is about 1e-15 of the norm, whatever the precision.
    """
    size = len(block)
    if all(
        is_zero(block[a][b] * block[0][0] - block[a][0] * block[0][b]) for a in range(size) for b in range(size)
    ) and not is_zero(block[0][0]):
        return absolute(sum((block[a][a] for a in range(size)), ZERO))
    middle = np.array([[float(ball(v).mid()) for v in row] for row in block])
    hint = arb_mat(np.linalg.eigh((middle + middle.T) / 2)[1].tolist())
    gram = (hint.transpose() * hint).tolist()
    diagonal = (hint.transpose() * arb_mat([[ball(v) for v in row] for row in block]) * hint).tolist()
    lower = largest([absolute(diagonal[j][j]) / gram[j][j] for j in range(size)])
    off = sum((diagonal[a][b] * diagonal[a][b] for a in range(size) for b in range(size) if a != b), ZERO)
    error = sum(((gram[a][b] - (a == b)) * (gram[a][b] - (a == b)) for a in range(size) for b in range(size)), ZERO)
    upper = (largest([absolute(diagonal[j][j]) for j in range(size)]) + root(ball(off))) / (1 - root(ball(error)))
    return lower.union(upper)


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


def check_groups(name: str, kinds: int, size: int, limit: int) -> None:
    """CapacityError where groups of ``size`` out of ``kinds`` are more than ``limit``, or too long to be looked at one
    by one.
    """
    count = comb(kinds + size - 1, kinds - 1) if kinds < 10**4 else limit + 1
    if count > limit or count * size > MAX_MEMBERS:
        raise CapacityError(
            f"{name}: groups of {size} out of {kinds} are more than {limit:,} groups or {MAX_MEMBERS:,} members to "
            f"look at; use a smaller instance or group"
        )


def trajectory_groups(law: BallLaw, q: int, size: int) -> Iterator[tuple[tuple[Path, ...], Number]]:
    """Multisets of a prompt's trajectories and their probabilities."""
    own = law.paths[q]
    check_groups(law.env.name, len(own), size, MAX_GROUPS)
    for group in combinations_with_replacement(range(len(own)), size):
        ways = factorial(size) // prod(factorial(group.count(j)) for j in set(group))
        yield tuple(own[j] for j in group), prod((own[j].probability for j in group), start=number(ways))


def group_estimate(
    law: BallLaw, q: int, group: BallGroup, members: tuple[Path, ...], scores: Mapping[tuple[int, ...], list[Number]]
) -> list[Number]:
    """g of one group of trajectories (d,)."""
    first = int(law.env.prompt_classes[q][0])
    classes = [path.reward_class - first for path in members]
    found = group.advantages(tuple(sorted(classes)))
    size = law.policy.size
    total = [ZERO] * size
    for path, m in zip(members, classes, strict=True):
        if not is_zero(found[m]):
            total = [x + found[m] * v for x, v in zip(total, scores[path.taken], strict=True)]
    return [x / group.size for x in total]


def _direct(i: ExactInstance) -> tuple[list[Number], Number]:
    """m and E||g||^2 by listing groups of trajectories."""
    law = i.law
    mean, variance = [ZERO] * i.policy.size, ZERO
    for q in range(i.env.n_prompts):
        group = group_of(i.env, q, i.scheme)
        scores = {path.taken: law.score(path) for path in law.paths[q]}
        first, second = [ZERO] * i.policy.size, ZERO
        for members, p in trajectory_groups(law, q, i.scheme.group_size):
            g = group_estimate(law, q, group, members, scores)
            first = [x + p * v for x, v in zip(first, g, strict=True)]
            second += p * dot(g, g)
        mean = [x + rho(i.env, q) * v for x, v in zip(mean, first, strict=True)]
        variance += rho(i.env, q) * rho(i.env, q) * (second - dot(first, first))
    return mean, variance + dot(mean, mean)


def update_of(i: ExactInstance, law: BallLaw | None = None) -> tuple[list[Number], Number]:
    """m and V from the group moments."""
    law = law or i.law
    mean, variance = [ZERO] * i.policy.size, ZERO
    for q in range(i.env.n_prompts):
        step, noise = prompt_update(law, q, i.scheme)
        mean = [x + rho(i.env, q) * v for x, v in zip(mean, step, strict=True)]
        variance += rho(i.env, q) * rho(i.env, q) * noise
    return mean, variance


def effective_reward_rows(i: ExactInstance) -> list[Row]:
    direct, law = _direct(i)[0], update_of(i)[0]
    return [{s.mean_direct: x, s.mean_law: y} for x, y in zip(direct, law, strict=True)]


def second_moment_rows(i: ExactInstance) -> list[Row]:
    mean, variance = update_of(i)
    return [{s.second_direct: _direct(i)[1], s.second_law: variance + dot(mean, mean)}]


def two_valued_terms(i: ExactInstance, q: int) -> list[tuple[Number, list[int], Number]] | None:
    """(weight, 1 where a class has the larger value, spread) of each standardized reward that varies; None if one has
    three values.
    """
    if i.scheme.normalization == "normalize_then_sum":
        columns = [(number(w), reward(i.env, q, k)) for k, w in enumerate(i.env.exact_weights) if w]
    else:
        columns = [(ONE, composite(i.env, q))]
    if any(len(set(values)) > 2 for _, values in columns):
        return None
    return [
        (w, [int(v == max(values)) for v in values], number(max(values) - min(values)))
        for w, values in columns
        if len(set(values)) == 2
    ]


def _all_terms(i: ExactInstance) -> list[tuple[int, list[int]]]:
    """(prompt, 1 where a class has the larger value) of each standardized reward; none if one of them has
    three values.
    """
    found = [] if i.scheme.normalization == "center" else [two_valued_terms(i, q) for q in range(i.env.n_prompts)]
    return (
        []
        if any(one is None for one in found)
        else [(q, high) for q, one in enumerate(found) for _, high, _ in one or []]
    )


def slope_of_potential(p: Number, size: int, eps: Fraction, ddof: int, spread: Number) -> Number:
    """Psi_G'(p), term by term: d/dp I_p(s, G - s) = (G-1)!/((s-1)! (G-s-1)!) p^(s-1) (1-p)^(G-s-1)."""
    check_effort(
        effort(4 * size, size * bits_of([p])),
        f"the potential of groups of {size}",
        "use a smaller group or probabilities of fewer digits",
    )
    total, ways = Total(), size - 1
    for successes in range(1, size):
        scale = root(number(Fraction(successes * (size - successes), size * (size - ddof)))) + number(eps) / spread
        total.add(_pow(p, successes - 1) * _pow(1 - p, size - successes - 1) * ways / (size * scale))
        ways = ways * (size - successes - 1) // successes
    return total.value


def _pow(base: Number, power: int) -> Number:
    """A power; of zero to the zero one."""
    return ONE if power == 0 else base**power


def potential_rows(i: ExactInstance) -> list[Row]:
    law, scheme = i.policy.law(), i.scheme  # the potential knows nothing of how the estimator weighs actions
    slope = [ZERO] * i.policy.size
    for q, terms in enumerate(law.classes):
        if scheme.normalization == "center":
            slope = [x + i.kappa * rho(i.env, q) * g for x, g in zip(slope, gradient_of(law, q), strict=True)]
            continue
        found = two_valued_terms(i, q)
        if found is None:
            return []
        for weight, high, spread in found:
            p = sum((one.probability for one, h in zip(terms, high, strict=True) if h), ZERO)
            psi = slope_of_potential(p, scheme.group_size, i.eps, scheme.ddof, spread)
            rise = combine([number(h) for h in high], terms, i.policy.size)
            slope = [x + rho(i.env, q) * weight * psi * g for x, g in zip(slope, rise, strict=True)]
    return [{s.slope_potential: x, s.mean_law: y} for x, y in zip(slope, update_of(i)[0], strict=True)]


def slopes_rows(i: ExactInstance) -> list[Row]:
    rows: list[Row] = []
    law, size = i.law, i.scheme.group_size
    half = slope_of_potential(number(Fraction(1, 2)), size, Fraction(0), 0, ONE)
    for q, high in _all_terms(i):
        p = sum((one.probability for one, h in zip(law.classes[q], high, strict=True) if h), ZERO)
        rows.append({s.psi: slope_of_potential(p, size, Fraction(0), 0, ONE), s.psi_half: half, s.G: size})
    return rows


def _fixed_laws(count: int) -> list[list[Number]]:
    rows = [[FIXED_LAWS[j][m % 8] + m // 8 for m in range(count)] for j in range(len(FIXED_LAWS))]
    return [[number(Fraction(v, sum(row))) for v in row] for row in rows]


def curl_pair_rows(i: ExactInstance) -> list[Row]:
    values = next((v for v in (sorted(set(composite(i.env, q))) for q in range(i.env.n_prompts)) if len(v) >= 3), None)
    if values is None:
        return []
    chosen = (values[0], values[len(values) // 2], values[-1])
    group = BallGroup(
        ((Fraction(1), chosen),), i.scheme.group_size, i.eps, i.scheme.ddof, i.scheme.normalization == "center"
    )
    rows: list[Row] = []
    for law in _fixed_laws(3):
        given = group.given_pair(law)
        skew = [[(given[n][m] - given[m][n]) * (group.size - 1) for n in range(3)] for m in range(3)]
        # (e_mid - e_low)' skew (e_top - e_low)
        rows.append({s.curl_pair: skew[1][2] - skew[1][0] - skew[0][2] + skew[0][0]})
    return rows


def variance_rows(i: ExactInstance) -> list[Row]:
    law = i.law
    energy = sum((rho(i.env, q) ** 2 * one.energy for q in range(i.env.n_prompts) for one in law.classes[q]), ZERO)
    squares = sum((w * w for w in i.env.exact_weights), Fraction(0))
    return [
        {
            s.variance: update_of(i, law)[1],
            s.kappa: i.kappa,
            s.W: i.total_weight,
            s.G: i.scheme.group_size,
            s.K: i.env.n_components,
            s.w_squares: squares,
            s.energy_squared_rho: energy,
        }
    ]


def variance_component_rows(i: ExactInstance) -> list[Row]:
    law, size = i.law, i.scheme.group_size
    rows: list[Row] = []
    for q, high in _all_terms(i):
        terms = law.classes[q]
        group = BallGroup(((Fraction(1), tuple(Fraction(h) for h in high)),), size)
        h, second, cross = group.moments(probabilities(terms))
        noise = sum((a * one.energy for a, one in zip(second, terms, strict=True)), ZERO) / size
        for m, left in enumerate(terms):
            for n, right in enumerate(terms):
                noise += (i.kappa * cross[m][n] - h[m] * h[n]) * dot(left.gradient, right.gradient)
        p = sum((one.probability for one, up in zip(terms, high, strict=True) if up), ZERO)
        above = sum((one.energy for one, up in zip(terms, high, strict=True) if up), ZERO)
        below = sum((one.energy for one, up in zip(terms, high, strict=True) if not up), ZERO)
        rows.append({s.variance_k: noise, s.p: p, s.energy_high: above / p, s.energy_low: below / (1 - p), s.G: size})
    return rows


def variance_decomposed_rows(i: ExactInstance) -> list[Row]:
    if i.scheme.normalization == "center" or any(two_valued_terms(i, q) is None for q in range(i.env.n_prompts)):
        return []
    law = i.law
    total = i.total_weight if i.scheme.normalization == "normalize_then_sum" else ONE
    return [
        {s.variance: prompt_update(law, q, i.scheme)[1], s.H: i.env.horizon, s.W: total, s.G: i.scheme.group_size}
        for q in range(i.env.n_prompts)
    ]


def leave_one_out_rows(i: ExactInstance) -> list[Row]:
    law = i.law
    rows: list[Row] = []
    for q, terms in enumerate(law.classes):
        c = [number(v) for v in composite(i.env, q)]
        bits = 2 * bits_of(c) + 2 * bits_of(one.probability for one in terms)
        check_effort(
            effort(len(terms) ** 2 * i.policy.size, bits),
            f"pairs of {len(terms)} rewards",
            "use fewer rewards, or of fewer digits",
        )
        mean, gradient = objective(law, q), gradient_of(law, q)
        projection = sum(((v - mean) * (v - mean) * one.energy for v, one in zip(c, terms, strict=True)), ZERO) - dot(
            gradient, gradient
        )
        kernel = -dot(gradient, gradient)
        for a, left in zip(c, terms, strict=True):
            for b, right in zip(c, terms, strict=True):
                cross = (
                    left.energy * right.probability
                    + right.energy * left.probability
                    - 2 * dot(left.gradient, right.gradient)
                )
                kernel += (a - b) ** 2 * cross / 4
        noise = prompt_update(law, q, i.scheme)[1] / i.kappa**2
        rows.append(
            {s.variance: noise, s.trace_projection: projection, s.trace_kernel: kernel, s.G: i.scheme.group_size}
        )
    return rows


# -- Theorem 1 ----------------------------------------------------------------------------------------------------


def drift_rows(i: ExactInstance) -> list[Row]:
    law = i.law
    drift = dot(total_gradient(law), update_of(i, law)[0])
    return [] if drift >= 0 and "witness" not in i.without else [{s.drift: drift}]


def scaling_rows(i: ExactInstance) -> list[Row]:
    if i.env.n_prompts > 1:
        raise InputError("speaks of one prompt; the process has more")
    law = i.law
    by_value: dict[Fraction, Number] = {}
    for c, one in zip(composite(i.env, 0), law.classes[0], strict=True):
        by_value[c] = by_value.get(c, ZERO) + one.probability
    size = i.scheme.group_size
    check_effort(
        effort(size.bit_length(), size * bits_of(by_value.values())),
        f"powers {size} of probabilities",
        "use a smaller group",
    )
    silent = sum((_pow(p, size) for p in by_value.values()), ZERO)
    energy = sum((one.energy for one in law.classes[0]), ZERO)
    noise = prompt_update(law, 0, i.scheme)[1]
    return [{s.variance: noise, s.energy: energy, s.silent: silent, s.K: i.env.n_components, s.G: i.scheme.group_size}]


def exponent_rows(i: ExactInstance) -> list[Row]:
    count = i.env.n_components
    alone = i.env.with_weights((1, *[0] * (count - 1)))
    single = BallPolicy(alone, i.policy.probability, i.policy.scores, i.policy.size, i.policy.is_tabular)
    everything, one = update_of(i)[1], update_of(ExactInstance(alone, single, i.scheme))[1]
    ratio = everything / one
    powers = [n for n in range(5) if not isinstance(ratio, arb) and ratio == count**n]
    return [{s.exponent_K: powers[0] if powers else ball(ratio).log() / arb(count).log()}]
