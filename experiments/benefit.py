"""When does decomposition help: T2.benefit's criterion against exact one-step gains on the reference suite."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bounds.claims.benefit import Benefit, benefit
from experiments.suite import Level, policies, processes
from tamdp_theory import CapacityError, families

GROUP_SIZE = 4
MAX_GROUPS = 5000  # of trajectories on one prompt
_TREES = {
    "quick": 4,
    "standard": 20,
    "full": 80,
}  # small random trees besides the suite, most of whose processes are too large to list


@dataclass(frozen=True)
class Row:
    """The criterion and the gains at one policy of one process."""

    instance: str
    found: Benefit

    def to_dict(self) -> dict[str, Any]:
        """Plain content for JSON."""
        sides = {name: asdict(getattr(self.found, name)) for name in ("joint", "decomposed")}
        return {
            "instance": self.instance,
            "group_size": GROUP_SIZE,
            **sides,
            "promised": self.found.promised,
            "realized": self.found.realized,
        }


def survey(level: Level) -> list[Row]:
    """Every tabular policy of the suite, and of small random trees, whose groups can be listed and where the two
    promises differ.
    """
    rows = []
    trees = (
        families.random_tree(
            seed=seed, prompts=1, tools=1, answers=2, max_tool_depth=1, components=2 + seed % 2, name=f"tree-{seed}"
        )
        for seed in range(100, 100 + _TREES[level])
    )
    for env in (*processes(level).values(), *trees):
        for name, policy in policies(env, level).items():
            if not policy.is_tabular:
                continue
            try:
                found = benefit(env, policy, GROUP_SIZE, max_groups=MAX_GROUPS)
            except CapacityError:
                continue
            if found.joint.guaranteed != found.decomposed.guaranteed:
                rows.append(Row(f"{env.name} {name}", found))
    return rows


def summary(rows: Sequence[Row]) -> str:
    """How often the criterion is right about the best step, and about each update's own guaranteed step."""
    best = sum(row.found.promised == row.found.realized for row in rows)
    own = sum(row.found.promised == (row.found.decomposed.gain > row.found.joint.gain) for row in rows)
    helps = sum(row.found.realized for row in rows)
    return (
        f"T2.benefit: the criterion's sign agrees with the exact gain at the best step on {best} of {len(rows)} "
        f"instances, at the guaranteed steps on "
        f"{own}; decomposition gains more at the best step on {helps}"
    )
