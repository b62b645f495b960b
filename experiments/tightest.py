"""How near each inequality comes to equality: ``python -m experiments.tightest``.

For every inequality with an exact form the falsifier searches for its tightest instance. The ratio of the smaller to
the larger side is kept in bounds/tight/largest.json with where it was met; from ``KEPT`` on its certificate is kept
beside it, so that anyone can verify it. What is there already is replaced by what is tighter only.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import sympy as sp

from bounds import CLAIMS, Check, Claim, Standing, certificates
from experiments.console import fail
from experiments.falsification.search import falsify
from tamdp_theory import TamdpError, storage

KEPT = 0.9
FOLDER = Path(str(files("bounds") / "tight"))
TABLE = "largest.json"


@dataclass(frozen=True)
class Tightest:
    """The largest ratio of the smaller to the larger side that a search met: 1 is equality. certificate: its file, if
    the ratio is at least ``KEPT``."""

    ratio: float
    process: str
    group_size: int
    normalization: str
    certificate: str | None


def known() -> dict[str, Tightest]:
    """What earlier searches found, by claim."""
    path = FOLDER / TABLE
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {claim: Tightest(**entry) for claim, entry in content.items()}


def candidates() -> list[Claim]:
    """Inequalities that stand and have an exact form."""
    return [
        claim
        for claim in CLAIMS.values()
        if claim.kind == "inequality" and claim.enclose is not None and claim.standing is not Standing.PRINTED
    ]


def ratio(claim: Claim, check: Check) -> float | None:
    """The smaller over the larger side of what the statement orders; None where that says nothing."""
    if check.lhs is None or check.rhs is None:
        return None
    small, large = (check.rhs, check.lhs) if isinstance(claim.statement, (sp.Ge, sp.Gt)) else (check.lhs, check.rhs)
    return small / large if large > 0 else None


def search(claim: Claim, seconds: float, seed: int) -> tuple[Tightest, certificates.Certificate] | None:
    """The tightest instance that is met and certified."""
    found = falsify(claim, seconds=seconds, seed=seed)
    if found.check is None or found.certificate is None or found.violated:
        return None
    value, record = ratio(claim, found.check), found.certificate.instance
    if value is None:
        return None
    kept = f"{claim.id}.json" if value >= KEPT else None
    name = str(record.process.get("name"))
    entry = Tightest(float(f"{value:.6g}"), name, record.group_size, record.normalization, kept)
    return entry, found.certificate


def update(entries: Mapping[str, Tightest], claim: Claim, seconds: float, seed: int) -> dict[str, Tightest]:
    """The table after a search for one claim; files are written."""
    found = search(claim, seconds, seed)
    before = entries.get(claim.id)
    if found is None or (before is not None and before.ratio >= found[0].ratio):
        return dict(entries)
    entry, certificate = found
    if entry.certificate is not None:
        certificates.save(certificate, FOLDER / entry.certificate)
    after = {**entries, claim.id: entry}
    content: dict[str, Any] = {name: vars(after[name]) for name in CLAIMS if name in after}
    storage.write_atomically(FOLDER / TABLE, json.dumps(content, indent=1) + "\n")
    return after


def main(arguments: list[str]) -> int:
    """Search for every claim, or for those named."""
    parser = argparse.ArgumentParser(prog="python -m experiments.tightest", description=__doc__)
    parser.add_argument("claims", nargs="*", help="claim ids; default: every inequality with an exact form")
    parser.add_argument("--seconds", type=float, default=20.0, help="of the search for each claim (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="of all draws (default: 0)")
    options = parser.parse_args(arguments)
    entries = known()
    for claim in [CLAIMS[name] for name in options.claims] or candidates():
        try:
            entries = update(entries, claim, options.seconds, options.seed)
        except TamdpError as error:
            return fail(str(error))
        entry = entries.get(claim.id)
        print(claim.id, "nothing certified" if entry is None else f"{entry.ratio:.6g} on {entry.process}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
