"""All claims by id, in the order of theory.md. Duplicate ids, unknown dependencies and cycles fail at import."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType

from bounds.claim import Claim
from bounds.claims import (
    benefit,
    closedness,
    convergence,
    coverage,
    depth,
    divergence,
    domains,
    drift,
    geometry,
    lossless,
    potential,
    printed,
    scaling,
    single_groups,
    suboptimality,
    update,
    update_gap,
    variance,
)

# within a section of theory.md claims stand in the order of these modules
_MODULES = (
    divergence,
    geometry,
    update,
    potential,
    closedness,
    variance,
    convergence,
    drift,
    scaling,
    single_groups,
    lossless,
    update_gap,
    suboptimality,
    benefit,
    printed,
    coverage,
    domains,
    depth,
)
SECTIONS = {
    "L": "Lemmas",
    "T1": "Theorem 1: convergence",
    "T2": "Theorem 2: reward decomposition",
    "T3": "Theorem 3: generalization",
}


def _collect(*groups: tuple[Claim, ...]) -> Mapping[str, Claim]:
    claims: dict[str, Claim] = {}
    for claim in sorted((claim for group in groups for claim in group), key=section):
        if claim.id in claims:
            raise ValueError(f"claim {claim.id} is defined twice")
        claims[claim.id] = claim
    for claim in claims.values():
        unknown = set(claim.depends_on) - set(claims)
        if unknown:
            raise ValueError(f"claim {claim.id} depends on unknown {sorted(unknown)}")
    try:
        TopologicalSorter({claim.id: claim.depends_on for claim in claims.values()}).prepare()
    except CycleError as error:
        raise ValueError(f"claims depend on each other in a circle: {error.args[1]}") from error
    return MappingProxyType(claims)


def section(claim: Claim) -> int:
    """Place of a claim's section of theory.md: its lemmas, then Theorems 1, 2 and 3."""
    found = [place for place, prefix in enumerate(SECTIONS) if claim.id.startswith(prefix)]
    if not found:
        raise ValueError(f"claim {claim.id}: an id begins with one of {', '.join(SECTIONS)}")
    return found[0]


CLAIMS = _collect(*(module.CLAIMS for module in _MODULES))
