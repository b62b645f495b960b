"""Every symbol of the statements once: name, LaTeX, domain, meaning. Statements are built from these alone."""

from dataclasses import dataclass

import sympy as sp


@dataclass(frozen=True)
class Meaning:
    """What a symbol stands for."""

    symbol: sp.Symbol
    text: str


_MEANINGS: dict[sp.Symbol, Meaning] = {}


def _define(latex: str, text: str, **domain: bool) -> sp.Symbol:
    symbol = sp.Symbol(latex, **domain)
    if symbol in _MEANINGS:
        raise ValueError(f"symbol {latex} is defined twice")
    _MEANINGS[symbol] = Meaning(symbol, text)
    return symbol


def meaning(symbol: sp.Symbol) -> str:
    """What a symbol of a statement stands for."""
    return _MEANINGS[symbol].text


# sizes and settings
G = _define("G", "group size", integer=True, positive=True)
K = _define("K", "number of reward components", integer=True, positive=True)
H = _define("H", "horizon: most decisions in a trajectory", integer=True, positive=True)
A_max = _define(r"A_{\max}", "largest number of legal actions at a node", integer=True, positive=True)
T = _define("T", "number of steps", integer=True, positive=True)
eta = _define(r"\eta", "step size", positive=True)
W = _define("W", "sum of the weights", positive=True)
w_squares = _define(r"\textstyle\sum_k w_k^2", "sum of squared weights", positive=True)
kappa = _define(r"\kappa", "(G - 1)/G", positive=True)
p = _define("p", "probability of the larger of two reward values", nonnegative=True)

# objectives and gradients
J = _define(r"J(\theta)", "objective: expected composite reward", nonnegative=True)
J_0 = _define(r"J(\theta_0)", "objective at the start", nonnegative=True)
J_star = _define(r"J^{\star}", "largest objective over policies", nonnegative=True)
grad_J = _define(r"\|\nabla J(\theta)\|", "norm of the policy gradient", nonnegative=True)
hessian = _define(r"\|\nabla^2 J(\theta)\|", "spectral norm of the Hessian of J", nonnegative=True)
osc = _define(r"\max_q \rho_q \operatorname{osc}_q(c)", "largest prompt probability times the range of its composite reward", nonnegative=True)
L = _define("L", "smoothness constant of the potential F: kappa L_J for center, W max_q rho_q sqrt(G-1)/2 for two-valued rewards", positive=True)
L_J = _define("L_J", "smoothness constant of J: max_q rho_q osc_q(c) / 2, by L3", positive=True)
C_theta = _define(
    r"C(\theta)", "square root of the sum of (d*(x) / (d(x) pi(a*(x)|x)))^2 over the nodes that an optimal deterministic policy visits",
    positive=True,
)

# trajectories
kl = _define(r"\mathrm{KL}(P_\theta\|P_{\mathrm{ref}})", "trajectory divergence, by listing trajectories", nonnegative=True)
kl_chain = _define(r"\textstyle\sum_x d_\theta(x)\,\mathrm{KL}_x", "per-node divergences weighted by occupancy", nonnegative=True)
kl_max = _define(r"\max_x \mathrm{KL}_x", "largest per-node divergence", nonnegative=True)
energy = _define(r"\mathbb{E}\|s\|^2", "mean squared norm of the score", nonnegative=True)
energy_nodes = _define(r"\textstyle\sum_x d_\theta(x)(1-\sum_a \pi(a|x)^2)", "the same, node by node", nonnegative=True)
energy_squared_rho = _define(r"\textstyle\sum_q \rho_q^2\,\mathbb{E}[\|s\|^2|q]", "score energies of prompts weighted by squared probability", nonnegative=True)
energy_high = _define(r"E_+", "mean squared score norm given the larger reward", nonnegative=True)
energy_low = _define(r"E_-", "mean squared score norm given the smaller reward", nonnegative=True)

# the estimator
mean_direct = _define(r"\langle u, m\rangle", "expected update along a direction, by summing over all groups", real=True)
mean_law = _define(r"\textstyle\langle u, \sum_m h_m\nabla P_m\rangle", "expected update along a direction, from the effective reward", real=True)
second_direct = _define(r"\mathbb{E}\|\hat g\|^2", "second moment of the estimator, by summing over all groups", nonnegative=True)
second_law = _define(
    r"\textstyle\frac{1}{G}\sum_m a_m e_m + \kappa\sum_{ml} b_{ml}\langle\nabla P_m,\nabla P_l\rangle", "second moment from group moments", nonnegative=True
)
variance = _define("V", "variance of the estimator, exact", nonnegative=True)
variance_k = _define("V_k", "variance of one component's own estimator on one prompt, exact", nonnegative=True)
variance_bound = _define(
    r"\bar V", "upper bound of the variance: L9 with L2.bound for center, L9.decomposed otherwise, prompts added with rho_q^2",
    nonnegative=True,
)
variance_path = _define(r"\textstyle\frac{1}{T}\sum_{t<T}\mathbb{E}V(\theta_t)", "mean exact variance along the path", nonnegative=True)
trace_projection = _define(r"\operatorname{tr}\Sigma_1", "trace of Cov[s (c - J)]", nonnegative=True)
trace_kernel = _define(
    r"\operatorname{tr}\operatorname{Cov}(\text{kernel})", "trace of the covariance of the kernel (c_i - c_j)(s_i - s_j)/2 of two members",
    nonnegative=True,
)
drift = _define(r"\langle\nabla J, m\rangle", "first-order change of J by the expected update", real=True)

# potentials
slope_potential = _define(r"D_u F(\theta)", "derivative of the potential along a direction", real=True)
psi = _define(r"\psi_G(p)", "slope of the potential at p", positive=True)
psi_half = _define(r"\psi_G(\tfrac12)", "slope of the potential at one half", positive=True)
closed = _define(r"[\operatorname{curl}\equiv 0]", "1 if the update's one-form is closed, else 0", integer=True)
two_valued = _define(r"[\#\{c\}\le 2]", "1 if the composite takes at most two values, else 0", integer=True)
curl_pair = _define(
    r"\operatorname{curl}(e_{\mathrm{mid}}-e_{\mathrm{low}},\,e_{\mathrm{top}}-e_{\mathrm{low}})", "curl in the plane of three values", real=True
)
F_0 = _define(r"F(\theta_0)", "potential at the start", real=True)
F_T = _define(r"F(\theta_T)", "potential at the end", real=True)
F_star = _define(r"F^{\star}", "upper bound of the potential over policies", real=True)

# training
mean_grad_F = _define(
    r"\textstyle\frac{1}{T}\sum_{t<T}\mathbb{E}\|\nabla F(\theta_t)\|^2", "running mean of the squared gradient of the potential", nonnegative=True
)
min_grad_F = _define(r"\min_{0\le t\le T}\|\nabla F(\theta_t)\|^2", "smallest squared gradient of the potential on the path, end included", nonnegative=True)
mean_grad_J = _define(r"\textstyle\frac{1}{T}\sum_{t<T}\mathbb{E}\|\nabla J(\theta_t)\|^2", "running mean of the squared policy gradient", nonnegative=True)
alpha = _define(r"\alpha", "drift constant: sum of <grad J, m> over sum of ||grad J||^2 along the path", real=True)
M_2 = _define("M_2", "largest second moment of the estimator on the path", nonnegative=True)
silent = _define(r"P_{\mathrm{silent}}", "probability that all members of a group have the same composite reward", nonnegative=True)
exponent_K = _define(r"\partial\ln V/\partial\ln K", "measured exponent of the variance in K", real=True)
