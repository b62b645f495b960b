"""How often the bound from drawn policies fails for Gaussian posteriors on a policy's parameters (T3.gaussian).

The prior is a normal law around a policy's parameters, the posterior one of a few such laws with other means, whichever
has the least empirical risk plus divergence over n; all are fixed before the data, the choice is not. Divergences are
in closed form. Risks under a normal law have none: the empirical risk comes from ``draws`` policies, with its own share
of delta, and the true risk from many more, with an interval that is allowed for in the verdict.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bounds.pac_bayes.coverage import Coverage, losses
from bounds.pac_bayes.formulas import sampled_risk_bound
from bounds.quantiles import clopper_pearson
from tamdp_theory import Policy
from tamdp_theory.domains import prompt_values
from tamdp_theory.model import Floats, Ints
from tamdp_theory.posteriors import DiagonalGaussian

MEANS = 3  # of posteriors besides the prior's own
SPREAD = 0.5  # deviation of every law, each parameter
POOL = 500  # policies drawn from each law for its true risk, and as many to draw from
MISS = 1e-4  # probability that some true risk is outside its interval


@dataclass(frozen=True, eq=False)
class GaussianClass:
    """Laws j: divergence (J,) from the prior, loss (J, POOL, N) of policies drawn from each, and true risk (J,) with
    the half-width of its interval.
    """

    divergence: Floats
    loss: Floats
    risk: Floats
    half_width: float

    @classmethod
    def around(cls, policy: Policy, seed: int) -> "GaussianClass":
        """Laws around a policy and around policies at random distances from it."""
        generator, env = np.random.default_rng([seed, 5]), policy.env
        prior = DiagonalGaussian(policy.parameters, np.array(SPREAD))
        size = policy.n_parameters
        moves = generator.standard_normal((MEANS, size)) / np.sqrt(size) * np.arange(1, MEANS + 1)[:, None]
        laws = [prior, *(DiagonalGaussian(policy.parameters + move, np.array(SPREAD)) for move in moves)]
        truth, pool = [], []
        for law in laws:
            both = law.sample(policy, 2 * POOL, generator)
            loss = losses(env, prompt_values(env, both))
            truth.append(float((loss[:POOL] @ env.prompt_probability).mean()))
            pool.append(loss[POOL:])
        half = float(np.sqrt(np.log(2 * len(laws) / MISS) / (2 * POOL)))
        return cls(np.array([law.divergence(prior) for law in laws]), np.stack(pool), np.array(truth), half)


def gaussian_coverage(
    laws: GaussianClass,
    prompt_probability: Floats,
    n: int,
    draws: int,
    delta: float,
    delta_drawn: float,
    sets: int,
    generator: np.random.Generator,
    level: float,
) -> Coverage:
    """On ``sets`` training sets of n prompts, each with ``draws`` policies from the law that it chose; Clopper-Pearson.

    Args:
        laws: prior and posteriors.
        prompt_probability: of the source (N,).
        n: training prompts.
        draws: policies that the empirical risk is a mean over.
        delta, delta_drawn: shares of the training set and of the draw of policies.
        sets: how many are drawn.
        generator: drives all draws.
        level: of the limits.
    """
    totals = dict.fromkeys(("fails", "doubtful", "informative", "naive", "bound", "empirical", "risk", "kl"), 0.0)
    for counts in _sets(prompt_probability, n, sets, generator):
        empirical = np.einsum("bq,jmq->bjm", counts / n, laws.loss)
        chosen = (empirical.mean(axis=2) + laws.divergence / n).argmin(axis=1)
        rows = np.arange(len(chosen))
        members = generator.integers(laws.loss.shape[1], size=(len(chosen), draws))
        drawn = empirical[rows[:, None], chosen[:, None], members].mean(axis=1)
        apart, risk = laws.divergence[chosen], laws.risk[chosen]
        bound = sampled_risk_bound(drawn, draws, n, apart, delta, delta_drawn)
        fails = risk - laws.half_width > bound
        for name, values in {
            "fails": fails,
            "doubtful": ~fails & (risk + laws.half_width > bound),
            "informative": bound < 1,
            "naive": risk > drawn,
            "bound": bound,
            "empirical": drawn,
            "risk": risk,
            "kl": apart,
        }.items():
            totals[name] += float(values.sum())
    fails_, doubtful = round(totals.pop("fails")), round(totals.pop("doubtful"))
    low, high = clopper_pearson(fails_, sets, level)[0], clopper_pearson(fails_ + doubtful, sets, level)[1]
    means = {name: total / sets for name, total in totals.items()}
    return Coverage(fails_ / sets, doubtful / sets, **means, sets=sets, low=low, high=high)


def _sets(probability: Floats, n: int, sets: int, generator: np.random.Generator) -> Iterator[Ints]:
    step = 500
    for start in range(0, sets, step):
        yield generator.multinomial(n, probability / probability.sum(), size=min(step, sets - start))
