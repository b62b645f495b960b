"""The claim of claims/literature/noise.py in rationals, square roots and balls; and the process of a noisy verifier."""

from fractions import Fraction
from functools import lru_cache
from math import comb
from typing import Any

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.literature.success import only_reward, successes
from bounds.enclosed.slopes import gain_tables
from bounds.exact_instance import ExactInstance
from tamdp_theory import TAMDP
from tamdp_theory.exact.balls import is_zero, number, prompt_update, tabular
from tamdp_theory.numbers import fraction

# (TPR, FPR): a good verifier, and one that is wrong more often than right
VERIFIERS = ((Fraction(4, 5), Fraction(1, 10)), (Fraction(1, 5), Fraction(3, 5)))


@lru_cache(maxsize=256)
def noisy(env: TAMDP, component: int, right: Fraction, wrong: Fraction) -> TAMDP:
    """The process where a 0/1 component is what a verifier says: 1 with probability ``right`` where it is 1, and
    ``wrong`` where it is 0, independent of all else. Nodes and actions are the same, in the same order.
    """
    document = env.to_dict()
    for node in document["nodes"]:
        for action in node["actions"]:
            action["next"] = [part for edge in action["next"] for part in _said(edge, component, right, wrong)]
    return TAMDP.from_dict(document)


def _said(edge: dict[str, Any], component: int, right: Fraction, wrong: Fraction) -> list[dict[str, Any]]:
    """An edge, or what the verifier makes of an outcome."""
    if "rewards" not in edge:
        return [edge]
    chance, rewards = fraction(edge["probability"], "probability"), edge["rewards"]
    accepted = right if rewards[component] == 1 else wrong
    return [
        {"probability": chance * share, "rewards": [*rewards[:component], said, *rewards[component + 1 :]]}
        for said, share in ((1, accepted), (0, 1 - accepted))
        if share
    ]


def noisy_rows(i: ExactInstance) -> list[Row]:
    """P.noise: each verifier, prompt and parameter that moves p."""
    rows: list[Row] = []
    component = only_reward(i.env)
    if component is None:
        return rows
    size = i.scheme.group_size
    for right, wrong in VERIFIERS:
        law = tabular(noisy(i.env, component, right, wrong), i.policy.probability).law()
        for one in successes(i):
            gains = gain_tables(one.group)
            update = prompt_update(law, one.prompt, i.scheme)[0]
            rows += [
                {
                    ls.mean_noisy: own,
                    ls.slope_p: up,
                    s.p: one.p,
                    ls.TPR: number(right),
                    ls.FPR: number(wrong),
                    ls.choose: [comb(size - 1, k) for k in range(size)],
                    s.gain_right: gains[0],
                    s.gain_wrong: gains[1],
                    s.G: size,
                }
                for up, own in zip(one.gradient, update, strict=True)
                if not is_zero(up)
            ]
    return rows
