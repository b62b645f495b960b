"""Symbols that only the statements of the literature use."""

from bounds.symbols import _define, _define_indexed

# 0/1 rewards: p is the probability of success, G members, S successes
climbed = _define(
    r"\Psi(p)", "what the expected update climbs from success probability 0 to p: integral of h_1 - h_0", real=True
)
tail = _define_indexed(
    r"I_{\cdot}(p)", "probability of at least k successes in the group, I_p(k, G - k + 1)", nonnegative=True
)
N_tries = _define("N", "how far the sum over pass@k goes", integer=True, positive=True)
slope_log = _define(r"D_u\log p", "derivative of the log-probability of success, along a direction", real=True)
slope_pass = _define_indexed(
    r"D_u\operatorname{pass}_{\cdot}", "derivative of the probability of a success among k tries", real=True
)
mean_mixed = _define(
    r"\mathbb{E}[\hat p|\mathrm{mixed}]",
    "expected share of successes in a group, given that there are successes and failures",
    nonnegative=True,
)
S = _define("S", "successes in the group", integer=True, nonnegative=True)
A_of = _define_indexed(r"A_{\cdot}", "advantages of the members", real=True)
square_mean = _define(r"\mathbb{E}A^2", "mean squared advantage, over groups and members", nonnegative=True)
slope_population = _define(
    r"D_u^{\infty}",
    "population update along a direction: mean of (c - p) over sqrt(p (1 - p)) times the score",
    real=True,
)
score_right = _define(r"\langle u,\bar s_+\rangle", "mean score of the successes, along a direction", real=True)
score_wrong = _define(r"\langle u,\bar s_-\rangle", "mean score of the failures, along a direction", real=True)
mean_along = _define(r"\langle u,m_q\rangle", "expected update of one prompt along a direction", real=True)
TPR = _define(r"\mathrm{TPR}", "probability that the verifier takes a success for a success", nonnegative=True)
FPR = _define(r"\mathrm{FPR}", "probability that the verifier takes a failure for a success", nonnegative=True)
slope_p = _define(r"D_u p", "derivative of the probability of success, along a direction", real=True)
mean_noisy = _define(
    r"\langle u,\tilde m_q\rangle", "expected update of one prompt by the noisy verifier, along a direction", real=True
)
choose = _define_indexed(r"B_{\cdot}", "binomial coefficient: G - 1 over k - 1", nonnegative=True)
p_most = _define(r"\max_q p_q", "largest probability of success over the prompts", nonnegative=True)
silent_share = _define(
    r"P_{\mathrm{silent}}^{\hat\sigma}",
    "share of groups without a standardized advantage: 1 less the mean square of standardized advantages",
    nonnegative=True,
)

# iterated GRPO at population level
beta = _define(r"\beta", "strength of the divergence penalty", positive=True)
eps = _define(r"\varepsilon_p", "what is added to the variance p (1 - p)", nonnegative=True)
p_anchor = _define(
    r"p_a",
    "probability of success of the policy that the divergence is taken from: reference or current one",
    positive=True,
)
p_next = _define(r"p_{n+1}", "probability of success after the step", nonnegative=True)
p_reference = _define(r"p_{\mathrm{ref}}", "probability of success of the reference policy", positive=True)
p_fixed = _define(r"p^{\star}", "a fixed point of the step from the reference", positive=True)
turn_low = _define(
    r"f_{\mathrm{low}}", "two steps less none, f(x) = h(h(x)) - x, at the smaller of two points of one side", real=True
)
turn_high = _define(r"f_{\mathrm{high}}", "the same at the larger one", real=True)

# one decision: actions a
effective = _define("h", "effective reward of a reward class", real=True)
won = _define(r"\Pr(c>c')", "probability that another answer has a smaller reward", nonnegative=True)
lost = _define(r"\Pr(c<c')", "probability that another answer has a larger reward", nonnegative=True)
push = _define(r"m_a/\rho_q", "expected update of the logit of an action, over the prompt's probability", real=True)
pull = _define(
    r"\mathbb{E}[\partial_a k_3]",
    "expected derivative of the k3 estimate by that logit, on the same prompt, for the reference pi_a (1 - (h_a - mean "
    "h)/beta), h_a the effective reward of the action",
    real=True,
)

# gradient ascent on one prompt of one decision
shortfall = _define(r"r^{\star}-J_t", "how far the t-th policy is from the best arm", nonnegative=True)
c_least = _define(r"c_t", "smallest probability of the best arm so far", positive=True)
turn = _define("t", "number of the policy, the start being the first", integer=True, positive=True)
n_arms = _define(r"K_{\mathrm{arms}}", "number of arms", integer=True, positive=True)
slope_entropy = _define(r"D H", "derivative of the entropy of a prompt's policy along a direction", real=True)
log_pi = _define_indexed(r"(\log\pi)_{\cdot}", "log-probabilities of the arms", real=True)
pi_of = _define_indexed(r"\pi_{\cdot}", "probabilities of the arms", nonnegative=True)
A_arm = _define_indexed(r"\bar A_{\cdot}", "expected advantage of each arm: effective reward less its mean", real=True)

# components in one group
corr_joint = _define(
    r"\operatorname{corr}(R_k,A^{\mathrm{joint}})",
    "correlation of a component with the joint advantage in the group",
    real=True,
)
corr_split = _define(
    r"r|r|",
    "r the correlation of a component with the decomposed advantage in the group: r times its magnitude",
    real=True,
)
corr_own = _define_indexed(
    r"C^{\mathrm{own}}", "correlation of that component with every component in the group", real=True
)
n_joint = _define(r"n^{\mathrm{joint}}", "distinct advantages of groups, joint", integer=True, nonnegative=True)
n_center = _define(r"n^{\mathrm{center}}", "distinct advantages of groups, centred", integer=True, nonnegative=True)
n_split = _define(r"n^{\mathrm{dec}}", "distinct advantages of groups, decomposed", integer=True, nonnegative=True)

# how to spend a budget of rollouts
error_budget = _define(
    r"BG\,\mathbb{E}\|\hat g-\nabla J\|^2",
    "mean squared error of B prompts drawn with G rollouts each, leave-one-out, times the rollouts B G",
    nonnegative=True,
)
between = _define(r"c_1", "variance of a prompt's gradient over the prompts drawn", nonnegative=True)
within = _define(r"c_2", "mean over prompts of tr Cov[s (c - J)]", nonnegative=True)
paired = _define(
    r"c_3",
    "mean over prompts of 2 tr Cov(kernel) - tr Cov[s (c - J)], kernel (c_i - c_j)(s_i - s_j)/2; never negative",
    nonnegative=True,
)

# ratios in the loss
slope_sequence = _define(
    r"\mathbb{E}[A\,D_u\,r^{1/\ell}]",
    "slope of the surrogate with sequence ratios, the trajectory ratio to the power 1 over its tokens, on policy",
    real=True,
)
slope_weighted = _define(
    r"\mathbb{E}[A\,\ell\,D_u\,r^{1/\ell}]", "the same with sequences weighted by their tokens", real=True
)
along_mean = _define(
    r"\langle u,m^{(1/\ell)}\rangle", "expected update along a direction, advantages over lengths", real=True
)
slope_trajectory = _define(
    r"D_u S^{\mathrm{traj}}",
    "slope of the unclipped surrogate at theta, trajectory ratios, groups drawn by the old policy",
    real=True,
)
slope_token = _define(
    r"D_u S^{\mathrm{tok}}",
    "mean of the members' advantages times sums over decisions of ratio times score, groups drawn by the old policy",
    real=True,
)
slope_here = _define(r"D_u J(\theta)", "derivative of the objective at theta", real=True)
slope_old = _define(r"D_u J(\theta_{\mathrm{old}})", "derivative of the objective at the old policy", real=True)

# support
push_pair = _define(r"m_{x,a}", "expected update of the logit of an action", real=True)
visited = _define(r"d_\theta(x)", "probability of reaching the node, that of its prompt included", nonnegative=True)
pi_pair = _define(r"\pi(a|x)", "probability of the action", nonnegative=True)
osc_h = _define(r"\operatorname{osc}h", "range of the effective reward over the prompt's classes", nonnegative=True)

# gradient gap
gap = _define(r"\Delta\mu", "mean score of the successes less that of the failures, along a unit vector w", real=True)
gap_gain = _define(
    r"\operatorname{logit}p(\theta+\eta w)-\operatorname{logit}p(\theta)",
    "gain in log-odds of success by the longest step that is allowed, eta = gap/(2 L_o + 8 G_o^2)",
    real=True,
)
curvature = _define(
    "L_o", "bound of the second derivative of a trajectory's log-probability along unit vectors: 1/2", positive=True
)
score_bound = _define("G_o", "bound of a trajectory's score along unit vectors: sqrt(2 H)", positive=True)

# clipping without news
half_gain = _define(
    r"\mathbb{E}A^+", "expected positive part of an advantage, which is that of the negative part", nonnegative=True
)
fell = _define_indexed(
    r"[r<1-\varepsilon]_{\cdot}", "1 for the arms whose ratio to the old policy is below the lower clip", integer=True
)
rose = _define_indexed(
    r"[r>1+\varepsilon]_{\cdot}", "1 for the arms whose ratio to the old policy is above the upper clip", integer=True
)
