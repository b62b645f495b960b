"""The words of a check: how well a claim stands, what a check found, and by what evidence (theory.md section 8)."""

from enum import StrEnum


class Standing(StrEnum):
    """How well a claim is established (theory.md, head)."""

    PROVED = "proved"
    LITERATURE = "literature"
    CONJECTURED = "conjectured"
    PRINTED = "printed"


class Verdict(StrEnum):
    """What a check found (theory.md section 8). Only ``holds`` is a pass."""

    HOLDS = "holds"
    VIOLATED = "violated"
    VACUOUS = "vacuous"
    ASSUMPTION_UNMET = "assumption_unmet"
    UNDECIDED = "undecided"


class Evidence(StrEnum):
    """How a verdict was reached (theory.md section 8): in exact arithmetic; in float64 with its error far below the
    slack; by an interval that is valid at its sample size; by one that is not, which is shown and never a pass."""

    CERTIFIED = "certified"
    EXACT = "exact"
    STATISTICAL = "statistical"
    ASYMPTOTIC = "asymptotic"
