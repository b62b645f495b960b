"""PAC-Bayes bounds (theory.md section 7) as sympy expressions, and their numbers, vectorized.

    risk_bound(empirical_risk=0.2, n=500, kl=3.0, delta=0.05)         # T3.kl, for an experiment of your own
    shift_by_components(0.25, 0.1, [0.0, 0.8, 0.1], [0.2, 0.6, 0.2])  # risk under another distribution of prompts

Each bound is written once; numbers come from the expression by lambdify. A value of 1 or more says nothing.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike
from scipy.special import rel_entr

from bounds import symbols as s
from tamdp_theory import InputError
from tamdp_theory.model import Floats

Method = Literal["kl", "mcallester", "catoni"]

COMPLEXITY = (s.kl_posterior + sp.log(2 * sp.sqrt(s.n) / s.delta)) / s.n
CATONI = (1 - sp.exp(-s.C_catoni * s.R_hat - (s.kl_posterior + sp.log(1 / s.delta)) / s.n)) / (1 - sp.exp(-s.C_catoni))
# rates of T3.bernstein, fixed before the data; each has its share of delta
RATES = tuple(sp.Rational(1, 2**k) for k in range(1, 9))
_rate = sp.Symbol("eta", positive=True)
BERNSTEIN = s.LeastOver(
    sp.Lambda(
        _rate,
        s.R_hat
        + (-sp.log(1 - _rate) - _rate) / _rate * s.square_hat
        + (s.kl_posterior + sp.log(len(RATES) / s.delta)) / (_rate * s.n),
    ),
    sp.Tuple(*RATES),
)
RISK: dict[str, sp.Expr] = {
    "kl": s.KLInverse(s.R_hat, COMPLEXITY),
    "mcallester": s.R_hat + sp.sqrt(COMPLEXITY / 2),
    "catoni": CATONI,
}
SAMPLED = s.KLInverse(s.KLInverse(s.R_hat_drawn, sp.log(2 / s.delta_drawn) / s.m_drawn), COMPLEXITY)
MEAN_ERROR = sp.sqrt(sp.log(2 * s.N_means / s.delta_drawn) / (2 * s.m_drawn))  # Hoeffding, for all means at once
BY_COMPONENTS = s.R_S + sp.Sum(s.w[s.k] * s.osc_value[s.k], (s.k, 1, s.K)) / s.W * s.tv_domains
HORIZON = s.D_tools + (s.D_tools + 1) * s.B_run
BY_DEPTH = HORIZON * s.kl_max
BY_LOSS = s.R_S + s.osc_loss * s.tv_domains
BY_KL = s.R_S + sp.sqrt(s.kl_domains / 2)
BY_CHI2 = s.R_S + sp.sqrt(s.var_S * s.chi2_domains)


# -- the divergence of two coins ----------------------------------------------------------------------------------


def binary_kl(p: ArrayLike, q: ArrayLike) -> Floats:
    """kl(p||q) for p, q in [0, 1], elementwise; 0 ln 0 = 0, infinite where q excludes what p allows."""
    p, q = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    return np.maximum(_term(p, q, q - p) + _term(1 - p, 1 - q, p - q), 0.0)


def _term(p: Floats, q: Floats, gap: Floats) -> Floats:
    """p ln(p/q), gap = q - p: for nearby numbers the rounding is that of the gap, so that the two terms of kl keep
    their difference.
    """
    near = np.abs(gap) < p / 2
    ratio = np.divide(gap, p, out=np.zeros(near.shape), where=near)
    return np.asarray(np.where(near, -p * np.log1p(ratio), rel_entr(p, q)))


def kl_inverse(p: ArrayLike, c: ArrayLike) -> Floats:
    """The largest q in [p, 1] with kl(p||q) <= c >= 0, elementwise, to 1e-14.

    Newton's method from Pinsker's bound p + sqrt(c/2): kl is convex in q, so from above no step passes the root.
    """
    every_p, every_c = np.broadcast_arrays(np.asarray(p, dtype=np.float64), np.asarray(c, dtype=np.float64))
    top = np.nextafter(1.0, 0.0)
    inside = (every_p < top) & (every_c > 0)
    inside &= binary_kl(every_p, top) > every_c
    result = np.where(every_c > 0, 1.0, every_p)
    result[np.isnan(every_p) | np.isnan(every_c)] = np.nan
    result[inside] = _newton(every_p[inside], every_c[inside], top)
    return result


def _newton(p: Floats, c: Floats, top: float) -> Floats:
    q = np.minimum(p + np.sqrt(c / 2), top)
    for _ in range(_NEWTON):
        before, gap = q, binary_kl(p, q) - c
        # gap over the slope (q - p) / (q (1 - q)); 0 where q is p as far as floats tell
        step = np.divide(gap * q * (1 - q), q - p, out=np.zeros_like(q), where=q > p)
        q = np.clip(q - step, p, q)
        if (before - q <= 2e-16 * before).all():
            break
    return q


_NEWTON = 100  # steps at most; about 25 are needed where 1 - q falls to the end of the floats


NUMERIC = {"BinaryKL": binary_kl, "KLInverse": kl_inverse}


@cache
def numeric(quantities: tuple[Any, ...], *expressions: sp.Expr) -> Callable[..., tuple[Any, ...]]:
    """Expressions of bounds.symbols as one function of arrays; a probability is a number of its own."""
    names = {q: sp.Dummy() for q in quantities if isinstance(q, s.Probability)}
    arguments, results = (
        [names.get(q, q) for q in quantities],
        tuple(expression.xreplace(names) for expression in expressions),
    )
    function: Callable[..., tuple[Any, ...]] = sp.lambdify(arguments, results, [NUMERIC, "numpy"])
    return function


def _bound(expression: sp.Expr, *quantities: Any) -> Callable[..., Any]:
    function = numeric(quantities, expression)

    def bound(*values: Any) -> Any:
        with np.errstate(over="ignore", divide="ignore"):  # what overflows says nothing
            return function(*values)[0]

    return bound


# -- plain numbers in, plain numbers out --------------------------------------------------------------------------


def risk_bound(
    empirical_risk: ArrayLike, n: ArrayLike, kl: ArrayLike, delta: ArrayLike, method: Method = "kl", c: ArrayLike = 1.0
) -> Any:
    """Upper bound of the risk that holds with probability 1 - delta for all posteriors at once (T3.kl, T3.mcallester,
    T3.catoni).

    empirical_risk in [0, 1]: mean loss of the posterior on the training set; n >= 1 independent training examples; kl
    >= 0: divergence of the posterior from a prior that was fixed before the data; delta in (0, 1); c >= 1e-6: Catoni's
    constant, fixed before the data too (a smaller one would lose the bound to rounding). Arrays broadcast; numbers give
    a number. 1 or more says nothing. Raises InputError.
    """
    if not isinstance(method, str) or method not in RISK:
        raise InputError(f"method: must be one of {', '.join(RISK)}; got {method!r}")
    values = (
        _unit(empirical_risk, "empirical_risk"),
        _count(n, "n"),
        _positive(kl, "kl", zero=True),
        _open(delta, "delta"),
        _positive(c, "c", finite=True),
    )
    _require(values[-1] >= 1e-6, values[-1], "c", "1e-6 or more")
    _broadcast(values, "empirical_risk, n, kl, delta, c")
    return _shaped(_bound(RISK[method], s.R_hat, s.n, s.kl_posterior, s.delta, s.C_catoni)(*values), *values)


def bernstein_bound(
    empirical_risk: ArrayLike, empirical_square: ArrayLike, n: ArrayLike, kl: ArrayLike, delta: ArrayLike
) -> Any:
    """``risk_bound`` that pays less where losses are small, by their mean square on the training set (T3.bernstein).

    empirical_square in [0, empirical_risk]: posterior mean of the mean squared loss; the rest as in ``risk_bound``.
    """
    risk, square = _unit(empirical_risk, "empirical_risk"), _unit(empirical_square, "empirical_square")
    values = (risk, square, _count(n, "n"), _positive(kl, "kl", zero=True), _open(delta, "delta"))
    _broadcast(values, "empirical_risk, empirical_square, n, kl, delta")
    if not (square <= risk * (1 + 1e-12)).all():
        raise InputError("empirical_square: must be at most empirical_risk, as losses are in [0, 1]")
    return _shaped(_bound(BERNSTEIN.doit(), s.R_hat, s.square_hat, s.n, s.kl_posterior, s.delta)(*values), *values)


def sampled_risk_bound(
    drawn_risk: ArrayLike, draws: ArrayLike, n: ArrayLike, kl: ArrayLike, delta: ArrayLike, delta_drawn: ArrayLike
) -> Any:
    """``risk_bound`` where the empirical risk is itself a mean over policies drawn from the posterior (T3.kl.sampled).

    drawn_risk in [0, 1]: mean empirical risk of ``draws`` >= 1 independent draws; holds with probability 1 - delta -
    delta_drawn.
    """
    values = (
        _unit(drawn_risk, "drawn_risk"),
        _count(draws, "draws"),
        _count(n, "n"),
        _positive(kl, "kl", zero=True),
        _open(delta, "delta"),
        _open(delta_drawn, "delta_drawn"),
    )
    _broadcast(values, "drawn_risk, draws, n, kl, delta, delta_drawn")
    return _shaped(
        _bound(SAMPLED, s.R_hat_drawn, s.m_drawn, s.n, s.kl_posterior, s.delta, s.delta_drawn)(*values), *values
    )


def mean_error(count: ArrayLike, draws: ArrayLike, delta_drawn: ArrayLike) -> Any:
    """How far ``count`` >= 1 means over ``draws`` independent numbers in [0, 1] are from their expectations, all of
    them, with probability 1 - delta_drawn (Hoeffding 1963). For a posterior that is sampled: the oscillations in
    T3.shift are means too."""
    values = (_count(count, "count"), _count(draws, "draws"), _open(delta_drawn, "delta_drawn"))
    _broadcast(values, "count, draws, delta_drawn")
    return _shaped(_bound(MEAN_ERROR, s.N_means, s.m_drawn, s.delta_drawn)(*values), *values)


def shift_by_components(
    source_risk: ArrayLike, total_variation: ArrayLike, oscillation: ArrayLike, weights: ArrayLike
) -> Any:
    """Upper bound of the risk under another prompt distribution, component by component (T3.shift).

    source_risk, total_variation in [0, 1]; oscillation (K,) in [0, 1]: range over prompts of each component's expected
    reward; weights (K,) >= 0, not all zero.
    """
    spread, weight = _unit(oscillation, "oscillation"), _positive(weights, "weights", zero=True, finite=True)
    with np.errstate(over="ignore"):
        total = weight.sum()
    if spread.ndim != 1 or spread.shape != weight.shape or not 0 < total < np.inf:
        raise InputError(
            f"oscillation, weights: need one number per component and some weight, got shapes {spread.shape} and "
            f"{weight.shape}"
        )
    first, second = values = _unit(source_risk, "source_risk"), _unit(total_variation, "total_variation")
    _broadcast(values, "source_risk, total_variation")
    function = _bound(BY_COMPONENTS, s.R_S, s.tv_domains, s.osc_value, s.w, s.W, s.K)
    padded = (np.concatenate([[np.nan], values]) for values in (spread, weight))  # sums run from 1, as on paper
    return _shaped(function(first, second, *padded, total, len(weight)), first, second)


def shift_by_kl(source_risk: ArrayLike, kl: ArrayLike) -> Any:
    """Upper bound of the risk under a target distribution with KL(target||source) = kl >= 0 (T3.shift.pinsker)."""
    values = (_unit(source_risk, "source_risk"), _positive(kl, "kl", zero=True))
    _broadcast(values, "source_risk, kl")
    return _shaped(_bound(BY_KL, s.R_S, s.kl_domains)(*values), *values)


def shift_by_chi_squared(source_risk: ArrayLike, variance: ArrayLike, chi_squared: ArrayLike) -> Any:
    """The same from the variance of the loss over source prompts, in [0, 1/4], and chi^2(target||source) >= 0
    (T3.shift.chi).
    """
    values = (
        _unit(source_risk, "source_risk"),
        _unit(variance, "variance"),
        _positive(chi_squared, "chi_squared", zero=True),
    )
    _broadcast(values, "source_risk, variance, chi_squared")
    with np.errstate(invalid="ignore"):
        result = _bound(BY_CHI2, s.R_S, s.var_S, s.chi2_domains)(*values)
    return _shaped(np.where(np.isinf(values[2]), np.inf, result), *values)  # prompts that the source lacks may be lost


def trajectory_kl_bound(largest_kl: ArrayLike, tool_depth: ArrayLike, longest_run: ArrayLike) -> Any:
    """Upper bound of the trajectory divergence between two policies (T3.depth), not of KL(posterior||prior).

    largest_kl >= 0 at any node; tool_depth >= 0 calls; longest_run >= 0 decisions in a row that call no tool
    (``tool_runs``).
    """
    depth = _array(tool_depth, "tool_depth")
    _require(
        (depth >= 0) & (depth == np.floor(depth)) & np.isfinite(depth),
        depth,
        "tool_depth",
        "a whole number of at least 0",
    )
    run = _array(longest_run, "longest_run")
    _require((run >= 0) & (run == np.floor(run)) & np.isfinite(run), run, "longest_run", "a whole number of at least 0")
    values = (_positive(largest_kl, "largest_kl", zero=True), depth, run)
    return _shaped(_bound(BY_DEPTH, s.kl_max, s.D_tools, s.B_run)(*values), *values)


def _array(value: ArrayLike, name: str) -> Floats:
    try:
        result = np.asarray(value)
        if result.dtype == bool or not np.issubdtype(result.dtype, np.number) or np.iscomplexobj(result):
            raise TypeError
        return result.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: expected a number or an array of numbers, got {value!r}") from error


def _require(met: Any, values: Floats, name: str, what: str) -> Floats:
    if not np.all(met):
        raise InputError(f"{name}: must be {what}, got {float(values[~np.asarray(met)].ravel()[0]):g}")
    return values


def _unit(value: ArrayLike, name: str) -> Floats:
    values = _array(value, name)
    return _require((values >= 0) & (values <= 1), values, name, "in [0, 1]")


def _open(value: ArrayLike, name: str) -> Floats:
    values = _array(value, name)
    return _require((values > 0) & (values < 1), values, name, "in (0, 1), ends excluded")


def _positive(value: ArrayLike, name: str, zero: bool = False, finite: bool = False) -> Floats:
    values = _array(value, name)
    met = (values >= 0 if zero else values > 0) & (np.isfinite(values) if finite else ~np.isnan(values))
    return _require(met, values, name, ("0 or more" if zero else "positive") + (" and finite" if finite else ""))


def _count(value: ArrayLike, name: str) -> Floats:
    values = _array(value, name)
    return _require(
        (values >= 1) & (values == np.floor(values)) & np.isfinite(values), values, name, "a whole number of at least 1"
    )


def _broadcast(values: tuple[Floats, ...], names: str) -> None:
    try:
        np.broadcast_shapes(*(one.shape for one in values))
    except ValueError as error:
        raise InputError(f"{names}: shapes {', '.join(str(one.shape) for one in values)} do not broadcast") from error


def _shaped(result: Any, *inputs: Floats) -> Any:
    """A float if every input was one, else an array of the broadcast shape."""
    shape = np.broadcast_shapes(*(one.shape for one in inputs))
    return float(result) if shape == () else np.broadcast_to(np.asarray(result, dtype=np.float64), shape).copy()
