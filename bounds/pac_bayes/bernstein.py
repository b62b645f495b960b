"""How often the bound by squared losses fails, over the draw of the n training prompts (T3.bernstein).

For one rate eta it fails for some posterior exactly if

    ln sum_j Pi_j exp(eta n (R_j - R_hat_j - s(eta) eta S_hat_j)) > ln(k/delta),  s(eta) = (-ln(1 - eta) - eta)/eta^2,

by Gibbs' variational formula, as everything but the divergence is linear in the posterior; so no search is needed.
"""

from collections.abc import Iterator

import numpy as np
from scipy.special import logsumexp, rel_entr

from bounds.pac_bayes.coverage import Atoms, Coverage, batches_of_sets, draw_counts, empirical_risks, told_apart
from bounds.pac_bayes.formulas import RATES, bernstein_bound
from bounds.quantiles import clopper_pearson
from tamdp_theory import CapacityError
from tamdp_theory.model import Floats, Ints
from tamdp_theory.posteriors import gibbs


def bernstein_coverage(
    atoms: Atoms,
    prior: Floats,
    inverse_temperature: float,
    n: int,
    delta: float,
    resamples: int,
    generator: np.random.Generator,
    level: float,
    every: bool,
) -> Coverage:
    """Exactly where training sets are few enough, else on ``resamples`` of them with Clopper-Pearson limits.

    Args:
        atoms: outcomes of one training prompt.
        prior: (m,).
        inverse_temperature: of the Gibbs posterior, of which everything but failure is told.
        n: training prompts.
        delta: of the bound.
        resamples: sets drawn where all are too many.
        generator: drives that draw.
        level: of the limits.
        every: a set fails if the bound does for any posterior; else for the Gibbs one.
    """
    used = atoms.merged()
    try:
        batches: Iterator[tuple[Ints, Floats]] = batches_of_sets(used, n)
        exact = True
        first = next(batches)
    except CapacityError:
        exact = False
        batches = draw_counts(used, n, resamples, generator)
        first = next(batches)
    totals: dict[str, float] = {}
    sets, weight = 0, 0.0
    for counts, chance in (first, *batches):
        sets, weight = sets + len(counts), weight + float(chance.sum())
        for name, values in _judge(used, counts, prior, inverse_temperature, n, delta, every).items():
            totals[name] = totals.get(name, 0.0) + float((chance * values).sum())
    if exact:
        failure = totals.pop("fails")
        doubtful = totals.pop("doubtful") + abs(1 - weight)
        return Coverage(failure, doubtful, **totals, sets=sets, low=failure, high=failure)
    fails, doubtful = round(totals.pop("fails")), round(totals.pop("doubtful"))
    low, high = clopper_pearson(fails, sets, level)[0], clopper_pearson(fails + doubtful, sets, level)[1]
    means = {name: total / sets for name, total in totals.items()}
    return Coverage(fails / sets, doubtful / sets, **means, sets=sets, low=low, high=high)


def _judge(
    atoms: Atoms, counts: Ints, prior: Floats, inverse_temperature: float, n: int, delta: float, every: bool
) -> dict[str, Floats]:
    empirical, square = (empirical_risks(counts, loss, n) for loss in (atoms.loss, atoms.loss**2))
    posterior = gibbs(prior, empirical, inverse_temperature)
    learned, squared = ((posterior * column).sum(-1) for column in (empirical, square))
    risk, apart = posterior @ atoms.risk, np.maximum(rel_entr(posterior, prior).sum(-1), 0.0)
    bound = bernstein_bound(learned, np.minimum(squared, learned), n, apart, delta)
    if every:
        most = np.full(len(counts), -np.inf)
        with np.errstate(divide="ignore"):
            log_prior = np.log(prior)
        for rate in map(float, RATES):
            gain = atoms.risk - empirical - (-np.log1p(-rate) - rate) / rate * square
            most = np.maximum(most, logsumexp(log_prior + rate * n * gain, axis=-1))
        left, right = most, np.full(len(counts), np.log(len(RATES) / delta))
    else:
        left, right = risk, bound
    sure = told_apart(left, right)
    return {
        "fails": sure & (left > right),
        "doubtful": ~sure,
        "informative": bound < 1,
        "naive": risk > learned + 1e-10,
        "bound": bound,
        "empirical": learned,
        "risk": risk,
        "kl": apart,
    }
