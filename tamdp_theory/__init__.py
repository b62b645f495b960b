"""Exact numbers for the theory of reinforcement fine-tuning with tools.

A ``TAMDP`` (model) is a finite process with tool calls and a vector of verifiable rewards; policies act in it;
``exact`` sums what can be summed; ``estimators`` say what a step makes of a group; ``grpo`` trains, exactly or by
sampling; ``families`` makes processes. Bounds live in ``bounds``. Each name loads what it needs when it is first read.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tamdp_theory.errors import CapacityError, InputError, TamdpError
from tamdp_theory.version import __version__

if TYPE_CHECKING:
    from tamdp_theory.domains import Domains, Risks, risks
    from tamdp_theory.model import TAMDP
    from tamdp_theory.policies import LogLinear, Network, Policy, TabularSoftmax, load_policy, save_policy

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
_HOMES = {
    "domains": ("Domains", "Risks", "risks"),
    "model": ("TAMDP",),
    "policies": ("LogLinear", "Network", "Policy", "TabularSoftmax", "load_policy", "save_policy"),
}
_ROOMS = ("domains", "environments", "estimators", "exact", "families", "grpo", "policies", "posteriors", "sources")


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_ROOMS})
