"""PAC-Bayes bounds (theory.md section 7): formulas, the setting that they speak of, and how often they fail.

risk_bound(empirical_risk=0.2, n=500, kl=3.0, delta=0.05)   # T3.kl, for an experiment of your own
"""

from bounds.pac_bayes.formulas import (
    bernstein_bound,
    binary_kl,
    kl_inverse,
    mean_error,
    risk_bound,
    sampled_risk_bound,
    shift_by_chi_squared,
    shift_by_components,
    shift_by_kl,
    trajectory_kl_bound,
)

__all__ = [
    "bernstein_bound",
    "binary_kl",
    "kl_inverse",
    "mean_error",
    "risk_bound",
    "sampled_risk_bound",
    "shift_by_chi_squared",
    "shift_by_components",
    "shift_by_kl",
    "trajectory_kl_bound",
]
