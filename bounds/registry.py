"""All claims by id. Duplicate ids, unknown dependencies and cycles fail at import."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType

from bounds import lemmas, theorem1, theorem2, theorem3
from bounds.claim import Claim


def _collect(*groups: tuple[Claim, ...]) -> Mapping[str, Claim]:
    claims: dict[str, Claim] = {}
    for group in groups:
        for claim in group:
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


CLAIMS = _collect(lemmas.CLAIMS, theorem1.CLAIMS, theorem2.CLAIMS, theorem3.CLAIMS)
