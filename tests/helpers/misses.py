"""How often an interval misses, and what it may."""

from scipy import stats


def allowed(runs: int, level: float) -> float:
    """The most misses in ``runs`` that a valid interval of this level shows, but for one time in 100,000."""
    return float(stats.binom.ppf(1 - 1e-5, runs, 1 - level))
