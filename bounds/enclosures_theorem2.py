"""The numbers of Theorem 2's claims in rationals and balls (enclosures.py says how)."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import combinations_with_replacement
from math import comb, inf

import numpy as np

from bounds import symbols as s
from bounds.decision import TRIVIAL, Row
from bounds.enclosures import (
    check_groups,
    comparator,
    composite,
    group_estimate,
    norm,
    objective,
    probabilities,
    reward,
    rho,
    slope_of_potential,
    spectral_norm,
    spread,
    total_gradient,
    trajectory_groups,
    update_of,
)
from bounds.exact_instance import ExactInstance
from bounds.structure import weighted_columns
from tamdp_theory import CapacityError, InputError
from tamdp_theory.exact import Normalization, Scheme
from tamdp_theory.exact.ball_numbers import check_effort, effort
from tamdp_theory.exact.balls import (
    ONE,
    ZERO,
    BallGroup,
    BallLaw,
    Number,
    absolute,
    ball,
    combine,
    curl_norm,
    dot,
    group_of,
    is_zero,
    largest,
    moves,
    number,
    order,
    root,
    softmax,
)

_FAR = 10**12  # factors beyond this help no bound
MAX_SINGLE = 2000  # groups of classes looked at one by one


def _groups(i: ExactInstance, q: int) -> Iterator[tuple[int, ...]]:
    if i.groups is not None:
        yield from i.groups
        return
    kinds, size, components = len(composite(i.env, q)), i.scheme.group_size, i.env.n_components
    check_groups(i.env.name, kinds, size, MAX_SINGLE)
    work = comb(kinds + size - 1, size) * components * (size + 10 * components)
    check_effort(
        effort(work, 50),
        f"{i.env.name}: groups of {components} components",
        "use a smaller instance, or fewer components",
    )
    yield from combinations_with_replacement(range(kinds), size)


def _pair(i: ExactInstance, q: int) -> tuple[BallGroup, BallGroup]:
    return group_of(i.env, q, i.scheme, "sum_then_normalize"), group_of(i.env, q, i.scheme, "normalize_then_sum")


class Single:
    """One group in exact numbers: rational covariances of the components, deviations, advantages of the members."""

    def __init__(self, i: ExactInstance, q: int, group: tuple[int, ...]) -> None:
        env, size = i.env, i.scheme.group_size
        columns = [
            [values[m] for m in group]
            for values in (*(reward(env, q, k) for k in range(env.n_components)), composite(env, q))
        ]
        centred = [[v - sum(column, Fraction(0)) / size for v in column] for column in columns]
        free = size - i.scheme.ddof
        self.covariance = [
            [sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0)) / free for b in centred] for a in centred
        ]
        *parts, self.joint_deviation = centred
        self.deviations = parts
        self.sigma = [root(number(self.covariance[k][k])) for k in range(env.n_components)]
        self.sigma_c = root(number(self.covariance[-1][-1]))
        self.weights = env.exact_weights

    def correlation(self) -> list[list[Number]]:
        """C, 0 in rows of silent components."""
        count = len(self.sigma)

        def entry(k: int, m: int) -> Number:
            own, other, both = self.covariance[k][k], self.covariance[m][m], self.covariance[k][m]
            return ZERO if not (own and other) else number(both) / root(number(own * other))

        return [[entry(k, m) for m in range(count)] for k in range(count)]

    def gap(self) -> list[Number]:
        """z."""
        joint = self.covariance[-1][-1]
        shares = [ZERO if not joint else root(number(self.covariance[k][k] / joint)) for k in range(len(self.sigma))]
        return [number(w) * (share - 1) for w, share in zip(self.weights, shares, strict=True)]


def identity_rows(i: ExactInstance) -> list[Row]:
    rows: list[Row] = []
    for q in range(i.env.n_prompts):
        alone = [
            BallGroup(((Fraction(1), tuple(reward(i.env, q, k))),), i.scheme.group_size, i.eps, i.scheme.ddof)
            for k in range(i.env.n_components)
        ]
        for group in _groups(i, q):
            one = Single(i, q, group)
            if one.covariance[-1][-1]:
                joint, parts = _pair(i, q)[0].advantages(group), [part.advantages(group) for part in alone]
                rows += [
                    {
                        s.A_joint: joint[m],
                        s.A_part: [part[m] for part in parts],
                        s.sigma: one.sigma,
                        s.sigma_c: one.sigma_c,
                        s.w: i.env.exact_weights,
                        s.K: i.env.n_components,
                    }
                    for m in set(group)
                ]
    return rows


def spread_rows(i: ExactInstance) -> list[Row]:
    return [
        {
            s.sigma_c: one.sigma_c,
            s.sigma: one.sigma,
            s.corr: one.correlation(),
            s.w: i.env.exact_weights,
            s.K: i.env.n_components,
        }
        for q in range(i.env.n_prompts)
        for group in _groups(i, q)
        for one in (Single(i, q, group),)
    ]


def advantage_gap_rows(i: ExactInstance) -> list[Row]:
    rows: list[Row] = []
    for q in range(i.env.n_prompts):
        joint, split = _pair(i, q)
        for group in _groups(i, q):
            one, a, b = Single(i, q, group), joint.advantages(group), split.advantages(group)
            rows.append(
                {
                    s.A_joint_of: [a[m] for m in group],
                    s.A_sum_of: [b[m] for m in group],
                    s.z: one.gap(),
                    s.corr: one.correlation(),
                    s.K: i.env.n_components,
                    s.G: i.scheme.group_size,
                    s.kappa_ddof: i.kappa if i.scheme.ddof else 1,
                }
            )
    return rows


def lossless_rows(i: ExactInstance) -> list[Row]:
    rows: list[Row] = []
    for q in range(i.env.n_prompts):
        contrast = group_of(i.env, q, i.scheme, share=Fraction(1))
        for group in _groups(i, q):
            one = Single(i, q, group)
            if not any(one.covariance[k][k] for k in range(len(one.sigma))):
                continue  # nothing varies
            correlation, gap = one.correlation(), one.gap()
            rows.append(
                {
                    s.gap_zero: _vanish(list(contrast.advantages(group).values())),
                    s.kernel_zero: _vanish([dot(row, gap) for row in correlation]),
                }
            )
    return rows


def lossless_exactly_rows(i: ExactInstance) -> list[Row]:
    rows: list[Row] = []
    for q in range(i.env.n_prompts):
        contrast = group_of(i.env, q, i.scheme, share=Fraction(1))
        for group in _groups(i, q):
            one = Single(i, q, group)
            if one.covariance[-1][-1]:
                rows.append(
                    {
                        s.gap_zero: _vanish(list(contrast.advantages(group).values())),
                        s.together: int(moves_together(one)),
                    }
                )
    return rows


def _vanish(values: list[Number]) -> int:
    if all(is_zero(v) for v in values):
        return 1
    if any(v > 0 or v < 0 for v in values):
        return 0
    raise CapacityError("a ball around zero: no finite precision decides whether it vanishes")


def chosen_rows(i: ExactInstance, name: str, fits: Callable[[Single], bool]) -> list[Row]:
    rows: list[Row] = []
    for q in range(i.env.n_prompts):
        joint, split = _pair(i, q)
        for group in _groups(i, q):
            if name in i.without or fits(Single(i, q, group)):
                a, b = joint.advantages(group), split.advantages(group)
                rows += [
                    {s.A_joint: a[m], s.A_sum: b[m], s.K: i.env.n_components, s.W: i.total_weight} for m in set(group)
                ]
    return rows


def moves_together(one: Single) -> bool:
    c, components = one.covariance, [k for k, w in enumerate(one.weights) if w]
    return all(c[k][k] and c[k][m] > 0 and c[k][m] ** 2 == c[k][k] * c[m][m] for k in components for m in components)


def uncorrelated(one: Single) -> bool:
    c, components = one.covariance, range(len(one.sigma))
    alike = all(c[k][k] == c[0][0] and c[0][0] for k in components) and len(set(one.weights)) == 1
    return alike and all(not c[k][m] for k in components for m in range(k))


def gradient_gap_rows(i: ExactInstance) -> list[Row]:
    law = i.law
    rows: list[Row] = []
    for q, terms in enumerate(law.classes):
        p = probabilities(terms)
        joint, split = ([*group.first(p)] for group in _pair(i, q))
        gamma = sum((x * y for x, y in zip(p, split[1], strict=True)), ZERO)
        alpha = sum((x * y for x, y in zip(p, joint[1], strict=True)), ZERO)
        one = _mean_square(group_of(i.env, q, i.scheme, share=Fraction(1)), p)
        shares = [Fraction(1)]
        if gamma * _FAR > alpha:  # any share is allowed: one beyond reach is left out
            shares.append(Fraction(float(ball((alpha + gamma - one) / 2 / gamma).mid())).limit_denominator(10**9))
        energy = sum((t.energy for t in terms), ZERO)
        top = _top(law, q)
        for share in shares:
            gap = _mean_square(group_of(i.env, q, i.scheme, share=share), p)
            if gap > 0:
                distance = combine(
                    [x - number(share) * y for x, y in zip(joint[0], split[0], strict=True)], terms, i.policy.size
                )
                rows.append(
                    {s.gap_norm: norm(distance), s.kappa: i.kappa, s.Q_gap: gap, s.lambda_max: top, s.energy: energy}
                )
    return rows


def _mean_square(group: BallGroup, p: list[Number]) -> Number:
    return sum((x * y for x, y in zip(p, group.first(p)[1], strict=True)), ZERO)


def _top(law: BallLaw, q: int) -> Number:
    """Largest eigenvalue of E[s s^T | q]; increments at distinct nodes are orthogonal in the mean, so tabular scores
    have a block for each node.
    """
    size, env, pi = law.policy.size, law.env, law.policy.probability
    if law.policy.is_tabular and law.think_weight == 1:
        norms = []
        for x in np.flatnonzero(env.node_prompt == q).tolist():
            own = range(int(env.pair_start[x]), int(env.pair_start[x] + env.pair_count[x]))
            norms.append(
                law.visits[x] * spectral_norm([[(pi[a] if a == b else ZERO) - pi[a] * pi[b] for b in own] for a in own])
            )
        return largest(norms)
    if size > 40:
        raise CapacityError(
            f"{law.env.name}: a matrix of {size} parameters is too large to enclose; use a smaller instance"
        )
    total = [[ZERO] * size for _ in range(size)]
    for path in law.paths[q]:
        score = law.score(path)
        for a in range(size):
            for b in range(size):
                total[a][b] += path.probability * score[a] * score[b]
    return spectral_norm(total)


def center_is_linear_rows(i: ExactInstance) -> list[Row]:
    """The composite's update by its group moments, the components' by policy gradients: kappa E[s (R_k - J_k)]."""
    law, count = i.law, i.env.n_components
    parts = [[ZERO] * i.policy.size for _ in range(count)]
    for q, terms in enumerate(law.classes):
        for k in range(count):
            values = [number(v) for v in reward(i.env, q, k)]
            mean = dot(values, probabilities(terms))
            step = combine([v - mean for v in values], terms, i.policy.size)
            parts[k] = [x + rho(i.env, q) * i.kappa * g for x, g in zip(parts[k], step, strict=True)]
    whole = update_of(i, law)[0]
    return [
        {s.mean_center: x, s.mean_center_of: [part[j] for part in parts], s.w: i.env.exact_weights, s.K: count}
        for j, x in enumerate(whole)
    ]


def _star(i: ExactInstance, law: BallLaw) -> tuple[list[list[Number]], list[Number], list[Number]]:
    """Class laws under the comparator, J*_q and C_q."""
    chosen, optimum, constants = comparator(law)
    return best_laws(i, chosen), optimum, constants


def best_laws(i: ExactInstance, chosen: list[int]) -> list[list[Number]]:
    """Law of the classes of each prompt under a deterministic policy."""
    env = i.env
    reach = [ZERO] * (env.n_nodes + env.n_classes)
    for x in env.prompt_start.tolist():
        reach[x] = ONE
    for x in order(env):
        for pair, p, target in moves(env, x):
            if pair == chosen[x]:
                reach[target] += reach[x] * p
    return [[reach[env.n_nodes + c] for c in classes.tolist()] for classes in env.prompt_classes]


def _scale(
    columns: list[tuple[Number, list[Number], list[Number]]], tv: Number, slope: Number
) -> tuple[Fraction, list[Number]]:
    """A rational mu near the best one, and the range of R - mu h of each column (weight, R, h): any mu is allowed."""
    kinks = {Fraction(0)}
    for _, values, effective in columns:
        for a in range(len(values)):
            for b in range(a):
                change = float(ball(effective[a] - effective[b]).mid())
                if change:
                    kink = float(ball(values[a] - values[b]).mid()) / change
                    if 0 < kink < inf:
                        kinks.add(Fraction(kink).limit_denominator(10**12) if kink > 1e-3 else Fraction(kink))

    def ranges(mu: Fraction) -> list[Number]:
        residual = [
            [v - number(mu) * h for v, h in zip(values, effective, strict=True)] for _, values, effective in columns
        ]
        return [largest(one) + largest([-v for v in one]) for one in residual]

    def value(mu: Fraction) -> float:
        return float(
            ball(
                tv * sum((w * r for (w, _, _), r in zip(columns, ranges(mu), strict=True)), ZERO) + number(mu) * slope
            ).mid()
        )

    best = min(kinks, key=value)
    return best, ranges(best)


def suboptimality_rows(i: ExactInstance, split: bool = False) -> list[Row]:
    law = i.law
    stars, optimum, constants = _star(i, law)
    rows: list[Row] = []
    for q, terms in enumerate(law.classes):
        p, star = probabilities(terms), stars[q]
        tv = sum((absolute(a - b) for a, b in zip(p, star, strict=True)), ZERO) / 2
        h = group_of(i.env, q, i.scheme).first(p)[0]
        step = norm(combine(h, terms, i.policy.size))
        columns = [(ONE, [number(c) for c in composite(i.env, q)], h)]
        if split:
            columns = [
                (number(w), [number(v) for v in reward(i.env, q, k)], _alone(i, q, k).first(p)[0])
                for k, w in enumerate(i.env.exact_weights)
            ]
        mu, ranges = _scale(columns, tv, constants[q] * step)
        row = {
            s.J_star: optimum[q],
            s.J: objective(law, q),
            s.tv: tv,
            s.mu: mu,
            s.C_star: constants[q],
            s.m_norm: step,
            s.K: i.env.n_components,
        }
        # at mu = 0, or without an update, the row is osc(c) TV, or the sum of it over components: no better, it is true
        # whatever the update
        free = tv * sum((w * (largest(values) + largest([-v for v in values])) for w, values, _ in columns), ZERO)
        bound = (
            tv * sum((w * r for (w, _, _), r in zip(columns, ranges, strict=True)), ZERO)
            + number(mu) * constants[q] * step
        )
        useless = spread(i.env, q) if mu != 0 and not is_zero(step) and bound < free else ZERO
        rows.append(
            {**row, s.osc_residual: ranges[0], s.osc_residual_of: ranges, s.w: i.env.exact_weights, TRIVIAL: useless}
        )
    return [row for row in rows if row[TRIVIAL] != 0] or rows


def _alone(i: ExactInstance, q: int, k: int) -> BallGroup:
    return BallGroup(((Fraction(1), tuple(reward(i.env, q, k))),), i.scheme.group_size, i.eps, i.scheme.ddof)


def signed_rows(i: ExactInstance, solvable: bool) -> list[Row]:
    law, env = i.law, i.env
    stars, optimum, constants = _star(i, law)
    rows: list[Row] = []
    for q, terms in enumerate(law.classes):
        p = probabilities(terms)
        varies = [k for k, w in enumerate(env.exact_weights) if w and len(set(reward(env, q, k))) > 1]
        if not varies:
            continue
        now, best = (
            [dot([number(v) for v in reward(env, q, k)], one) for k in range(env.n_components)] for one in (p, stars[q])
        )
        if solvable and "solvable" not in i.without and not all(best[k] >= now[k] for k in varies):
            return []
        psi = [
            slope_of_potential(now[k], i.scheme.group_size, i.eps, i.scheme.ddof, ONE) if k in varies else ZERO
            for k in range(env.n_components)
        ]
        step = norm(combine(group_of(env, q, i.scheme).first(p)[0], terms, i.policy.size))
        active = [psi[k] for k in varies]
        least = -largest([-v for v in active])
        for extreme in (largest(active),) if solvable else (largest(active), least):
            rows.append(
                {
                    s.J_star: optimum[q],
                    s.J: objective(law, q),
                    s.C_star: constants[q],
                    s.m_norm: step,
                    s.psi_min: least,
                    s.psi_of: psi,
                    s.p_of: now,
                    s.p_star_of: best,
                    s.w: env.exact_weights,
                    s.K: env.n_components,
                    s.mu: ONE / extreme,
                    TRIVIAL: spread(env, q),
                }
            )
    return rows


def benefit_rows(i: ExactInstance) -> list[Row]:
    """E J(theta + eta g) - J(theta) over every group; tabular logits move by eta rho_q g_q, so pi is multiplied by
    exponentials.
    """
    law, env = i.law, i.env
    smooth = (
        largest([rho(env, q) * number(max(composite(env, q)) - min(composite(env, q))) for q in range(env.n_prompts)])
        / 2
    )
    gradient = total_gradient(law)
    names: tuple[Normalization, Normalization] = ("sum_then_normalize", "normalize_then_sum")
    rows: list[Row] = []
    for name in names:
        scheme = Scheme(i.scheme.group_size, name, i.scheme.eps, i.scheme.ddof)
        mean, variance = update_of(ExactInstance(env, i.policy, scheme), law)
        drift, second = dot(gradient, mean), variance + dot(mean, mean)
        if not (drift > 0 and second > 0 and smooth > 0):
            continue
        eta, gain = drift / (smooth * second), ZERO
        for q in range(env.n_prompts):
            group, scores = group_of(env, q, scheme), {path.taken: law.score(path) for path in law.paths[q]}
            after = ZERO
            for members, p in trajectory_groups(law, q, scheme.group_size):
                g = group_estimate(law, q, group, members, scores)
                after += p * (
                    _moved(i, q, [eta * rho(env, q) * v for v in g])
                    if any(not is_zero(v) for v in g)
                    else objective(law, q)
                )
            gain += rho(env, q) * (after - objective(law, q))
        rows.append({s.one_step: gain, s.drift: drift, s.L_J: smooth, s.second_law: second})
    return rows


def _moved(i: ExactInstance, q: int, shift: list[Number]) -> Number:
    """J_q at the tabular policy with logits log pi + shift."""
    if not i.policy.is_tabular:
        raise InputError("the gain of one step in shared parameters has no exact form; use a tabular policy")
    env = i.env
    tilt = softmax(env, shift)
    value: list[Number] = [ZERO] * env.n_nodes + [number(c) for c in env.exact_class_composite]
    for x in reversed(order(env)):
        if int(env.node_prompt[x]) == q:
            worth, total = ZERO, ZERO
            for pair, p, target in moves(env, x):
                weight = i.policy.probability[pair] * tilt[pair]
                worth += weight * p * value[target]
            for pair in range(int(env.pair_start[x]), int(env.pair_start[x] + env.pair_count[x])):
                total += i.policy.probability[pair] * tilt[pair]
            value[x] = worth / total
    return value[int(env.prompt_start[q])]


def open_rows(i: ExactInstance) -> list[Row]:
    if len(set(composite(i.env, 0))) < 3:
        return []
    return [{s.curl_norm: curl_norm(group_of(i.env, 0, i.scheme), probabilities(i.law.classes[0]))}]


def cancel_rows(i: ExactInstance) -> list[Row]:
    rows: list[Row] = []
    if not any(len(set(values)) > 1 for values in weighted_columns(i.env)):
        return rows
    for q in range(i.env.n_prompts):
        split = group_of(i.env, q, i.scheme, "normalize_then_sum")
        rows += [
            {s.A_largest: largest([absolute(a) for a in split.advantages(group).values()])} for group in _groups(i, q)
        ]
    return rows


def printed_rows(i: ExactInstance) -> list[Row]:
    if i.reference is None:
        raise CapacityError(
            "this claim compares with the policy that drew the group; the instance names none as reference"
        )
    law, env = i.law, i.env
    rows: list[Row] = []
    for q in range(env.n_prompts):
        joint, split = _pair(i, q)
        first = int(env.prompt_classes[q][0])
        ratios = {}
        for path in law.paths[q]:
            ratio = ONE
            for pair in path.taken:
                ratio = ratio * i.policy.probability[pair] / i.reference.probability[pair]
            ratios[path.taken] = ratio
        for members, _ in trajectory_groups(law, q, i.scheme.group_size):
            group = tuple(sorted(path.reward_class - first for path in members))
            sides = [
                sum((ratios[path.taken] * found.advantages(group)[path.reward_class - first] for path in members), ZERO)
                / i.scheme.group_size
                for found in (joint, split)
            ]
            factor = sum((ratios[path.taken] for path in members), ZERO) / i.scheme.group_size
            rows.append(
                {
                    s.S_joint: sides[0],
                    s.S_dec: sides[1],
                    s.Delta: printed_delta(Single(i, q, group)),
                    s.printed_factor: factor,
                }
            )
    return rows


def printed_delta(one: Single) -> Number:
    """The paper's Delta of a group: the largest |(c_i - mean c) - sum_k w_k (R_ki - mean R_k)| / sigma_c, 0 where
    nothing is left to divide.
    """
    rest = [
        c - sum((w * part[j] for w, part in zip(one.weights, one.deviations, strict=True)), Fraction(0))
        for j, c in enumerate(one.joint_deviation)
    ]
    return number(max(map(abs, rest))) / one.sigma_c if any(rest) else ZERO
