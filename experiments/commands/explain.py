"""``tamdp explain``: a GRPO configuration in plain words."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import tyro
from rich.table import Table

from experiments.console import console, number, plain, write_json
from experiments.explain.libraries import LIBRARIES, library_of
from experiments.explain.reading import read
from experiments.explain.recipe import Recipe
from experiments.explain.words import GRADED, amounts_to, climbs, traps
from experiments.options import process_at
from tamdp_theory import CapacityError, InputError, TabularSoftmax, exact, load_policy
from tamdp_theory.estimators import Scheme
from tamdp_theory.model import Floats
from tamdp_theory.numbers import fraction


@dataclass(frozen=True)
class Explain:
    """What a GRPO configuration estimates, what its expected first step climbs, and its known traps.

    CONFIG is what people have: a TRL GRPOConfig as YAML, JSON or Python keywords (.py), a verl YAML or its overrides
    (.sh, .txt), ms-swift arguments, a Prime-RL TOML. Nothing in it is run. Keys that are not looked at are listed.

    Example: tamdp explain grpo.yaml --rewards 0 0.2 1 --on examples/search-small.json
    """

    config: Annotated[str, tyro.conf.Positional]
    """The configuration."""
    library: Literal["auto", "trl", "verl", "ms-swift", "prime-rl"] = "auto"
    """Whose it is; auto: told by its keys."""
    rewards: tuple[str, ...] = GRADED
    """Composite reward values of the run, for the objective and for the noise of silent groups."""
    on: str | None = None
    """A tamdp/1 file, or the name of an environment: exact numbers there, next to two alternatives."""
    policy: str | None = None
    """With --on: a tamdp-policy/1 file; default: the uniform policy."""
    batch: int | None = None
    """With --on: groups in a batch, where the estimator looks at all of it or groups are drawn until enough are kept;
    default: the limit of many prompts."""
    json: str | None = None
    """Write all of it as JSON to this file, or to the terminal with "-"."""

    def run(self) -> int:
        """Print and return 0."""
        values = tuple(str(fraction(_number(v), f"rewards[{i}]")) for i, v in enumerate(self.rewards))
        if len(set(values)) < 2:
            raise InputError("rewards: give at least two different values")
        found = read(self.config)
        chosen = library_of(found) if self.library == "auto" else self.library
        try:
            recipe = LIBRARIES[chosen](found)
            objective, warnings = climbs(recipe, values), list(traps(recipe, values))
        except InputError as error:
            raise InputError(f"{self.config}: {error}") from error
        rows = None if self.on is None else numbers(recipe, self.on, self.policy, self.batch)
        if self.json is not None:
            content = {
                "recipe": dict(amounts_to(recipe)),
                "climbs": objective,
                "traps": [{"claims": claims, "text": text} for claims, text in warnings],
                "notes": list(recipe.notes),
                "assumed": list(recipe.assumed),
                "not_looked_at": list(recipe.unknown),
                "numbers": rows,
            }
            write_json(self.json, content)
            if self.json == "-":
                return 0
        self._print(recipe, objective, warnings, rows)
        return 0

    def _print(
        self, recipe: Recipe, objective: str, warnings: list[tuple[str, str]], rows: list[dict[str, object]] | None
    ) -> None:
        out = console()
        table = Table(box=None, padding=(0, 2), show_header=False)
        for name, text in amounts_to(recipe):
            table.add_row(name, plain(text))
        out.print(table)
        out.print("\nThe expected first step climbs", markup=False)
        out.print(f"  {objective}", markup=False, soft_wrap=True)
        if warnings or recipe.notes:
            out.print("\nKnown of this combination", markup=False)
            for claims, text in warnings:
                out.print(f"  {text}  [{claims}]", markup=False, soft_wrap=True)
            for text in recipe.notes:
                out.print(f"  {text}", markup=False, soft_wrap=True)
        if rows is not None:
            out.print()
            shown = Table("estimator", "norm of m", "<grad J, m>", "cosine", "variance V", box=None, padding=(0, 2))
            for row in rows:
                values = (row[name] for name in ("norm", "drift", "cosine", "variance"))
                shown.add_row(plain(str(row["estimator"])), *(number(v) for v in values))  # type: ignore[arg-type]
            out.print(shown)
        for title, keys in (("Defaults that play a part", recipe.assumed), ("Keys not looked at", recipe.unknown)):
            if keys:
                out.print(f"\n{title}: {', '.join(keys)}", markup=False, soft_wrap=True)


def numbers(recipe: Recipe, file: str, policy_file: str | None, batch: int | None) -> list[dict[str, object]]:
    """Exact numbers of the recipe and of two alternatives on a process. InputError where it is none that is known."""
    if recipe.estimator is None:
        raise InputError(
            f"--on: the estimator looks beyond groups and batches ({recipe.beyond}); no exact numbers for it"
        )
    if batch is not None and not recipe.is_of_batches:
        raise InputError(f"--batch: {recipe.estimator} looks at single groups; leave it out")
    env = process_at(file)
    policy = TabularSoftmax(env) if policy_file is None else load_policy(env, policy_file)
    gradient = exact.policy_gradient(env, policy)
    others = [Scheme(recipe.group_size, "leave_one_out"), Scheme(recipe.group_size, "sum_then_normalize")]
    rows: list[dict[str, object]] = []

    def add(label: str, mean: Floats, variance: float | None) -> None:
        drift, norm = float(gradient @ mean), float(np.linalg.norm(mean))
        scale = norm * float(np.linalg.norm(gradient))
        cosine = drift / scale if scale else None
        rows.append({"estimator": label, "norm": norm, "drift": drift, "cosine": cosine, "variance": variance})

    if recipe.is_of_batches:
        for groups in [math.inf] if batch is None else [batch, math.inf]:
            scheme = recipe.in_batch(groups)
            found = exact.BatchPlan(env, scheme).update(policy)
            where = "many prompts" if scheme.is_limit else f"B = {groups}"
            plain = (recipe.aggregation, recipe.keep) == ("trajectory", "all")
            more = "" if plain else f", {recipe.aggregation}, {recipe.keep}"
            # the limit has no variance: its error at B groups is of order 1/B
            add(f"{recipe.estimator}{more}, {where}", found.mean, None if scheme.is_limit else _variance(found))
    own = [] if recipe.scheme is None or recipe.is_of_batches else [recipe.scheme]
    for one in [*own, *(one for one in others if one not in own)]:
        update = exact.update_moments(
            env,
            policy,
            one.group_size,
            one.normalization,
            one.eps,
            one.ddof,
            aggregation=one.aggregation,
            keep=one.keep,
        )
        plain = "" if one.is_plain else f", {one.aggregation}, {one.keep}"
        add(f"{one.normalization}{plain}", update.mean, update.variance)
    return rows


def _variance(update: exact.BatchUpdate) -> float | None:
    """None where the mean alone is known."""
    try:
        return update.variance
    except CapacityError:
        return None


def _number(text: str) -> object:
    try:
        return text if "/" in text else float(text)
    except ValueError:
        return text


COMMAND = Explain
