"""Sharper smoothness (L3.node to L3.dag, L2.log, L7.smooth): second derivatives through a martingale of the score."""

import numpy as np
import sympy as sp

from bounds import cost
from bounds import symbols as s
from bounds.claim import Claim
from bounds.claims.assumptions import LISTABLE, TABULAR, TREE, TWO_VALUED
from bounds.claims.geometry import hessian_of
from bounds.claims.schemes import SCALED
from bounds.comparison import Measured
from bounds.directions import node_directions, pair_directions
from bounds.enclosed import geometry
from bounds.enclosed import smoothness as enclosed
from bounds.instance import Instance
from bounds.structure import is_standardized
from bounds.verdicts import Standing
from tamdp_theory import exact
from tamdp_theory.exact import Scheme
from tamdp_theory.model import Floats

_LISTED = 100_000  # trajectories that a check lists
_EPS = (Scheme(4, "sum_then_normalize", 0.25, 1), Scheme(5, "normalize_then_sum", 0.1))


def _node(instance: Instance) -> Measured:
    """Each node with several actions, along a few directions of integers."""
    env, policy, rows = instance.env, instance.policy, []
    for x in np.flatnonzero(env.pair_count > 1).tolist():
        own = slice(int(env.pair_start[x]), int(env.pair_start[x] + env.pair_count[x]))
        pi = policy.pair_probability[own]
        for v in node_directions(len(pi)):
            w = v - pi @ v
            spread = float(pi @ w**2)
            rows.append((float(pi @ (w**2 - spread) ** 2), spread, float(((v - v.mean()) ** 2).sum()), len(pi)))
    if not rows:
        return Measured(numbers={}, empty="no node has two actions")
    fourth, spread, reach, actions = np.array(rows).T
    return Measured(
        numbers={s.node_fourth: fourth, s.node_spread: spread, s.node_reach: reach},
        attained=actions == 2,
        scale=0.0,
        error=1e-14 * (spread * reach + fourth),
    )


def _martingale(instance: Instance) -> Measured:
    """E N^2 and E M^2 of each prompt along a few directions, by listing trajectories."""
    env, pi = instance.env, instance.policy.pair_probability
    if exact.count_trajectories(env) > _LISTED:
        return Measured(numbers={}, assumptions={"listable": False})
    paths, rows = instance.trajectories, []
    law = paths.probability(instance.policy.pair_log_probability[:, None])[:, 0]
    for v in pair_directions(env):
        mean = env.node_sum((pi * v)[:, None])[:, 0]
        w = v - mean[env.pair_node]
        spread = env.node_sum((pi * w**2)[:, None])[:, 0]
        along = paths.visits @ w
        bent = along**2 - paths.visits @ spread[env.pair_node]
        for q in range(env.n_prompts):
            chance = law * (paths.prompt == q)
            # a direction that is constant at every node moves nothing
            rows.append((chance @ bent**2, chance @ along**2, (v[env.pair_prompt == q] ** 2).sum()))
    squared, energy, length = np.array(rows).T
    return Measured(
        numbers={s.martingale: squared, s.along_squared: energy, s.direction_squared: length},
        assumptions={"listable": True},
        scale=0.0,
        error=1e-13 * length**2,
    )


def _hessian_by_prompt(instance: Instance) -> Measured:
    """Blocks of the Hessian, each over its prompt's probability, against the deviation of the composite."""
    env, policy = instance.env, instance.policy
    norms, deviations = [], []
    for q, law in enumerate(instance.laws):
        if policy.is_tabular:
            own = np.unique(env.pair_parameter[env.pair_prompt == q])
            block = instance.hessian[np.ix_(own, own)]
        else:
            alone = np.where(np.isin(np.arange(env.n_classes), env.prompt_classes[q]), env.class_composite, 0.0)
            block = exact.hessian(env, policy, alone)
        norms.append(np.linalg.norm(block, 2) / env.prompt_probability[q])
        composite = law.rewards @ env.weights
        centred = composite - law.probability @ composite
        deviations.append(np.sqrt(law.probability @ centred**2))
    numbers = {s.hessian_prompt: np.array(norms), s.sd_prompt: np.array(deviations)}
    return Measured(numbers=numbers, scale=env.total_weight)


def _event(instance: Instance) -> Measured:
    """Each reward class of each prompt as an event, and the larger half of them together."""
    rows = [
        (np.sqrt(slope @ slope) / p, p)
        for law in instance.laws
        for p, slope in _events(law.probability, law.gradient)
        if 0 < p < 1
    ]
    if not rows:
        return Measured(numbers={}, empty="no event is uncertain")
    slope, probability = np.array(rows).T
    return Measured(numbers={s.grad_log: slope, s.event: probability}, scale=0.0)


def _events(probability: Floats, gradient: Floats) -> list[tuple[float, Floats]]:
    single = list(zip(probability.tolist(), gradient, strict=True))
    half = len(probability) // 2
    return [*single, (float(probability[half:].sum()), gradient[half:].sum(axis=0))]


def _energy_of_events(instance: Instance) -> Measured:
    """The score's mean square along its largest direction, given each reward class."""
    env, policy = instance.env, instance.policy
    if exact.count_trajectories(env) > _LISTED or env.n_pairs > _LISTED // 100:
        return Measured(numbers={}, assumptions={"listable": False})
    paths, rows = instance.trajectories, []
    law = paths.probability(policy.pair_log_probability[:, None])[:, 0]
    scores = paths.visits @ policy.scores()
    for q in range(env.n_prompts):
        for c in env.prompt_classes[q]:
            own = np.flatnonzero((paths.prompt == q) & (paths.reward_class == c))
            p = float(law[own].sum())
            if p > 0 and len(own) < np.count_nonzero(paths.prompt == q):  # a sum of chances need not be 1
                square = (scores[own].T * law[own]) @ scores[own] / p
                rows.append((float(np.linalg.eigvalsh(square)[-1]), p))
    if not rows:
        return Measured(numbers={}, assumptions={"listable": True}, empty="no event is uncertain")
    energy, probability = np.array(rows).T
    return Measured(numbers={s.energy_event: energy, s.event: probability}, assumptions={"listable": True})


def _potential(instance: Instance) -> Measured:
    """The Hessian of F: psi times that of each probability, and psi' times the square of its gradient."""
    potential = instance.potential if is_standardized(instance.scheme) else None
    conditions = {"two-valued": potential is not None}
    if potential is None:
        return Measured(numbers={}, assumptions=conditions)
    smooth = potential.smoothness
    if smooth == 0:
        return Measured(numbers={}, assumptions=conditions, empty="no reward varies")
    env, scheme = instance.env, instance.scheme
    success = potential.success(instance.policy).clip(0, 1)
    total, reward = 0.0, np.zeros(env.n_classes)
    for q, j in zip(*np.nonzero(potential.coefficient), strict=True):
        settings = (success[q, j], scheme.group_size, scheme.eps, scheme.ddof, potential.spread[q, j])
        own, weight = env.prompt_classes[q], potential.coefficient[q, j]
        reward[own] += weight * float(exact.potential_slope(*settings)) * potential.high[own, j]
        slope = potential.high[own, j] @ instance.laws[q].gradient
        bend = env.prompt_probability[q] * weight * float(exact.potential_curvature(*settings))
        total = total + bend * np.outer(slope, slope)
    found = exact.hessian(env, instance.policy, reward) + total
    numbers = {s.hessian_F: float(np.linalg.norm(found, 2)), s.L: smooth}
    return Measured(numbers=numbers, assumptions=conditions, scale=smooth)


def _sharp(instance: Instance) -> Measured:
    """As L7.smooth, with what the constant multiplies in its place."""
    found = _potential(instance)
    potential = instance.potential
    if s.L not in found.numbers or potential is None:
        return found
    reach = float((instance.env.prompt_probability * potential.coefficient.sum(axis=1)).max())
    numbers = {s.hessian_F: found.numbers[s.hessian_F], s.weight_rho: reach}
    return Measured(numbers=numbers, assumptions=found.assumptions, scale=reach)


CLAIMS = (
    Claim(
        id="L2.log",
        title="The gradient of a log-probability",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.grad_log**2, sp.log(1 / s.event)),
        measure=_event,
        reference="docs/theory.md",
        assumptions=(TABULAR,),
        proof=(
            r"Let $v$ be a unit direction. Along a trajectory $v^{\top}s$ is a sum of centred increments, each of "
            r"range at most $\sqrt{2}\|v_x\|$, and no node is visited twice, so the squared ranges add up to at most "
            r"2. Hoeffding: $\mathbb{E}\exp(\lambda v^{\top}s)\le\exp(\lambda^2/4)$. On the event, $\nabla\log "
            r"P=\mathbb{E}[s|P]$, so by Jensen $\lambda v^{\top}\nabla\log P\le\log(1/P)+\lambda^2/4$; take "
            r"$\lambda=2\sqrt{\log(1/P)}$ and the best $v$."
        ),
        enclose=enclosed.event_rows,
        cost=cost.passes,
    ),
    Claim(
        id="L2.log.square",
        title="The score along a direction, given an event",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.energy_event, sp.Rational(8, 7) * (sp.log(1 / s.event) + sp.log(8) / 2)),
        measure=_energy_of_events,
        reference="docs/theory.md",
        assumptions=(TABULAR, LISTABLE),
        proof=(
            r"Mix the inequality $\mathbb{E}\exp(\lambda v^{\top}s)\le\exp(\lambda^2/4)$ of L2.log over a normal "
            r"$\lambda$ of variance $2t$: $\mathbb{E}\exp(t(v^{\top}s)^2)\le(1-t)^{-1/2}$. Jensen on the event: "
            r"$t\,\mathbb{E}[(v^{\top}s)^2|P]\le\log(1/P)-\log(1-t)/2$; take $t=7/8$."
        ),
        depends_on=("L2.log",),
        enclose=enclosed.energy_of_event_rows,
    ),
    Claim(
        id="L3.node",
        title="Fourth moments at a node",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.node_fourth + 4 * s.node_spread**2, 2 * s.node_spread * s.node_reach),
        measure=_node,
        reference="docs/theory.md",
        proof=(
            r"Fix $v$, its mean and $S_x$. Then $\operatorname{Var}_x(w^2)$ is linear in $\pi$ up to the constant "
            r"$S_x^2$, so it is largest where $\pi$ has at most three atoms; actions without probability only raise "
            r"$b_x$. With two atoms the two sides are equal. With three atoms of gaps $x$, $y$, three times right "
            r"less left is "
            r"$\pi_1\pi_2x^2(x^2+xy+y^2+3y(x+y))+\pi_2\pi_3y^2(x^2+xy+y^2+3x(x+y))+\pi_1\pi_3(x+y)^2(x-y)^2\ge 0$."
        ),
        enclose=enclosed.node_rows,
    ),
    Claim(
        id="L3.martingale",
        title="The score's martingale on trees",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.martingale, 2 * s.along_squared * (s.direction_squared - 2 * s.along_squared)),
        measure=_martingale,
        reference="docs/theory.md",
        assumptions=(TABULAR, TREE, LISTABLE),
        proof=(
            r"By induction on the height. Let $\sigma^2=\mathbb{E}M^2$; for the part below action $a$ of the root "
            r"write $s_a=2\sigma_a^2$ and $B_a=s_a+f_a^2$ (by L2, $s_a\le B_a$), so that $\mathbb{E}N_a^2\le "
            r"s_af_a^2$ and $|\mathbb{E}M_aN_a|\le s_af_a/\sqrt{2}$. At the root $2\sigma^2=2S+\sum_a\pi_as_a$ and "
            r"$\mathbb{E}N^2=\operatorname{Var}(w^2)+\sum_a\pi_a(2w_a^2s_a+4w_a\mathbb{E}M_aN_a+\mathbb{E}N_a^2)$. "
            r"L3.node pays for the root's own term, products of different children have the right sign because "
            r"$B_b\ge\pi_bs_b$, and what is left is $\sum_aD_a$ with $D=2Sf^2-2\sqrt{2}\pi|w|sf+\pi(1-\pi)s^2+c_1s$, "
            r"$c_1=2S(1-2\pi)+\pi b-2\pi w^2$. The form in $(f,s)$ is positive semidefinite because $S\ge\pi "
            r"w^2/(1-\pi)$. For $\pi\le 1/2$ write $w=(1-\pi)z$: $S\ge\pi(1-\pi)z^2$ and $b\ge z^2/2$ give $c_1\ge "
            r"2\pi(1/2-\pi)^2z^2\ge 0$; for $\pi>1/2$, $c_1\ge 0$ after minimizing over the other actions' entries, "
            r"which needs two of their power sums alone. Random successors: $\sum_ip_is_i(B_i-s_i)\le s(B-s)$."
        ),
        depends_on=("L3.node",),
        enclose=enclosed.martingale_rows,
    ),
    Claim(
        id="L3.dag.martingale",
        title="The score's martingale on every process",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.martingale, s.direction_squared**2 / 2),
        measure=_martingale,
        reference="docs/theory.md",
        assumptions=(TABULAR, LISTABLE),
        proof=(
            r"Give every node $x$ a coin $a_x\sim\pi(\cdot|x)$ of its own. No path visits a node twice, so a path "
            r"reads independent coins one after another. Over all nodes let $\hat M=\sum_xw_x(a_x)$ and $\hat N=\hat "
            r"M^2-\sum_xS_x$: coins that were not read have mean zero and variance $S_x$, so $N$ is the mean of $\hat "
            r"N$ given the path, and $\mathbb{E}N^2\le\mathbb{E}\hat N^2=\sum_x\operatorname{Var}_x(w^2)+2\sum_{x\ne "
            r"y}S_xS_y$. By L3.node and $S_x\le b_x/2$ this is at most $\frac{1}{4}\sum_xb_x^2+\frac{1}{2}\sum_{x\ne "
            r"y}b_xb_y\le\frac{1}{2}\|v\|^4$."
        ),
        depends_on=("L3.node",),
        enclose=enclosed.martingale_rows,
    ),
    Claim(
        id="L3.sd",
        title="Smoothness by the deviation of the reward, on trees",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.hessian_prompt, s.sd_prompt / 2),
        measure=_hessian_by_prompt,
        reference="docs/theory.md",
        assumptions=(TABULAR, TREE),
        proof=(
            r"$N$ has mean zero, so $v^{\top}\nabla^2J_qv=\mathbb{E}[cN]=\operatorname{Cov}(c,N)$ is at most "
            r"$\sigma_q(c)(\mathbb{E}N^2)^{1/2}$ in size, and L3.martingale gives "
            r"$\mathbb{E}N^2\le\max_t2t(1-2t)=1/4$ for a unit $v$. Sharp: one coin with $p(1-p)=1/8$."
        ),
        depends_on=("L3.martingale",),
        enclose=enclosed.prompt_rows,
        cost=cost.hessian,
    ),
    Claim(
        id="L3.quarter",
        title="Smoothness on trees",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.hessian, s.osc / 4),
        measure=hessian_of,
        reference="docs/theory.md",
        assumptions=(TABULAR, TREE),
        proof=(r"L3.sd with $\sigma_q(c)\le\operatorname{osc}_q(c)/2$; prompts are blocks of the Hessian."),
        depends_on=("L3.sd",),
        enclose=geometry.hessian_rows,
        cost=cost.hessian,
        figure="tightness",
    ),
    Claim(
        id="L3.dag.sd",
        title="Smoothness by the deviation of the reward, on every process",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.hessian_prompt, s.sd_prompt / sp.sqrt(2)),
        measure=_hessian_by_prompt,
        reference="docs/theory.md",
        assumptions=(TABULAR,),
        proof=(r"As L3.sd, with $\mathbb{E}N^2\le 1/2$ of L3.dag.martingale."),
        depends_on=("L3.dag.martingale",),
        enclose=enclosed.prompt_rows,
        cost=cost.hessian,
    ),
    Claim(
        id="L3.dag",
        title="Smoothness on every process",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.hessian, s.osc / (2 * sp.sqrt(2))),
        measure=hessian_of,
        reference="docs/theory.md",
        assumptions=(TABULAR,),
        proof=(r"L3.dag.sd with $\sigma_q(c)\le\operatorname{osc}_q(c)/2$; prompts are blocks of the Hessian."),
        depends_on=("L3.dag.sd",),
        enclose=geometry.hessian_rows,
        cost=cost.hessian,
        figure="tightness",
    ),
    Claim(
        id="L3.trees",
        title="Smoothness on trees, computer-assisted",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.hessian, sp.Rational(9, 40) * s.osc),
        measure=hessian_of,
        reference="docs/theory.md",
        assumptions=(TABULAR, TREE),
        proof=(
            r"$|v^{\top}\nabla^2J_qv|\le\frac{1}{2}\operatorname{osc}_q(c)\mathbb{E}|N|$, and "
            r"$\mathbb{E}|N|\le\frac{9}{20}$ for a unit $v$ by induction, with L3.martingale for the children and a "
            r"root of at most three atoms, whose finitely many cells are decided in ball arithmetic "
            r"(tests/bounds/test_smoothness_constants.py)."
        ),
        depends_on=("L3.martingale",),
        enclose=geometry.hessian_rows,
        cost=cost.hessian,
        figure="tightness",
    ),
    Claim(
        id="L3.all",
        title="Smoothness on every process, computer-assisted",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.hessian, sp.Rational(57, 200) * s.osc),
        measure=hessian_of,
        reference="docs/theory.md",
        assumptions=(TABULAR,),
        proof=(
            r"$|v^{\top}\nabla^2J_qv|\le\frac{1}{2}\operatorname{osc}_q(c)\mathbb{E}|\hat N|$ with the independent "
            r"coins of L3.dag.martingale, and $\mathbb{E}|\hat N|\le\frac{57}{100}$ by the variance where one coin is "
            r"large, else by $(1-\tau^2)_+\le\cos^2\tau$ and the coins' characteristic functions; three scans in ball "
            r"arithmetic (tests/bounds/test_smoothness_constants.py)."
        ),
        depends_on=("L3.dag.martingale",),
        enclose=geometry.hessian_rows,
        cost=cost.hessian,
        figure="tightness",
    ),
    Claim(
        id="L3.dag.quarter",
        title="Smoothness on every process, as on trees",
        standing=Standing.CONJECTURED,
        kind="inequality",
        statement=sp.Le(s.hessian, s.osc / 4),
        measure=hessian_of,
        reference="docs/theory.md",
        assumptions=(TABULAR,),
        proof=(r"No proof: L3.quarter uses that a node is reached in one way. No search has found a larger ratio."),
        depends_on=("L3.dag",),
        enclose=geometry.hessian_rows,
        cost=cost.hessian,
        figure="tightness",
    ),
    Claim(
        id="L7.smooth",
        title="Smoothness of the potential, whatever the group size",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.hessian_F, s.L),
        measure=_potential,
        reference="docs/theory.md",
        assumptions=(TABULAR, TWO_VALUED),
        proof=(
            r"Weights add up, so one event of probability $p$ is enough; its complement turns $\Psi''$ into "
            r"$-\Psi''$, so $p\le 1/2$ is enough if both signs are bounded. Along a unit direction $\Psi''=\psi "
            r"p''+\psi'p'^2$ with $\psi'\le 0$. Above: $p''\le\sqrt{p(1-p)}(\mathbb{E}N^2)^{1/2}$ and "
            r"$\psi\le(p(1-p))^{-1/2}$ (L7.limit), so $\Psi''\le(\mathbb{E}N^2)^{1/2}$, which L3.martingale and "
            r"L3.dag.martingale bound by $1/2$ and $1/\sqrt{2}$. Below: the visited $S_x$ add up to at most $1/2$ on "
            r"each path, so $-p''\le X=p/2-p'^2/p$ by Jensen. If $X\ge 0$, "
            r"$-\Psi''\le(p/2-p'^2/(2p(1-p)))(p(1-p))^{-1/2}\le 1/2$; else $-\Psi''\le|\psi'|p'^2$, at most $.342$ "
            r"with $p'^2\le p^2\log(1/p)$ (L2.log) and L7.limit.bend. With eps or ddof 1, $\psi$ and $|\psi'|$ are no "
            r"larger: the Bernstein coefficients $\varepsilon/(s_j(s_j+\varepsilon))$ of what is lost fall towards "
            r"the middle, and ddof is a factor below one. For $G\le 3$ $\psi$ is constant, and L3.bandit, L3.quarter "
            r"or L3.dag times it is the constant."
        ),
        depends_on=("L2.log", "L3.sd", "L3.dag.sd", "L3.all", "L3.trees", "L7.monotone"),
        schemes=(*SCALED, *_EPS),
        enclose=enclosed.potential_rows,
        cost=cost.hessian,
    ),
    Claim(
        id="L7.sharp",
        title="Smoothness of the potential, sharp constant",
        standing=Standing.CONJECTURED,
        kind="inequality",
        statement=sp.Le(s.hessian_F, sp.sqrt(3) / 4 * s.weight_rho),
        measure=_sharp,
        reference="docs/theory.md",
        assumptions=(TABULAR, TWO_VALUED),
        proof=(r"No proof; searches on trees and DAGs come to $.4330127\,W\max_q\rho_q$ and no further."),
        depends_on=("L7.smooth",),
        schemes=SCALED,
        enclose=enclosed.potential_rows,
        cost=cost.hessian,
    ),
)
