"""Processes, policies and instances that the tests of certificates share, and how a certificate's file is changed."""

import copy
import json
import math
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from bounds import CLAIMS, Instance, certificates
from bounds.certificates import Certificate
from tamdp_theory import InputError, LogLinear, TabularSoftmax, families
from tamdp_theory.exact import Scheme

SHIPPED = {claim_id: json.loads(path.read_text()) for claim_id, path in certificates.shipped().items()}


TREE = families.random_tree(seed=1, prompts=2, tools=1, answers=2, max_tool_depth=1, components=2)


THREE = families.bandit([["0"], ["1/3"], ["1"]])


BITS = families.bandit([(0, 0), (1, 0), (0, 1), (1, 1)], weights=("1/2", "1/2"))


SKEW = families.bandit([[("1/4", (0, 1)), ("3/4", (1, 0))], [("1/2", (1, 1)), ("1/2", (0, 0))]], weights=("3/4", "1/4"))


ENCLOSED = [claim.id for claim in CLAIMS.values() if claim.enclose is not None]


# -- round trips --------------------------------------------------------------------------------------------------

LINEAR = LogLinear(TREE, np.random.default_rng(4).standard_normal((TREE.n_pairs, 2)).round(2), [0.5, -0.25])


SOFT = TabularSoftmax.random(TREE, np.random.default_rng(1))


THINK = families.search(prompts=1, max_tool_depth=1, think=True)


ROUND_TRIPS = {
    "rational": ("L9", Instance(BITS, TabularSoftmax(BITS), Scheme(3, "center"))),
    "surd": ("T2.identity", Instance(BITS, TabularSoftmax(BITS), Scheme(3, "center"))),
    "ball": ("T2.gradient", Instance(BITS, TabularSoftmax(BITS), Scheme(3, "sum_then_normalize"))),
    "log-linear": ("L9", Instance(TREE, LINEAR, Scheme(3, "center"))),
    "reference": ("L1.bound", Instance(TREE, SOFT, reference=TabularSoftmax(TREE))),
    "log-linear reference": (
        "T2.printed",
        Instance(TREE, SOFT.with_parameters(0 * SOFT.parameters), Scheme(2, "sum_then_normalize"), reference=LINEAR),
    ),
    "eps": ("T2.gradient.energy", Instance(BITS, TabularSoftmax(BITS), Scheme(3, "sum_then_normalize", 1e-4))),
    "ddof": ("T2.advantage", Instance(BITS, TabularSoftmax(BITS), Scheme(3, "sum_then_normalize", 0.0, 1))),
    "think_weight": ("L9", Instance(THINK, TabularSoftmax(THINK), Scheme(2, "center"), think_weight=0.5)),
    "more than 400 digits": (
        "L7.lower",
        Instance(SKEW, TabularSoftmax.random(SKEW, np.random.default_rng(1)), Scheme(32, "normalize_then_sum")),
    ),
    "without": ("L9", Instance(SKEW, TabularSoftmax(SKEW), Scheme(3, "normalize_then_sum"), without=("center",))),
}


def said(certificate: Certificate) -> tuple[Any, ...]:
    """Everything but the instance, whose numbers are read as they are written; the digest covers it."""
    own = certificate
    return own.claim, own.statement, own.verdict, own.lhs, own.rhs, own.slack, own.bits, own.assumptions, own.digest


# -- files that must not verify -----------------------------------------------------------------------------------


def written(content: dict[str, Any], path: Path, digest: bool = True) -> Path:
    """A certificate's file, with the digest that fits."""
    if digest:
        with suppress(InputError):  # not JSON at all
            content = content | {
                "digest": certificates.digest(certificates._decode(json.dumps(content).encode(), "content"))
            }
    path.write_text(json.dumps(content))
    return path


def changed(content: dict[str, Any], place: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    result = copy.deepcopy(content)
    part: Any = result
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    return result


def side(text: str) -> float:
    """A side as a float, read without the package."""
    if text.startswith("sqrt("):
        return math.sqrt(side(text[5:-1]))
    if text.startswith("["):
        middle, _, _ = text.strip("[]").rpartition("+/-")
        return float(middle or 0)
    terms = [term.partition("*sqrt(") for term in text.split(" + ")]
    return sum(float(Fraction(factor)) * math.sqrt(int(radicand.rstrip(")") or 1)) for factor, _, radicand in terms)
