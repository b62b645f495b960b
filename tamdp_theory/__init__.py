"""Exact numbers for the theory of reinforcement fine-tuning with tools.

A ``TAMDP`` (model) is a finite process with tool calls and a vector of verifiable rewards; policies act in it;
``exact`` sums what can be summed; ``grpo`` trains, exactly or by sampling; ``families`` makes processes. Bounds live in
``bounds``.
"""

from tamdp_theory.domains import Domains, Risks, risks
from tamdp_theory.errors import CapacityError, InputError, TamdpError
from tamdp_theory.model import TAMDP
from tamdp_theory.policies import LogLinear, Network, Policy, TabularSoftmax, load_policy, save_policy
from tamdp_theory.version import __version__

__all__ = [
    "TAMDP",
    "CapacityError",
    "Domains",
    "InputError",
    "LogLinear",
    "Network",
    "Policy",
    "Risks",
    "TabularSoftmax",
    "TamdpError",
    "__version__",
    "load_policy",
    "risks",
    "save_policy",
]
