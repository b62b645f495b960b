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
    r"\mathbb{E}[\hat p\mid\mathrm{mixed}]",
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
