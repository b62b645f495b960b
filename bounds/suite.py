"""What claims are checked on together: processes and policies of a suite, and how a claim chooses among them.

A claim's record names one of these functions, or one of its own, as ``instances``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from bounds.instance import Instance
from bounds.once import Once
from tamdp_theory import TAMDP, Policy
from tamdp_theory.exact import Scheme
from tamdp_theory.model import THINK

if TYPE_CHECKING:
    from bounds.claim import Claim

SEED = 7
DEFAULT_SCHEMES = (Scheme(8, "center"),)  # of claims that do not speak of groups
TRAINED = "soft"  # the policy that training starts from
SHARED = "log-linear"  # and one with shared parameters


@dataclass(frozen=True, eq=False)
class Suite:
    """Processes, and policies by name on each of them, in order.

    steps: of training; runs: of training on processes of up to 3 pairs, of up to 60, and of more; sizes: of groups,
    where a claim asks how something falls with them. quick: the smallest suite, where one violation is enough.
    once: where the instances keep what several claims read.
    """

    processes: tuple[TAMDP, ...]
    policies: Mapping[str, Mapping[str, Policy]]
    steps: int
    runs: tuple[int, int, int]
    sizes: tuple[int, ...]
    quick: Suite | None = None
    once: Once = field(default_factory=Once)

    @property
    def smallest(self) -> Suite:
        """The quick suite; the suite itself if it is one."""
        return self.quick or self

    def runs_on(self, env: TAMDP) -> int:
        """Training runs on a process: what intervals that are valid at any number of them need."""
        return self.runs[0 if env.n_pairs <= 3 else 1 if env.n_pairs <= 60 else 2]


Instances: TypeAlias = "Callable[[Claim, Suite], Iterable[Instance]]"


def everywhere(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """Every process, policy and scheme, and think scores weighted where the claim survives that."""
    for instance in each(claim, suite):
        yield instance
        if claim.weighted and (instance.env.pair_kind == THINK).any():
            yield replace(instance, think_weight=0.5, label=f"{instance.label} think weight 1/2")


def each(claim: Claim, suite: Suite, only: Collection[str] | None = None) -> Iterable[Instance]:
    """Every process, policy (``only``: of these names) and scheme that the claim names."""
    for env in suite.processes:
        for name, policy in suite.policies[env.name].items():
            if only is not None and name not in only:
                continue
            for scheme in claim.schemes or DEFAULT_SCHEMES:
                yield Instance(
                    env,
                    policy,
                    scheme,
                    seed=SEED,
                    steps=suite.steps,
                    runs=suite.runs_on(env),
                    label=_label(env, name, scheme, bool(claim.schemes)),
                    once=suite.once,
                )


def on_quick(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """The quick suite: one violation refutes what is printed."""
    return everywhere(claim, suite.smallest)


def nowhere(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """Nothing but the stored example: that is all that the claim speaks of."""
    return ()


def with_example(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """The stored example, if there is one, and what the claim's record says."""
    if claim.example is not None:
        example = claim.example()
        yield replace(example, label=f"{example.env.name} (stored)")
    yield from claim.instances(claim, suite)


def _label(env: TAMDP, policy: str, scheme: Scheme, speaks_of_groups: bool) -> str:
    text = f"{env.name} {policy}"
    if speaks_of_groups:
        text += f" {scheme.normalization} G={scheme.group_size}"
    if scheme.eps or scheme.ddof:
        text += f" eps={scheme.eps:g} ddof={scheme.ddof}"
    return text
