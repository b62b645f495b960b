"""Every symbol of the statements once: name, LaTeX, domain, meaning. Statements are built from these alone."""

from dataclasses import dataclass
from typing import Any

import sympy as sp


@dataclass(frozen=True)
class Meaning:
    """What a symbol stands for."""

    symbol: sp.Symbol | sp.IndexedBase
    text: str


_MEANINGS: dict[sp.Symbol | sp.IndexedBase, Meaning] = {}
INDICES: dict[sp.IndexedBase, int] = {}  # how many indices an indexed quantity has


def _define(latex: str, text: str, **domain: bool) -> sp.Symbol:
    symbol = sp.Symbol(latex, **domain)
    if symbol in _MEANINGS:
        raise ValueError(f"symbol {latex} is defined twice")
    _MEANINGS[symbol] = Meaning(symbol, text)
    return symbol


def _define_indexed(latex: str, text: str, indices: int = 1, **domain: bool) -> sp.IndexedBase:
    base = sp.IndexedBase(_define(latex, text, **domain))
    _MEANINGS[base] = Meaning(base, text)
    INDICES[base] = indices
    return base


class Probability(sp.Function):  # type: ignore[misc]
    """P[event] over the draw of the training set; the event is a relation of symbols, and its frequency a number of its
    own.
    """

    nargs = 1

    def _latex(self, printer: Any) -> str:
        return rf"\mathbb{{P}}\left[{printer.doprint(self.args[0])}\right]"

    def _sympystr(self, printer: Any) -> str:
        return f"P[{printer.doprint(self.args[0].lhs)} {self.args[0].rel_op} {printer.doprint(self.args[0].rhs)}]"


class LeastOver(sp.Function):  # type: ignore[misc]
    """The least value of a function of one variable (a Lambda) over a few numbers (a Tuple)."""

    nargs = 2

    def doit(self, **_: Any) -> sp.Expr:
        """Written out."""
        function, numbers = self.args
        return sp.Min(*(function(number) for number in numbers))

    def _printed(self, printer: Any) -> list[str]:
        """Variable, first and last number, and the function's value."""
        function, numbers = self.args
        return [printer.doprint(part) for part in (*function.variables, numbers[0], numbers[-1], function.expr)]

    def _latex(self, printer: Any) -> str:
        variable, first, last, value = self._printed(printer)
        return rf"\min_{{{variable}={first},\ldots,{last}}}\left({value}\right)"

    def _sympystr(self, printer: Any) -> str:
        variable, first, last, value = self._printed(printer)
        return f"min[{variable} = {first}, .., {last}]({value})"


class BinaryKL(sp.Function):  # type: ignore[misc]
    """kl(p||q) = p ln(p/q) + (1-p) ln((1-p)/(1-q)), the divergence of two coins."""

    nargs = 2

    @property
    def definition(self) -> sp.Expr:
        """Written out."""
        x, y = self.args
        return x * sp.log(x / y) + (1 - x) * sp.log((1 - x) / (1 - y))

    def _latex(self, printer: Any) -> str:
        return rf"\mathrm{{kl}}\left({printer.doprint(self.args[0])}\middle\|{printer.doprint(self.args[1])}\right)"

    def _sympystr(self, printer: Any) -> str:
        return f"kl({printer.doprint(self.args[0])}‖{printer.doprint(self.args[1])})"


class KLInverse(sp.Function):  # type: ignore[misc]
    """The largest q in [p, 1] with kl(p||q) <= c."""

    nargs = 2

    def _latex(self, printer: Any) -> str:
        return (
            rf"\mathrm{{kl}}^{{-1}}\left({printer.doprint(self.args[0])}\middle|{printer.doprint(self.args[1])}\right)"
        )

    def _sympystr(self, printer: Any) -> str:
        return f"kl⁻¹({printer.doprint(self.args[0])} | {printer.doprint(self.args[1])})"


def meaning(symbol: sp.Symbol | sp.IndexedBase) -> str:
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
osc = _define(
    r"\max_q \rho_q \operatorname{osc}_q(c)",
    "largest prompt probability times the range of its composite reward",
    nonnegative=True,
)
hessian_prompt = _define(
    r"\|\nabla^2 J_q(\theta)\|", "spectral norm of the Hessian of one prompt's J_q", nonnegative=True
)
sd_prompt = _define(r"\sigma_q(c)", "standard deviation of one prompt's composite reward", nonnegative=True)
hessian_F = _define(r"\|\nabla^2 F(\theta)\|", "spectral norm of the Hessian of the potential F", nonnegative=True)
node_fourth = _define(
    r"\operatorname{Var}_x(w^2)",
    "variance under pi of the squared distances w = v - E v of a direction's entries at a node",
    nonnegative=True,
)
node_spread = _define("S_x", "variance under pi of a direction's entries at a node", nonnegative=True)
node_reach = _define(
    "b_x",
    "sum over a node's actions of the squared distances of a direction's entries from their plain mean",
    nonnegative=True,
)
martingale = _define(
    r"\mathbb{E}_q[N^2]",
    "mean square of N = (s.v)^2 less the variances S_x of the visited nodes, on one prompt, along a direction v",
    nonnegative=True,
)
along_squared = _define(
    r"\mathbb{E}_q[M^2]", "mean square of the score along a direction v, M = s.v, on one prompt", nonnegative=True
)
direction_squared = _define(r"\|v\|^2", "squared norm of a direction on one prompt's parameters", positive=True)
grad_log = _define(
    r"\|\nabla\log P\|",
    "norm of the gradient of an event's log-probability, a set of outcomes of one prompt",
    nonnegative=True,
)
event = _define("P", "probability of an event, a set of outcomes of one prompt", positive=True)
energy_event = _define(
    r"\lambda_{\max}(\mathbb{E}[s s^{\top}|P])",
    "largest mean square of the score along a unit direction, given the event",
    nonnegative=True,
)
weight_rho = _define(
    r"\max_q \rho_q W_q",
    "largest prompt probability times the weight of the standardized rewards that vary there",
    nonnegative=True,
)
L = _define(
    "L",
    "smoothness constant of the potential F, the least that is proved for the process: kappa L_J for center, by "
    "L7.smooth for two-valued rewards",
    positive=True,
)
L_J = _define(
    "L_J",
    "smoothness constant of J, the least that is proved for the process: by L3.bandit, L3.trees or L3.all",
    positive=True,
)
C_theta = _define(
    r"C(\theta)",
    "square root of the sum of (d*(x) / (d(x) pi(a*(x)|x)))^2 over the nodes that an optimal deterministic policy "
    "visits",
    positive=True,
)

# trajectories
kl = _define(
    r"\mathrm{KL}(P_\theta\|P_{\mathrm{ref}})", "trajectory divergence, by listing trajectories", nonnegative=True
)
kl_chain = _define(
    r"\textstyle\sum_x d_\theta(x)\,\mathrm{KL}_x", "per-node divergences weighted by occupancy", nonnegative=True
)
kl_max = _define(r"\max_x \mathrm{KL}_x", "largest per-node divergence", nonnegative=True)
energy = _define(r"\mathbb{E}\|s\|^2", "mean squared norm of the score", nonnegative=True)
energy_nodes = _define(r"\textstyle\sum_x d_\theta(x)(1-\sum_a \pi(a|x)^2)", "the same, node by node", nonnegative=True)
energy_squared_rho = _define(
    r"\textstyle\sum_q \rho_q^2\,\mathbb{E}[\|s\|^2|q]",
    "score energies of prompts weighted by squared probability",
    nonnegative=True,
)
energy_high = _define(r"E_+", "mean squared score norm given the larger reward", nonnegative=True)
energy_low = _define(r"E_-", "mean squared score norm given the smaller reward", nonnegative=True)

# the estimator
mean_direct = _define(
    r"\langle u, m\rangle", "expected update along a direction, by summing over all groups", real=True
)
mean_law = _define(
    r"\textstyle\langle u, \sum_m h_m\nabla P_m\rangle",
    "expected update along a direction, from the effective reward",
    real=True,
)
second_direct = _define(
    r"\mathbb{E}\|\hat g\|^2", "second moment of the estimator, by summing over all groups", nonnegative=True
)
second_law = _define(
    r"\textstyle\frac{1}{G}\sum_m a_m e_m + \kappa\sum_{ml} b_{ml}\langle\nabla P_m,\nabla P_l\rangle",
    "second moment from group moments",
    nonnegative=True,
)
variance = _define("V", "variance of the estimator, exact", nonnegative=True)
variance_k = _define("V_k", "variance of one component's own estimator on one prompt, exact", nonnegative=True)
variance_prompt = _define("V_q", "variance of one prompt's estimator, exact", nonnegative=True)
energy_prompt = _define(r"\mathbb{E}_q\|s\|^2", "mean squared norm of the score on one prompt", nonnegative=True)
energy_direction = _define(
    r"\lambda_{\max}(\mathbb{E}_q[s s^{\top}])",
    "largest mean square of the score along a unit direction, on one prompt",
    nonnegative=True,
)
osc_prompt = _define(r"\operatorname{osc}_q(c)", "range of one prompt's composite reward", nonnegative=True)
eps = _define(r"\varepsilon", "what is added to a group's deviation before it divides", nonnegative=True)
variance_bound = _define(
    r"\bar V",
    "upper bound of the variance: L9 with L2.bound for center, L9.decomposed otherwise, prompts added with rho_q^2",
    nonnegative=True,
)
variance_path = _define(
    r"\textstyle\frac{1}{T}\sum_{t<T}\mathbb{E}V(\theta_t)", "mean exact variance along the path", nonnegative=True
)
trace_projection = _define(r"\operatorname{tr}\Sigma_1", "trace of Cov[s (c - J)]", nonnegative=True)
trace_kernel = _define(
    r"\operatorname{tr}\operatorname{Cov}(\text{kernel})",
    "trace of the covariance of the kernel (c_i - c_j)(s_i - s_j)/2 of two members",
    nonnegative=True,
)
drift = _define(r"\langle\nabla J, m\rangle", "first-order change of J by the expected update", real=True)

# potentials
slope_potential = _define(r"D_u F(\theta)", "derivative of the potential along a direction", real=True)
psi = _define(r"\psi_G(p)", "slope of the potential at p", positive=True)
psi_half = _define(r"\psi_G(\tfrac12)", "slope of the potential at one half", positive=True)
psi_next = _define(r"\psi_{G+1}(p)", "slope of the potential at p for groups of one more", positive=True)
psi_bend = _define(r"|\psi_G'(p)|", "size of the derivative of the slope of the potential at p", nonnegative=True)
psi_bend_next = _define(r"|\psi_{G+1}'(p)|", "the same for groups of one more", nonnegative=True)
closed = _define(r"[\operatorname{curl}\equiv 0]", "1 if the update's one-form is closed, else 0", integer=True)
two_valued = _define(r"[\#\{c\}\le 2]", "1 if the composite takes at most two values, else 0", integer=True)
exchange = _define(
    r"[\textstyle\sum\mathrm{gaps}\equiv 0]",
    "1 if the gaps around every triple of rewards, next to every multiset of G - 2 others, add up to zero, else 0",
    integer=True,
)
in_line = _define(
    r"[(c,1/\ell)\text{ in line}]", "1 if the points (c, 1/l) of every three classes are in line, else 0", integer=True
)
slope = _define(r"(h_1-h_0)", "effective reward of success less that of failure", real=True)
slope_mixed = _define(r"(h_1-h_0)^{\mathrm{mixed}}", "the same, given that the group is mixed", real=True)
gain_right = _define_indexed(r"A^1_{\cdot}", "advantage of a success next to k - 1 other successes", real=True)
gain_wrong = _define_indexed(r"A^0_{\cdot}", "advantage of a failure next to k - 1 successes", real=True)
others_right = _define_indexed(
    r"\beta_{\cdot}", "probability that k - 1 of the G - 1 other members are successes", nonnegative=True
)
k_best = _define(r"k_{\mathrm{best}}", "how many answers pass@k and max@k speak of", integer=True, positive=True)
alpha_plus = _define(r"\alpha_+", "weight of positive advantages", real=True)
alpha_minus = _define(r"\alpha_-", "weight of negative advantages", real=True)
mean_lengths = _define(r"m^{(1/\ell)}", "a component of the expected update, advantages over lengths", real=True)
right_over_length = _define(r"\partial\mathbb{E}[c/\ell]", "derivative of the mean of success over length", real=True)
wrong_over_length = _define(
    r"\partial\mathbb{E}[(1-c)/\ell]", "derivative of the mean of failure over length", real=True
)
ratio_lengths = _define(
    r"h_{\ell}/h_{\ell'}", "effective rewards of two lengths of one reward, l < l', their ratio", positive=True
)
short = _define(r"\ell", "the shorter length, in tokens", positive=True)
long = _define(r"\ell'", "the longer length, in tokens", positive=True)
shortest = _define(r"\ell_{\min}", "the shortest length of the prompt, in tokens", positive=True)
longest = _define(r"\ell_{\max}", "the longest length of the prompt, in tokens", positive=True)
slope_k1 = _define(r"\mathbb{E}[D_u k_1]", "expected derivative of the k1 estimate, along a direction", real=True)
slope_k2 = _define(r"\mathbb{E}[D_u k_2]", "expected derivative of the k2 estimate, along a direction", real=True)
slope_k3 = _define(r"\mathbb{E}[D_u k_3]", "expected derivative of the k3 estimate, along a direction", real=True)
slope_kl = _define(r"D_u\mathrm{KL}(\pi\,\|\,\pi_{\mathrm{ref}})", "derivative of the divergence", real=True)
slope_reverse = _define(
    r"D_u\mathrm{KL}(\pi_{\mathrm{ref}}\,\|\,\pi)", "derivative of the divergence the other way round", real=True
)
curl_pair = _define(
    r"\operatorname{curl}(e_{\mathrm{mid}}-e_{\mathrm{low}},\,e_{\mathrm{top}}-e_{\mathrm{low}})",
    "curl in the plane of three values",
    real=True,
)
F_0 = _define(r"F(\theta_0)", "potential at the start", real=True)
F_T = _define(r"F(\theta_T)", "potential at the end", real=True)
F_star = _define(r"F^{\star}", "upper bound of the potential over policies", real=True)
grad_F_squared = _define(r"\|\nabla F(\theta)\|^2", "squared norm of the potential's gradient", nonnegative=True)
shortfall = _define(r"F^{\star}-F(\theta)", "distance of the potential from its upper bound", nonnegative=True)
shortfall_after = _define(
    r"F^{\star}-\mathbb{E}F(\theta+\eta\hat g)",
    "expected distance from it after one sampled step, over every group",
    real=True,
)

# training
second_path = _define(
    r"\textstyle\frac{1}{T}\sum_{t<T}\mathbb{E}\|\hat g_t\|^2",
    "mean second moment of the estimator along the path",
    nonnegative=True,
)
mean_grad_F = _define(
    r"\textstyle\frac{1}{T}\sum_{t<T}\mathbb{E}\|\nabla F(\theta_t)\|^2",
    "running mean of the squared gradient of the potential",
    nonnegative=True,
)
min_grad_F = _define(
    r"\min_{0\le t\le T}\|\nabla F(\theta_t)\|^2",
    "smallest squared gradient of the potential on the path, end included",
    nonnegative=True,
)
mean_grad_J = _define(
    r"\textstyle\frac{1}{T}\sum_{t<T}\mathbb{E}\|\nabla J(\theta_t)\|^2",
    "running mean of the squared policy gradient",
    nonnegative=True,
)
alpha = _define(r"\alpha", "drift constant: sum of <grad J, m> over sum of ||grad J||^2 along the path", real=True)
M_2 = _define("M_2", "largest second moment of the estimator on the path", nonnegative=True)
silent = _define(
    r"P_{\mathrm{silent}}", "probability that all members of a group have the same composite reward", nonnegative=True
)
exponent_K = _define(r"\partial\ln V/\partial\ln K", "measured exponent of the variance in K", real=True)

# decomposition: one group, members i, components k and l
i, k, l = sp.symbols("i k l", integer=True)  # noqa: E741
w = _define_indexed("w", "weight of a component", nonnegative=True)
sigma = _define_indexed(r"\sigma", "deviation of a component in the group", nonnegative=True)
sigma_c = _define(r"\sigma_c", "deviation of the composite in the group", nonnegative=True)
corr = _define_indexed("C", "correlation of two components in the group, 0 if one of them is silent", 2, real=True)
z = _define_indexed("z", "w_k (sigma_k / sigma_c - 1); -w_k where the composite is silent", real=True)
kappa_ddof = _define(r"\kappa_{\mathrm{ddof}}", "1 for ddof = 0, (G - 1)/G for ddof = 1", positive=True)
A_joint = _define(r"A^{\mathrm{joint}}", "advantage of a member from the standardized composite", real=True)
A_sum = _define(r"A^{\mathrm{dec}}", "advantage of a member: weighted sum of standardized components", real=True)
A_part = _define_indexed(r"A", "advantage of a member from one standardized component", real=True)
A_joint_of = _define_indexed(r"A^{\mathrm{joint}}_{\cdot}", "joint advantages of the members", real=True)
A_sum_of = _define_indexed(r"A^{\mathrm{dec}}_{\cdot}", "decomposed advantages of the members", real=True)
gap_zero = _define(
    r"[z^\top C z=0]", "1 if joint and decomposed advantages agree in the group, decided exactly, else 0", integer=True
)
together = _define(
    r"[\text{together}]",
    "1 if every component with weight varies in the group and all of them are perfectly positively correlated, else 0",
    integer=True,
)
kernel_zero = _define(r"[Cz=0]", "1 if z is in the kernel of C, decided exactly, else 0", integer=True)

# decomposition: the update
gap_norm = _define(
    r"\|m^{\mathrm{joint}}-\lambda m^{\mathrm{dec}}\|",
    "distance of the joint update from lambda times the decomposed one, one prompt",
    nonnegative=True,
)
Q_gap = _define(
    "Q",
    "mean squared difference of joint and lambda times decomposed advantages; E[z'Cz] for lambda = 1, eps = 0, ddof = "
    "0",
    nonnegative=True,
)
lambda_max = _define(
    r"\lambda_{\max}(\mathbb{E}ss^\top)",
    "largest eigenvalue of the second moment of the score, one prompt",
    nonnegative=True,
)
mean_center = _define(
    r"\langle u, m\rangle_{\mathrm{joint}}", "centred update of the composite along a direction", real=True
)
mean_center_of = _define_indexed(r"u\cdot m", "centred update of one component along a direction", real=True)
osc_residual = _define(
    r"\operatorname{osc}_m(c_m-\mu h_m)",
    "range over reward classes of composite less mu times effective reward",
    nonnegative=True,
)
osc_residual_of = _define_indexed(
    r"\operatorname{osc}(R-\mu h)",
    "range over reward classes of R_k less mu times the effective reward of component k alone",
    nonnegative=True,
)
tv = _define(
    r"\mathrm{TV}(P^{\star},P_\theta)",
    "total variation between class laws under an optimal policy and under theta",
    nonnegative=True,
)
mu = _define(
    r"\mu", "1/lambda >= 0: any choice is allowed; the one that minimizes the right side is taken", nonnegative=True
)
C_star = _define(
    r"C_{\pi^{\star}}(\theta)",
    "square root of the sum of (d*(x) / (d(x) pi(a*(x)|x)))^2 over one prompt's nodes, comparator optimal for c",
    positive=True,
)
m_norm = _define(r"\|m(\theta)\|", "norm of the expected update of one prompt", nonnegative=True)
psi_of = _define_indexed(
    r"\psi", "psi_G at the probability that component k is 1; 0 if it never varies", nonnegative=True
)
psi_min = _define(r"\min_k\psi_G(p_k)", "smallest psi_G over the components that vary and have weight", positive=True)
p_of = _define_indexed(r"p^{\theta}", "probability that component k is 1", nonnegative=True)
p_star_of = _define_indexed(r"p^{\star}", "the same under the optimal policy", nonnegative=True)
one_step = _define(
    r"\mathbb{E}J(\theta+\eta\hat g)-J(\theta)",
    "expected gain of one sampled step of the criterion's size, over every group",
    real=True,
)
curl_norm = _define(r"\|\operatorname{curl}\|", "Frobenius norm of the curl", nonnegative=True)
A_largest = _define(
    r"\max_i|A^{\mathrm{dec}}_i|", "largest decomposed advantage of a group in magnitude", nonnegative=True
)
S_joint = _define(r"S^{\mathrm{joint}}", "surrogate of a group with joint advantages, unclipped", real=True)
S_dec = _define(r"S^{\mathrm{dec}}", "surrogate of a group with decomposed advantages, unclipped", real=True)
Delta = _define(
    r"\Delta",
    "largest |Delta_i| of the group, sigma_c Delta_i = (c_i - mean c) - sum_k w_k (R_ki - mean R_k)",
    nonnegative=True,
)
printed_factor = _define(
    "B",
    "a factor of Delta: the mean of the members' ratios, (1/G) sum r_i; any finite one gives the same verdict at Delta "
    "= 0",
    positive=True,
)

# generalization
R_hat = _define(
    r"\hat R", "empirical risk: mean loss 1 - V_c/W of the posterior on the training prompts", nonnegative=True
)
R_hat_drawn = _define(r"\hat R_m", "mean empirical risk of m policies drawn from the posterior", nonnegative=True)
R_S = _define("R_S", "risk: expected loss of the posterior under the source distribution", nonnegative=True)
R_T = _define("R_T", "risk under the target distribution", nonnegative=True)
kl_posterior = _define(
    r"\mathrm{KL}(Q\|\Pi)", "divergence of the posterior from the prior, both over policies", nonnegative=True
)
n = _define("n", "number of training prompts", integer=True, positive=True)
delta = _define(
    r"\delta", "probability with which the bound may fail, over the draw of training set and policies", positive=True
)
m_drawn = _define("m", "number of policies drawn from the posterior", integer=True, positive=True)
N_means = _define(r"N_{\mathrm{means}}", "number of means estimated from the same draws", integer=True, positive=True)
delta_drawn = _define(r"\delta'", "share of the failure probability kept for the draw of policies", positive=True)
square_hat = _define(r"\hat S", "posterior mean of the mean squared loss on the training prompts", nonnegative=True)
C_catoni = _define("C", "Catoni's constant, fixed before the data", positive=True)
tv_domains = _define(r"\mathrm{TV}(D_S,D_T)", "total variation between the prompt distributions", nonnegative=True)
kl_domains = _define(
    r"\mathrm{KL}(D_T\|D_S)", "divergence of the target from the source distribution", nonnegative=True
)
chi2_domains = _define(
    r"\chi^2(D_T\|D_S)", "chi-squared divergence of the target from the source distribution", nonnegative=True
)
var_S = _define(r"\operatorname{Var}_S", "variance of the loss over source prompts", nonnegative=True)
osc_loss = _define(r"\operatorname{osc}_q\ell", "range of the loss over the prompts of both domains", nonnegative=True)
osc_value = _define_indexed(
    r"\operatorname{osc}V",
    "range over the prompts of both domains of the expected reward of component k",
    nonnegative=True,
)
shift_term = _define(
    r"\textstyle\sum_k\frac{w_k}{W}\operatorname{osc}_k\mathrm{TV}", "the shift term of T3.shift", nonnegative=True
)
D_tools = _define("D", "most tool calls in a trajectory", integer=True, nonnegative=True)
B_run = _define(r"B_{\mathrm{run}}", "most decisions in a row that call no tool", integer=True, nonnegative=True)
