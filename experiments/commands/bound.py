"""``tamdp bound``: PAC-Bayes bounds for numbers of one's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro
from rich.table import Table

from bounds.pac_bayes import formulas as pac_bayes
from experiments.console import console, write_json
from tamdp_theory.errors import InputError


@dataclass(frozen=True)
class Bound:
    """Bound the risk of a posterior over policies from its mean loss on a training set, and the risk under another
    prompt distribution.

    Losses lie in [0, 1]. Each bound holds with probability 1 - delta over the draw of the n training examples, whatever
    the posterior, if the prior was fixed before. A bound of 1 or more is marked vacuous: it says nothing.

    Example: tamdp bound --risk 0.2 --n 500 --kl 3 --delta 0.05

    Example: tamdp bound --risk 0.2 --n 500 --posterior 0.7 0.3 --prior 0.5 0.5 --total-variation 0.1
    """

    risk: float
    """Mean loss of the posterior on the training set, in [0, 1]."""
    n: int
    """Number of independent training examples, at least 1."""
    kl: float | None = None
    """Divergence of the posterior from the prior, 0 or more; or give --posterior."""
    delta: float = 0.05
    """Probability with which a bound may fail, in (0, 1)."""
    posterior: tuple[float, ...] = ()
    """Posterior probabilities of a finite class of policies, in place of --kl."""
    prior: tuple[float, ...] = ()
    """Prior probabilities of the same policies; default: equal."""
    square: float | None = None
    """Mean squared loss of the posterior on the training set, at most --risk: also give the bound that uses it."""
    c: float = 1.0
    """Catoni's constant, positive, fixed before the data."""
    total_variation: float | None = None
    """Also bound the risk under a prompt distribution this far from the training one, in [0, 1]."""
    oscillation: tuple[float, ...] = ()
    """With --total-variation: range over prompts of each component's expected reward, in [0, 1]; default:
    1, the worst.
    """
    weights: tuple[float, ...] = ()
    """With --oscillation: weight of each component; default: equal."""
    json: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None
    """Write the numbers as JSON to this file, or to the terminal with "-"."""

    def run(self) -> int:
        """Compute, print, write; return 0."""
        divergence = self._divergence()
        found = {
            method: pac_bayes.risk_bound(self.risk, self.n, divergence, delta=self.delta, method=method, c=self.c)
            for method in pac_bayes.RISK
        }
        if self.square is not None:
            found["bernstein"] = pac_bayes.bernstein_bound(self.risk, self.square, self.n, divergence, self.delta)
        shifted = {}
        if self.total_variation is None and (self.oscillation or self.weights):
            raise InputError("oscillation, weights: belong to --total-variation; give that too")
        if self.total_variation is not None:
            oscillation = self.oscillation or (1.0,)
            weights: Sequence[float] = self.weights or (1.0,) * len(oscillation)
            shift = pac_bayes.shift_by_components(0.0, self.total_variation, oscillation, weights)
            shifted = {method: value + shift for method, value in found.items()}
        content = {"kl": divergence, "risk": found} | ({"target_risk": shifted} if shifted else {})
        if self.json is not None:
            write_json(self.json, content)
            if self.json == "-":
                return 0
        out = console()
        out.print(
            f"empirical risk {self.risk:g}, n = {self.n}, KL = {divergence:.6g}, each bound fails with probability at "
            f"most {self.delta:g}"
        )
        table = Table(
            "bound", "risk under the source", *(["risk under the target"] if shifted else []), box=None, padding=(0, 2)
        )
        for method, value in found.items():
            table.add_row(_NAMES[method], _show(value), *([_show(shifted[method])] if shifted else []))
        out.print(table)
        return 0

    def _divergence(self) -> float:
        if (self.kl is None) == (not self.posterior):
            raise InputError("kl, posterior: give one of them")
        if self.prior and not self.posterior:
            raise InputError("prior: belongs to --posterior; give that instead of --kl")
        if self.kl is not None:
            return self.kl
        count = len(self.posterior)
        from tamdp_theory import posteriors  # which loads processes and policies

        return float(posteriors.divergence(self.posterior, self.prior or [1 / count] * count))


_NAMES = {
    "kl": "small kl (T3.kl)",
    "mcallester": "square root (T3.mcallester)",
    "catoni": "exponential (T3.catoni)",
    "bernstein": "squared losses (T3.bernstein)",
}


def _show(value: float) -> str:
    return f"{value:.6f}" if value < 1 else f"{value:.6f} vacuous"


COMMAND = Bound
