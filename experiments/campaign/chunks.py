"""Chunks of a campaign as plain content, and their sum."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from bounds import Verdict
from experiments.campaign.judge import ENCLOSED, NOTHING, Tally, run
from tamdp_theory.version import __version__

INSTANCES = 100  # of a chunk
SCHEMA = "tamdp-campaign/1"


def key_of(seed: int, chunk: int) -> list[Any]:
    """What a chunk was made by: one of another version, seed or set of claims is made anew."""
    return [SCHEMA, __version__, seed, chunk, INSTANCES, [claim.id for claim in ENCLOSED]]


def make_chunk(seed: int, chunk: int) -> dict[str, Any]:
    """A chunk of the campaign as plain content."""
    return {"key": key_of(seed, chunk)} | content_of(run(seed, chunk, INSTANCES))


def content_of(tally: Tally) -> dict[str, Any]:
    """A tally as plain content."""
    counts = [[*key, count] for key, count in sorted(tally.claims.items())]
    return {
        "claims": counts,
        "families": [[*key, count] for key, count in sorted(tally.families.items())],
        "contradictions": tally.contradictions,
    }


def summary(chunks: Sequence[dict[str, Any]], seed: int) -> dict[str, Any]:
    """Counts over all chunks: in all, by claim and by family."""
    tables: dict[str, dict[str, Counter[str]]] = {"claims": {}, "families": {}}
    pairs: Counter[str] = Counter()
    for content in chunks:
        for name, table in tables.items():
            for key, floats, exact, count in content[name]:
                table.setdefault(key, Counter())[_pair(floats, exact)] += count
                if name == "claims":
                    pairs[_pair(floats, exact)] += count
    found = [one for content in chunks for one in content["contradictions"]]
    verdicts = (Verdict.HOLDS, Verdict.VIOLATED)
    return {
        "schema": "tamdp-campaign-summary/1",
        "version": __version__,
        "seed": seed,
        "checks": sum(pairs.values()),
        "contradictions": len(found),
        "both_decided": sum(pairs[_pair(a, b)] for a in verdicts for b in verdicts),
        "pairs": dict(pairs.most_common()),
        **{name: {key: dict(table[key].most_common()) for key in sorted(table)} for name, table in tables.items()},
        "found": found[:20],
    }


def _pair(floats: str, exact: str) -> str:
    return f"{floats} / {exact}"


def text(total: dict[str, Any]) -> str:
    """The line that a run ends with."""
    silent = sum(count for pair, count in total["pairs"].items() if pair.endswith(NOTHING))
    return (
        f"{total['checks']:,} checks of floats against exact arithmetic, both decided on {total['both_decided']:,}, no "
        f"exact verdict on {silent:,}: "
        f"{total['contradictions']} contradictions"
    )
