"""Negative controls: for each claim and assumption an instance that violates the claim once the assumption is dropped.

A number is a place in the campaign's stream of instances (experiments/campaign/instances.py).
``python -m tests.helpers.controls CLAIM ASSUMPTION`` walks along the stream and prints the first place that will do.
"""

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bounds import CLAIMS, Instance, Verdict, certificates
from experiments.campaign.instances import draw
from tamdp_theory import CapacityError, InputError, LogLinear, TabularSoftmax, families
from tamdp_theory.exact import Scheme
from tests.helpers.chains import chain, merged

LINEAR = families.search(prompts=2, max_tool_depth=1)
THREE = families.bandit([["0"], ["1/3"], ["1"]])
# a reward of weight 1/100: centred advantages are small, standardized ones are not
LIGHT = families.bandit([["0"], ["1"]], weights=("1/100",))


def _linear(scale: float) -> Instance:
    features = scale * np.random.default_rng(0).standard_normal((LINEAR.n_pairs, 2))
    return Instance(LINEAR, LogLinear(LINEAR, features))


def _complementary() -> Instance:
    env = families.bandit([["1", "0"], ["0", "1"], ["1", "1"]], weights=("1/2", "1/2"))
    return Instance(env, TabularSoftmax(env), Scheme(3, "normalize_then_sum"))


CONTROLS: dict[tuple[str, str], int | Callable[[], Instance]] = {
    ("L2", "tabular"): lambda: _linear(1.0),
    ("L2.bound", "tabular"): 0,
    ("L3", "tabular"): lambda: _linear(9.0),
    ("L3.bandit", "tabular"): 0,
    ("L3.bandit", "one decision"): lambda: Instance(chain(), TabularSoftmax(chain(), np.log([[3.0, 1.0], [3.0, 1.0]]))),
    ("L3.tree", "tabular"): 0,
    ("L2.log", "tabular"): 0,
    ("L2.log.square", "tabular"): 0,
    ("L3.martingale", "tree"): lambda: Instance(merged(), TabularSoftmax(merged())),
    ("L3.sd", "tabular"): 0,
    ("L3.dag.sd", "tabular"): 0,
    ("L3.quarter", "tabular"): 0,
    ("L3.dag", "tabular"): 0,
    ("L3.trees", "tabular"): 0,
    ("L3.all", "tabular"): 0,
    ("L7.smooth", "tabular"): 7,
    ("L4", "tabular"): 69,
    ("L8", "joint"): lambda: Instance(THREE, TabularSoftmax(THREE), Scheme(3, "center")),
    ("L8.pair", "pairs"): 0,
    ("L8.pair", "joint"): 3,
    ("L9", "center"): lambda: Instance(LIGHT, TabularSoftmax(LIGHT), Scheme(4, "sum_then_normalize")),
    ("L9.components", "center"): lambda: Instance(LIGHT, TabularSoftmax(LIGHT), Scheme(4, "sum_then_normalize")),
    ("L9.decomposed", "tabular"): 9,
    ("L9x", "center"): lambda: Instance(LINEAR, TabularSoftmax(LINEAR), Scheme(4, "sum_then_normalize")),
    ("T1.scaling.joint", "uninformative scores"): lambda: Instance(
        THREE, TabularSoftmax(THREE), Scheme(4, "sum_then_normalize")
    ),
    ("T1.scaling.joint", "plain joint"): 16,
    ("T1.scaling.independent", "independent"): 14,
    ("T1.scaling.comonotone", "comonotone"): 14,
    ("T2.identity", "no eps"): 2,
    ("T2.advantage", "no eps"): 2,
    ("T2.gradient.tabular", "tabular"): 0,
    ("T2.lossless", "no eps"): 6,
    ("T2.lossless.exactly", "no eps"): 6,
    ("T2.lossless.exactly", "weights sum to one"): 11,
    ("T2.lossless.comonotone", "comonotone groups"): 3,
    ("T2.lossless.comonotone", "weights sum to one"): 11,
    ("T2.lossless.comonotone", "no eps"): 6,
    ("T2.lossless.center", "center"): 0,
    ("T2.scale", "uncorrelated groups"): 0,
    ("T2.scale", "no eps"): 5,
    ("T2.cancel", "complementary"): _complementary,
    ("T2.closed", "two-valued components"): lambda: Instance(
        THREE, TabularSoftmax(THREE), Scheme(3, "normalize_then_sum")
    ),
    ("T2.suboptimality", "tabular"): 69,
    ("T2.suboptimality.components", "tabular"): 193,
    ("T2.suboptimality.components", "decomposed"): 27,
    ("T2.suboptimality.signed", "decomposed"): 113,
    ("T2.suboptimality.signed", "zero-one"): 41,
    ("T2.suboptimality.solvable", "decomposed"): 113,
}
# those that a minute of ``tamdp falsify CLAIM --without ASSUMPTION`` finds and certifies; the search finds them itself
SEARCHED = [
    ("L2", "tabular"),
    ("L3", "tabular"),
    ("L4", "tabular"),
    ("L8", "joint"),
    ("L9", "center"),
    ("L9x", "center"),
    ("T2.identity", "no eps"),
    ("T2.advantage", "no eps"),
    ("T2.lossless.comonotone", "weights sum to one"),
    ("T2.lossless.center", "center"),
    ("T2.scale", "uncorrelated groups"),
    ("T2.cancel", "equal weights"),
    ("T2.closed", "two-valued components"),
]


def control(claim_id: str, assumption: str) -> Instance:
    """The instance of the table, with the assumption dropped."""
    place = CONTROLS[claim_id, assumption]
    return at(place, assumption) if isinstance(place, int) else replace(place(), without=(assumption,))


def at(place: int, assumption: str) -> Instance:
    """An instance of the stream, the assumption dropped; for "tabular" under a log-linear policy of large features."""
    g = np.random.default_rng([7, place])
    base = replace(draw(g)[1], without=(assumption,))
    if assumption == "tabular":
        shared = LogLinear(base.env, np.round(8 * g.standard_normal((base.env.n_pairs, 2)), 1), [0.5, -0.25])
        base = replace(base, policy=shared, reference=shared)
    return base


def is_control(claim_id: str, instance: Instance) -> bool:
    """Whether the claim does not speak of the instance but for what is dropped (or of other parts of it, where its
    numbers alone show the assumption), and floats and exact arithmetic both violate it.
    """
    claim, (dropped,), kept = CLAIMS[claim_id], instance.without, replace(instance, without=())
    try:
        return (
            claim.conditions(kept).get(dropped, False) is False
            and claim.check(instance).verdict is Verdict.VIOLATED
            and certificates.certify(claim, instance).verdict == Verdict.VIOLATED
        )
    except (InputError, CapacityError):  # another assumption is unmet; or too large for exact arithmetic
        return False


if __name__ == "__main__":
    wanted, assumption = sys.argv[1:]
    print(next(place for place in range(100_000) if is_control(wanted, at(place, assumption))))
