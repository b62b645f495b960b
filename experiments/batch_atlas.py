"""The atlas of estimators that look at the whole batch: in the limit of many prompts, except for the variance.

There the batch's mean and deviation are those of all rewards, the same for every prompt, so most of them follow what a
group estimator climbs. Hard and even prompts are half each of the batch; the variance is that of batches of 8 groups of
one prompt.
"""

import math
from collections.abc import Iterator

import numpy as np

from experiments import atlas
from tamdp_theory import TAMDP, TabularSoftmax, estimators, exact, families
from tamdp_theory.estimators import BatchScheme, Scheme
from tamdp_theory.model import Floats

EPS = 1e-5  # where it needs one
GROUPS = 8  # of a batch, for variances
VARIANTS = (
    "gdpo_batch(over=tokens)",
    "batch_normalize(mean_level=batch, std_level=group)",
    "batch_normalize(mean_level=none, std_level=batch)",
)


def names() -> list[str]:
    """Every estimator of batches, and what their options make of them."""
    return [*estimators.batch_families(), *VARIANTS]


def scheme_of(name: str, size: int, batch: float = math.inf) -> BatchScheme:
    """An estimator's scheme in the atlas: ddof 1; eps 0, but where deviations of groups are about the mean of all."""
    return BatchScheme(size, batch, name, EPS if "std_level=group" in name else 0.0, 1)


def entry(name: str, size: int, level: atlas.Level) -> atlas.Entry:
    """One row of the atlas."""
    scheme = scheme_of(name, size)
    estimator = scheme.resolved
    closed, climbs, witness, lowers = None, "", "depends on the other prompts", "not decided"
    if estimator.like is not None:
        like = Scheme(size, estimator.like, 0.0, scheme.ddof if estimator.like.scales else 0)
        closed, climbs, witness = atlas.objective(like, level)
        lowers = atlas.lowers(like)
        if closed and estimator.divisor[1]:
            climbs = f"the gradient of {climbs}, over {estimator.divisor[1]}"
    hard, even = slopes(scheme, (atlas.HARD, atlas.EVEN))
    silent, variance = _noise(scheme)
    unit = _noise(scheme_of("leave_one_out", size))[1]
    return atlas.Entry(
        name=name,
        summary=atlas.summary_of(estimator),
        scheme=scheme,
        closed=closed,
        climbs=climbs,
        witness=witness,
        hard=float(hard / even),
        lowers=lowers,
        silent=silent,
        variance=variance / unit,
        uses=type(estimator).uses,
    )


def formula(name: str) -> str:
    """What the limit's expected update is, in LaTeX: a gradient over a number that moves with the policy, so that it is
    itself none; empty where it follows no gradient, whatever the rewards.
    """
    estimator = estimators.resolve_in_batch(name)
    found = "" if estimator.like is None else type(estimator.like).climbs[0]
    return f"\\nabla\\,{found}\\,/\\,{estimator.divisor[0]}" if found and estimator.divisor[0] else found


def slopes(scheme: BatchScheme, p: tuple[float, ...]) -> Floats:
    """psi at success probabilities of 0/1 rewards, one a prompt, all equally likely in the batch."""
    policy = _coins(p)
    h = exact.BatchPlan(policy.env, scheme).update(policy).effective_reward.reshape(-1, 2)
    result: Floats = h[:, 1] - h[:, 0]
    return result


def _coins(p: tuple[float, ...]) -> TabularSoftmax:
    """Prompts with two arms, 0 and 1, and the probability of 1 on each."""
    content = families.bandit([(0,), (1,)]).to_dict()
    node, prompt = content["nodes"][0], content["prompts"][0]
    content["nodes"] = [{**node, "id": f"{node['id']}-{q}"} for q in range(len(p))]
    content["prompts"] = [
        {**prompt, "name": f"q{q}", "probability": f"1/{len(p)}", "start": f"{node['id']}-{q}"} for q in range(len(p))
    ]
    return TabularSoftmax(TAMDP.from_dict(content), np.log([[1 - one, one] for one in p]))


def _noise(scheme: BatchScheme) -> tuple[float, float]:
    """Share of groups whose members all get 0 in the limit, and B V over the squared slope, at p = 1/5."""
    policy = _coins((atlas.NOISE,))
    update = exact.BatchPlan(policy.env, scheme).update(policy)
    a, b = update.by_type
    listing, law = update.plan.types.listings[0], update.laws[0]
    gains = a[listing.type][:, None] * listing.x + b[listing.type][:, None]
    silent = ~((gains != 0) & (listing.counts > 0)).any(axis=1)
    small = scheme_of(str(scheme.resolved), scheme.group_size, GROUPS)
    finite = exact.BatchPlan(policy.env, small).update(policy)
    slope = float(np.diff(finite.effective_reward)[0])
    return float(law.chance @ silent), GROUPS * finite.variance / slope**2


def entries(size: int = 8, level: atlas.Level = "graded") -> Iterator[atlas.Entry]:
    """Every estimator's entry, one at a time."""
    for name in names():
        yield entry(name, size, level)
