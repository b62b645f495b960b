"""Quantiles that intervals are made of, each once: Student's t, the normal law, Clopper and Pearson's ends."""

from scipy.special import ndtri, stdtrit


def student(probability: float, freedom: int) -> float:
    """The number that Student's t with ``freedom`` degrees does not exceed with this probability."""
    return float(stdtrit(freedom, probability))


def normal(probability: float) -> float:
    """The number that a standard normal does not exceed with this probability."""
    return float(ndtri(probability))


def clopper_pearson(count: int, n: int, level: float) -> tuple[float, float]:
    """Ends of the exact interval for a probability, from ``count`` successes in n trials (Clopper and Pearson 1934)."""
    from scipy.stats import binomtest  # takes most of a second to import

    found = binomtest(count, n).proportion_ci(confidence_level=level, method="exact")
    return float(found.low), float(found.high)
