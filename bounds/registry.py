"""All claims by id, in the order of theory.md. A claim is loaded with the file that it is written in, when it is asked
for; all of them are where they are counted or listed. Duplicate ids, unknown dependencies and cycles fail then.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from importlib.resources import files

from bounds.claim import Claim

# files of claims; within a section of theory.md claims stand in this order
MODULES = (
    "divergence",
    "geometry",
    "smoothness",
    "update",
    "potential",
    "closedness",
    "variance",
    "convergence",
    "paths",
    "drift",
    "scaling",
    "single_groups",
    "lossless",
    "update_gap",
    "suboptimality",
    "benefit",
    "printed",
    "coverage",
    "domains",
    "depth",
    "objectives",
    "slopes",
    "lengths",
    "literature.davis_recht",
    "literature.max_rl",
    "literature.barakat",
    "literature.yang",
    "literature.rloo",
    "literature.disco",
    "literature.bay",
    "literature.noise",
    "literature.mroueh",
    "literature.vojnovic",
    "literature.mei",
    "literature.cui",
    "literature.mo_grpo",
    "literature.gdpo",
    "literature.zhou",
    "literature.gspo",
    "literature.pang",
    "literature.wu",
    "literature.suk_duan",
    "literature.park",
)
SECTIONS = {
    "L": "Lemmas",
    "T1": "Theorem 1: convergence",
    "T2": "Theorem 2: reward decomposition",
    "T3": "Theorem 3: generalization",
    "T4": "What group-relative estimators optimise",
    "T5": "How length enters",
    "P": "Published elsewhere, as stated there",
}
_ID = re.compile(r"^        id=\"([^\"]+)\",$", re.MULTILINE)


class Registry(Mapping[str, Claim]):
    """Claims by id."""

    @cached_property
    def _homes(self) -> dict[str, str]:
        """File of each id, read from the sources."""
        found: dict[str, str] = {}
        for module in MODULES:
            source = files("bounds.claims") / f"{module.replace('.', '/')}.py"
            for claim_id in _ID.findall(source.read_text(encoding="utf-8")):
                if claim_id in found:
                    raise ValueError(f"claim {claim_id} is defined twice")
                found[claim_id] = module
        return {claim_id: found[claim_id] for claim_id in sorted(found, key=_place)}

    @cached_property
    def _all(self) -> dict[str, Claim]:
        found = checked([claim for module in MODULES for claim in _claims(module)])
        if list(found) != list(self._homes):
            missed = sorted(set(found) ^ set(self._homes))
            raise ValueError(f'claims {missed}: write id="..." on a line of its own, as the other claims have it')
        return found

    def __getitem__(self, claim_id: str) -> Claim:
        return next(claim for claim in _claims(self._homes[claim_id]) if claim.id == claim_id)

    def __contains__(self, claim_id: object) -> bool:
        return claim_id in self._homes

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


def _claims(module: str) -> tuple[Claim, ...]:
    claims: tuple[Claim, ...] = import_module(f"bounds.claims.{module}").CLAIMS
    return claims


def checked(claims: list[Claim]) -> dict[str, Claim]:
    """Claims by id, in order of their sections. ValueError for duplicate ids, unknown dependencies and cycles."""
    found: dict[str, Claim] = {}
    for claim in sorted(claims, key=section):
        if claim.id in found:
            raise ValueError(f"claim {claim.id} is defined twice")
        found[claim.id] = claim
    for claim in found.values():
        unknown = set(claim.depends_on) - set(found)
        if unknown:
            raise ValueError(f"claim {claim.id} depends on unknown {sorted(unknown)}")
    try:
        TopologicalSorter({claim.id: claim.depends_on for claim in found.values()}).prepare()
    except CycleError as error:
        raise ValueError(f"claims depend on each other in a circle: {error.args[1]}") from error
    return found


def section(claim: Claim) -> int:
    """Place of a claim's section of theory.md: its lemmas, then Theorems 1, 2 and 3."""
    return _place(claim.id)


def _place(claim_id: str) -> int:
    found = [place for place, prefix in enumerate(SECTIONS) if claim_id.startswith(prefix)]
    if not found:
        raise ValueError(f"claim {claim_id}: an id begins with one of {', '.join(SECTIONS)}")
    return found[0]


CLAIMS = Registry()
