"""The page of the atlas, built from exact numbers: ``python -m experiments.atlas_page docs/atlas.md``."""

import sys

from experiments import atlas, batch_atlas
from experiments.console import fail
from tamdp_theory import InputError, TamdpError, estimators, storage

SIZE = 8
MARK = "<!-- atlas:"


def page(current: str) -> str:
    """The page with everything after the marked line rebuilt."""
    head, mark, rest = current.partition(MARK)
    if not mark:
        raise InputError(f"the page has no line that begins with {MARK!r}; restore it")
    groups = [_line(one, type(estimators.resolve(one.name)).climbs[0]) for one in atlas.atlas(SIZE, "graded")]
    batches = [_line(one, batch_atlas.formula(one.name)) for one in batch_atlas.entries(SIZE, "graded")]
    parts = (_PAGE + _TABLE + "\n".join(groups), _BATCH, _TABLE + "\n".join(batches), _what())
    return "\n\n".join((head + mark + rest.split("\n", 1)[0], *parts)) + "\n"


def _line(entry: atlas.Entry, formula: str) -> str:
    said = f"${formula}$" if entry.closed and formula else entry.climbs
    objective = said if entry.closed else f"none: {entry.witness}" if entry.closed is False else entry.witness
    hard, variance = ("–" if value is None else f"{value:.3g}" for value in (entry.hard, entry.variance))
    uses = "; ".join(entry.uses)
    cells = (f"`{entry.name}`", objective, hard, entry.lowers, f"{entry.silent:.3f}", variance, uses)
    return f"| {' | '.join(cells)} |"


_PAGE = (
    "[atlas.html](atlas.html) is the same to play with: open it in a browser and move group size, success probability, "
    "partial\ncredit and length. `tamdp atlas --html FILE` makes it.\n\n"
)
_BATCH = f"""## Those that look at the whole batch

In the limit of many prompts, where the batch's mean and deviation are those of all rewards; the error of that for a
batch of B groups is of order 1/B, and `exact.batch_update` gives the step of a batch of any size exactly. In the limit
it is a gradient over one number, which is the same for all prompts, but moves with the policy: it never points down,
though it is a gradient itself only where that number is a function of what is climbed, as with 0/1 rewards, where
`reinforce_plus_plus` climbs 2 arcsin √J. A batch of one group is standardization within the group, so small batches
can lower J where the limit never does. Hard and even prompts are half of the batch each. The variance is that of
batches of {batch_atlas.GROUPS} groups of one prompt, times {batch_atlas.GROUPS}: there the deviation follows the
prompt's own success rate, and takes part of its noise away.

Groups of {SIZE}, ddof 1, eps 0, but {batch_atlas.EPS:g} for deviations of groups about the mean of all rewards."""

_TABLE = (
    "| estimator | objective | hard / even | can lower J | silent | variance | used by |\n"
    "|---|---|---|---|---|---|---|\n"
)


def _what() -> str:
    groups = zip(estimators.names(), estimators.families().values(), strict=True)
    batches = zip(estimators.batch_names(), estimators.batch_families().values(), strict=True)
    lines = [f"- `{name}`: {atlas.summary_of(one)}." for name, one in (*groups, *batches)]
    return "## What they are\n\n" + "\n".join(lines)


if __name__ == "__main__":
    try:
        storage.write_atomically(sys.argv[1], page(storage.read_bytes(sys.argv[1]).decode()))
    except (TamdpError, IndexError) as error:
        sys.exit(fail(str(error) if isinstance(error, TamdpError) else "give the file to write, e.g. docs/atlas.md"))
