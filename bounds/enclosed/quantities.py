"""Exact quantities that the rows of several claims are made of.

Trajectories are walked, groups are summed as multisets (``tamdp_theory.exact.balls``).
"""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import combinations_with_replacement
from math import comb, factorial, prod

import numpy as np
from flint import arb_mat

from bounds.exact_instance import ExactInstance
from bounds.structure import is_standardized
from tamdp_theory import TAMDP, CapacityError
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
    dot,
    gradient_of,
    is_zero,
    largest,
    moves,
    number,
    order,
    prompt_update,
    root,
)
from tamdp_theory.exact.shape import objective_claims
from tamdp_theory.exact.surds import Total

MAX_GROUPS = 20_000  # of trajectories, listed one by one
MAX_MEMBERS = 200_000  # of all groups that are listed


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


def objective_constants(env: TAMDP) -> list[Number]:
    """The least proved constant of each prompt's smoothness: L3.bandit, L3.trees or L3.all."""
    constants = {
        "L3.bandit": 1 / (3 * root(number(3))),
        "L3.trees": number(Fraction(9, 40)),
        "L3.all": number(Fraction(57, 200)),
    }
    return [constants[claim] for claim in objective_claims(env)]


def smoothness(env: TAMDP) -> Number:
    """L_J."""
    return largest([rho(env, q) * constant * spread(env, q) for q, constant in enumerate(objective_constants(env))])


def objective(law: BallLaw, q: int) -> Number:
    """J_q."""
    return sum((number(c) * p for c, p in zip(composite(law.env, q), probabilities(law.classes[q]), strict=True)), ZERO)


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


def update_of(i: ExactInstance, law: BallLaw | None = None) -> tuple[list[Number], Number]:
    """m and V from the group moments."""
    law = law or i.law
    mean, variance = [ZERO] * i.policy.size, ZERO
    for q in range(i.env.n_prompts):
        step, noise = prompt_update(law, q, i.scheme)
        mean = [x + rho(i.env, q) * v for x, v in zip(mean, step, strict=True)]
        variance += rho(i.env, q) * rho(i.env, q) * noise
    return mean, variance


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
    """g of one group of trajectories (d,).

    Args:
        law: of the trajectories.
        q: the prompt.
        group: advantages of its classes.
        members: the group's trajectories (G,).
        scores: of each trajectory by what it took (d,).
    """
    first = int(law.env.prompt_classes[q][0])
    classes = [path.reward_class - first for path in members]
    found = group.advantages(tuple(sorted(classes)))
    size = law.policy.size
    total = [ZERO] * size
    for path, m in zip(members, classes, strict=True):
        if not is_zero(found[m]):
            total = [x + found[m] * v for x, v in zip(total, scores[path.taken], strict=True)]
    return [x / group.size for x in total]


def pow(base: Number, power: int) -> Number:
    """A power; of zero to the zero one."""
    return ONE if power == 0 else base**power


def two_valued_terms(i: ExactInstance, q: int) -> list[tuple[Number, list[int], Number]] | None:
    """(weight, 1 where a class has the larger value, spread) of each standardized reward that varies; None if one has
    three values, or nothing is standardized.
    """
    rows = [i.env.exact_class_rewards[c] for c in i.env.prompt_classes[q].tolist()]
    columns = [(number(w), values) for w, values in i.scheme.estimator.columns(rows, i.env.exact_weights) if w]
    if not is_standardized(i.scheme) or any(len(set(values)) > 2 for _, values in columns):
        return None
    return [
        (w, [int(v == max(values)) for v in values], number(max(values) - min(values)))
        for w, values in columns
        if len(set(values)) == 2
    ]


def curvature_of_potential(p: Number, size: int, eps: Fraction, ddof: int, spread: Number) -> Number:
    """Psi_G''(p), the derivative of a polynomial in Bernstein form; arguments as of ``slope_of_potential``."""
    if size == 2:
        return ZERO
    scale = [
        root(number(Fraction(k * (size - k), size * (size - ddof)))) + number(eps) / spread for k in range(1, size)
    ]
    slopes = [number(Fraction(size - 1, size)) / v for v in scale]
    degree = size - 2
    return sum(
        (
            (slopes[j + 1] - slopes[j]) * comb(degree - 1, j) * pow(p, j) * pow(1 - p, degree - 1 - j) * degree
            for j in range(degree)
        ),
        ZERO,
    )


def slope_of_potential(p: Number, size: int, eps: Fraction, ddof: int, spread: Number) -> Number:
    """Psi_G'(p), term by term: d/dp I_p(s, G - s) = (G-1)!/((s-1)! (G-s-1)!) p^(s-1) (1-p)^(G-s-1).

    Args:
        p: probability of the larger value.
        size: G.
        eps, ddof: of the scheme.
        spread: distance of the two values, > 0.
    """
    check_effort(
        effort(4 * size, size * bits_of([p])),
        f"the potential of groups of {size}",
        "use a smaller group or probabilities of fewer digits",
    )
    total, ways = Total(), size - 1
    for successes in range(1, size):
        scale = root(number(Fraction(successes * (size - successes), size * (size - ddof)))) + number(eps) / spread
        total.add(pow(p, successes - 1) * pow(1 - p, size - successes - 1) * ways / (size * scale))
        ways = ways * (size - successes - 1) // successes
    return total.value


def potential_at(p: Number, size: int, eps: Fraction, ddof: int, spread: Number) -> Number:
    """Psi_G(p): Pr[Bin(G - 1, p) >= s] over G times the deviation of s successes, summed; as ``slope_of_potential``."""
    tails, total = ZERO, ZERO
    for successes in range(size - 1, 0, -1):
        tails += pow(p, successes) * pow(1 - p, size - 1 - successes) * comb(size - 1, successes)
        scale = root(number(Fraction(successes * (size - successes), size * (size - ddof)))) + number(eps) / spread
        total += tails / (size * scale)
    return total


def mean_of(policy: BallPolicy, q: int, values: list[Number]) -> Number:
    """E of a number of each class of a prompt, backwards through its nodes."""
    return _backwards(
        policy.env, q, values, lambda worth, pairs: sum((policy.probability[a] * worth[a] for a in pairs), ZERO)
    )


def best_of(env: TAMDP, q: int, values: list[Number]) -> Number:
    """The largest mean over policies."""
    return _backwards(env, q, values, lambda worth, pairs: largest([worth[a] for a in pairs]))


def _backwards(
    env: TAMDP, q: int, values: list[Number], choose: Callable[[dict[int, Number], range], Number]
) -> Number:
    first = int(env.prompt_classes[q][0])
    found: dict[int, Number] = {}
    for x in reversed(order(env)):
        if int(env.node_prompt[x]) != q:
            continue
        worth: dict[int, Number] = {}
        for pair, p, target in moves(env, x):
            value = found[target] if target < env.n_nodes else values[target - env.n_nodes - first]
            worth[pair] = worth.get(pair, ZERO) + p * value
        start = int(env.pair_start[x])
        found[x] = choose(worth, range(start, start + int(env.pair_count[x])))
    return found[int(env.prompt_start[q])]
