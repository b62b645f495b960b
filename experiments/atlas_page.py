"""The page of the atlas, built from exact numbers: ``python -m experiments.atlas_page docs/atlas.md``."""

import sys

from experiments import atlas
from experiments.console import fail
from tamdp_theory import InputError, TamdpError, estimators, storage

SIZE = 8
MARK = "<!-- atlas:"


def page(current: str) -> str:
    """The page with everything after the marked line rebuilt."""
    head, mark, rest = current.partition(MARK)
    if not mark:
        raise InputError(f"the page has no line that begins with {MARK!r}; restore it")
    lines = []
    for entry in atlas.atlas(SIZE, "graded"):
        formula = type(estimators.resolve(entry.name)).climbs[0]
        said = f"${formula}$" if entry.closed and formula else entry.climbs
        objective = said if entry.closed else f"none: {entry.witness}" if entry.closed is False else entry.witness
        hard, variance = ("–" if value is None else f"{value:.3g}" for value in (entry.hard, entry.variance))
        cells = (
            f"`{entry.name}`",
            objective,
            hard,
            entry.lowers,
            f"{entry.silent:.3f}",
            variance,
            "; ".join(entry.uses),
        )
        lines.append(f"| {' | '.join(cells)} |")
    parts = (head + mark + rest.split("\n", 1)[0], "\n".join(lines), _what())
    return "\n".join((parts[0], "", _PAGE, _TABLE + parts[1], "", parts[2], ""))


_PAGE = (
    "[atlas.html](atlas.html) is the same to play with: open it in a browser and move group size, success probability, "
    "partial\ncredit and length. `tamdp atlas --html FILE` makes it.\n\n"
)
_TABLE = (
    "| estimator | objective | hard / even | can lower J | silent | variance | used by |\n"
    "|---|---|---|---|---|---|---|\n"
)


def _what() -> str:
    families = estimators.families()
    names = dict(zip(estimators.names(), families.values(), strict=True))
    return "## What they are\n\n" + "\n".join(f"- `{name}`: {atlas.summary_of(one)}." for name, one in names.items())


if __name__ == "__main__":
    try:
        storage.write_atomically(sys.argv[1], page(storage.read_bytes(sys.argv[1]).decode()))
    except (TamdpError, IndexError) as error:
        sys.exit(fail(str(error) if isinstance(error, TamdpError) else "give the file to write, e.g. docs/atlas.md"))
