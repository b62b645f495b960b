"""Policies: tabular softmax, log-linear, a small torch network. All share the protocol of ``base.Policy``."""

from tamdp_theory.policies.base import Policy
from tamdp_theory.policies.files import load_policy, save_policy
from tamdp_theory.policies.loglinear import LogLinear
from tamdp_theory.policies.network import Network
from tamdp_theory.policies.tabular import TabularSoftmax

__all__ = ["LogLinear", "Network", "Policy", "TabularSoftmax", "load_policy", "save_policy"]
