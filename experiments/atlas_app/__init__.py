"""The atlas as an interactive page: ``tamdp atlas --html FILE`` or ``python -m experiments.atlas_app FILE``.

The page carries the advantages of every group of 0/1 rewards and of every group of rewards (0, gap, 1), computed here;
what depends on a slider is a sum over groups that the page's own script makes.
"""

import json
from collections.abc import Iterable
from fractions import Fraction
from html import escape
from importlib.resources import files
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from experiments import atlas
from tamdp_theory import estimators
from tamdp_theory.exact import Groups

SIZES = (2, 3, 4, 6, 8, 12, 16, 24, 32)
GRADED_SIZES = (2, 4, 8)
GAPS = tuple(Fraction(k, 10) for k in (1, 3, 5, 7, 9))
_LEVELS = (Fraction(0), Fraction(1))


def page() -> str:
    """The page, self-contained."""
    folder = files(__name__)
    parts = {name: (folder / name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js")}
    data = json.dumps(content(), separators=(",", ":"), sort_keys=True).replace("</", "<\\/")
    options = "".join(f'<option value="{escape(name)}">{escape(name)}</option>' for name in _names())
    return (
        parts["page.html"]
        .replace("/*STYLE*/", parts["page.css"])
        .replace("/*SCRIPT*/", parts["page.js"])
        .replace("<!--ESTIMATORS-->", options)
        .replace("/*DATA*/", data)
    )


def content() -> dict[str, Any]:
    """What the page's script reads."""
    return {
        "sizes": SIZES,
        "gradedSizes": GRADED_SIZES,
        "gaps": [float(gap) for gap in GAPS],
        "estimators": {name: _entry(name) for name in _names()},
    }


def _names() -> list[str]:
    """Those of the atlas that make sense in every size from 4 on."""
    return [name for name in atlas.names(4) if name != "length_baseline"]


def _entry(name: str) -> dict[str, Any]:
    estimator = estimators.resolve(name)
    entry = atlas.entry(name, 8, "graded")
    objective = entry.climbs if entry.closed else f"none: {entry.witness}" if entry.closed is False else entry.witness
    return {
        "summary": entry.summary,
        "objective": objective,
        "uses": list(entry.uses),
        "binary": {str(size): _binary(name, size) for size in SIZES if size >= estimator.smallest},
        "graded": {}
        if estimator.binary
        else {
            str(size): [_graded(name, size, gap) for gap in GAPS] for size in GRADED_SIZES if size >= estimator.smallest
        },
    }


def _binary(name: str, size: int) -> list[list[float]]:
    """(A of a success, A of a failure) for s = 0, ..., G successes; 0 of what is not there."""
    members = np.array([[0] * (size - s) + [1] * s for s in range(size + 1)])
    found = _advantages(name, size, members, _LEVELS)
    return [
        [_short(row[-1] if s else 0.0), _short(row[0] if s < size else 0.0)] for s, row in enumerate(found.tolist())
    ]


def _graded(name: str, size: int, gap: Fraction) -> list[list[float]]:
    """A of a member with reward 0, gap and 1 in each multiset, in the order of ``combinations_with_replacement``."""
    groups = list(combinations_with_replacement(range(3), size))
    found = _advantages(name, size, np.array(groups), (Fraction(0), gap, Fraction(1)))
    return [
        [_short(float(row[group.index(m)])) if m in group else 0.0 for m in range(3)]
        for group, row in zip(groups, found, strict=True)
    ]


def _advantages(name: str, size: int, members: Any, values: Iterable[Fraction]) -> Any:
    rewards = tuple((value,) for value in values)
    groups = Groups(members, rewards, (Fraction(1),), (1,) * len(rewards))
    return groups.advantages(atlas.scheme_of(name, size))


def _short(value: float) -> float:
    return float(f"{value:.12g}") + 0.0
