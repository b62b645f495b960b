"""Logs of every text format, written from the formats' descriptions: what a run of groups leaves on disk."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tamdp_theory import grpo
from tamdp_theory.model import Floats

NAMES = ("accuracy", "format")
WEIGHTS = (1.0, 0.5)


@dataclass(frozen=True)
class Run:
    """rewards (T, n, G, 2) of steps 1..T, and the advantages of GRPO with verl's small number."""

    rewards: Floats
    weights: tuple[float, float] = WEIGHTS

    @staticmethod
    def drawn(seed: int = 0, steps: int = 3, groups: int = 5, size: int = 4) -> "Run":
        """Rewards in steps of 1/4."""
        return Run(np.random.default_rng(seed).integers(0, 5, size=(steps, groups, size, 2)) / 4)

    @property
    def total(self) -> Floats:
        """(T, n, G)."""
        return self.rewards @ np.array(self.weights)

    @property
    def advantages(self) -> Floats:
        """(T, n, G)."""
        return grpo.advantages(self.rewards, self.weights, "sum_then_normalize", 1e-6, 1)

    def rows(self) -> list[tuple[int, int, int]]:
        """(step, group, member), step and group from 0."""
        steps, groups, size, _ = self.rewards.shape
        return [(t, g, i) for t in range(steps) for g in range(groups) for i in range(size)]


def lines(path: Path, rows: Sequence[Any]) -> Path:
    """Write JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def verl(run: Run, folder: Path) -> Path:
    """The current trainer's: uid, score alone."""
    for t in range(len(run.rewards)):
        found = [
            {"input": f"q{g}", "output": f"o{i}", "gts": "1", "score": run.total[t, g, i], "step": t + 1}
            | {"uid": f"uid_{t}_{g}_0_{i}"}
            for s, g, i in run.rows()
            if s == t
        ]
        lines(folder / f"{t + 1}.jsonl", found)
    return folder


def verl_legacy(run: Run, folder: Path) -> Path:
    """The legacy trainer's: no uid, extras."""
    for t in range(len(run.rewards)):
        found = [
            {"input": f"q{g}", "output": f"o{t}{i}", "gts": "1", "score": run.total[t, g, i], "step": t + 1}
            | dict(zip(NAMES, run.rewards[t, g, i].tolist(), strict=True))
            for s, g, i in run.rows()
            if s == t
        ]
        lines(folder / f"{t + 1}.jsonl", found)
    return folder


def ms_swift(run: Run, folder: Path) -> Path:
    """The columns of a whole batch in a line."""
    found = []
    for t in range(len(run.rewards)):
        own = [(g, i) for s, g, i in run.rows() if s == t]
        found.append(
            {"step": str(t + 1), "prompt": [f"q{g}" for g, _ in own], "completion": [f"c{t}{g}{i}" for g, i in own]}
            | {name: [float(run.rewards[t, g, i, k]) for g, i in own] for k, name in enumerate(NAMES)}
            | {"advantages": [float(run.advantages[t, g, i]) for g, i in own]}
        )
    return lines(folder / "completions.jsonl", found).parent


def nemo_rl(run: Run, folder: Path) -> Path:
    """Every field a list of one; consecutive rows."""
    for t in range(len(run.rewards)):
        own = [(g, i) for s, g, i in run.rows() if s == t]
        found = [
            {"content": [f"q{g} c{i}"], "rewards": [run.total[t, g, i]], "idx": place}
            | {"advantages": [run.advantages[t, g, i]], "input_lengths": [3]}
            for place, (g, i) in enumerate(own)
        ]
        lines(folder / f"train_data_step{t + 1}.jsonl", found)
    return folder


def prime_rl(run: Run, folder: Path) -> Path:
    """An episode a line, in two subsets, and an evaluation beside them."""
    for t in range(len(run.rewards)):
        found = [
            {"id": f"{t}-{g}-{i}", "group": {"id": f"g{g}"}, "run": {"work": {"step": t + 1}}, "ok": True}
            | {
                "traces": [
                    {
                        "rewards": {
                            name: {"score": float(run.rewards[t, g, i, k]), "weight": run.weights[k]}
                            for k, name in enumerate(NAMES)
                        }
                    }
                ]
            }
            for s, g, i in run.rows()
            if s == t
        ]
        step = folder / f"step_{t + 1}"
        lines(step / "train" / "all" / "traces.jsonl", found)
        lines(step / "train" / "effective" / "traces.jsonl", found[:3])
        lines(step / "eval" / "all" / "traces.jsonl", [one | {"id": one["id"] + "e"} for one in found[:5]])
    return folder


def verifiers(run: Run, folder: Path) -> Path:
    """Current traces: no steps."""
    found = [
        {"task": {"key": f"t{t}-{g}"}, "name": f"{t}{g}{i}"}
        | {
            "rewards": {
                name: {"score": float(run.rewards[t, g, i, k]), "weight": run.weights[k]}
                for k, name in enumerate(NAMES)
            }
        }
        for t, g, i in run.rows()
    ]
    return lines(folder / "traces.jsonl", found).parent


def verifiers_legacy(run: Run, folder: Path) -> Path:
    """results.jsonl: the total, and metrics."""
    found = [
        {"example_id": 100 * t + g, "prompt": "q", "completion": f"{t}{g}{i}", "reward": run.total[t, g, i]}
        | {"metrics": dict(zip(NAMES, run.rewards[t, g, i].tolist(), strict=True))}
        for t, g, i in run.rows()
    ]
    return lines(folder / "results.jsonl", found).parent


def areal(run: Run, folder: Path) -> Path:
    """A file for each task, a folder for each version."""
    for t in range(len(run.rewards)):
        for g in range(run.rewards.shape[1]):
            found = [
                {
                    "task_id": f"task{g}",
                    "sample_idx": i,
                    "reward": run.total[t, g, i],
                    "prompt": "q",
                    "completion": f"{i}",
                }
                for i in range(run.rewards.shape[2])
            ]
            lines(folder / "rollout" / str(t + 1) / f"task{g}.jsonl", found)
    return folder / "rollout"


def table_rows(run: Run) -> list[dict[str, Any]]:
    """Rows of a plain table."""
    return [
        {"step": t + 1, "group": f"g{g}", **dict(zip(NAMES, run.rewards[t, g, i].tolist(), strict=True))}
        | {"advantage": float(run.advantages[t, g, i]), "text": f"{t}{g}{i}"}
        for t, g, i in run.rows()
    ]


def csv(run: Run, folder: Path) -> Path:
    """A plain table as CSV."""
    found = table_rows(run)
    folder.mkdir(parents=True, exist_ok=True)
    content = "\n".join([",".join(found[0]), *(",".join(map(str, row.values())) for row in found)])
    (folder / "table.csv").write_text(content + "\n")
    return folder / "table.csv"


def jsonl(run: Run, folder: Path) -> Path:
    """A plain table as JSON lines."""
    return lines(folder / "rollouts.jsonl", table_rows(run))


BY_NAME: dict[str, tuple[Callable[[Run, Path], Path], bool, dict[str, Any]]] = {
    # writer, whether it has the components (else the total alone), and what the reader has to be told
    "verl": (verl, False, {}),
    "verl_legacy": (verl_legacy, True, {"components": NAMES, "weights": WEIGHTS}),
    "ms_swift": (ms_swift, True, {}),
    "nemo_rl": (nemo_rl, False, {"group_size": 4}),
    "prime_rl": (prime_rl, True, {}),
    "verifiers": (verifiers, True, {}),
    "verifiers_legacy": (verifiers_legacy, False, {}),
    "areal": (areal, False, {}),
    "csv": (csv, True, {"components": NAMES}),
    "jsonl": (jsonl, True, {"components": NAMES}),
}
