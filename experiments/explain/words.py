"""A recipe in plain words: what the expected first step climbs, decided exactly, and the traps of the combination."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from experiments.explain.recipe import Recipe
from tamdp_theory import CapacityError, InputError, estimators
from tamdp_theory.estimators import AGGREGATIONS, Aggregation, Estimator, Scheme
from tamdp_theory.estimators.batch.base import GUARDS
from tamdp_theory.exact import balls

GRADED = ("0", "3/10", "9/20", "1")
LENGTHS = (3, 1, 4, 2)
SMALL = 4  # exchanges are looked at in groups of so many


def amounts_to(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """The parts of a recipe, each with its name."""
    yield "library", recipe.library
    scheme = recipe.scheme
    if recipe.looks_at_batch:
        family = estimators.resolve_in_batch(recipe.estimator)
        guard = f"ddof {recipe.ddof}, eps {recipe.eps:g}: {GUARDS[family.guard]}"
        summary = (type(family).__doc__ or "").strip().split("\n")[0]
        yield "estimator", f"{recipe.estimator} ({guard}): {summary}"
    elif scheme is None:
        yield "estimator", f"none of single groups: {recipe.beyond}"
    else:
        scaled = f" (ddof {recipe.ddof}, eps {recipe.eps:g})" if scheme.estimator.scales or recipe.eps else ""
        summary = (type(scheme.estimator).__doc__ or "").strip().split("\n")[0]
        yield "estimator", f"{recipe.estimator}{scaled}: {summary}"
    yield "group size", str(recipe.group_size)
    over_batch = recipe.looks_at_batch and recipe.aggregation == "token_mean"
    amount = "BG / sum of the batch's lengths" if over_batch else AGGREGATIONS[recipe.aggregation]
    yield "aggregation", f"{recipe.aggregation}: {amount}"
    yield "groups", "all" if recipe.keep == "all" else "those whose rewards are not all equal (dynamic sampling)"
    yield "ratio", f"one for each {recipe.ratio}"
    yield "clip", "none" if recipe.clip is None else f"to [{1 - recipe.clip[0]:g}, {1 + recipe.clip[1]:g}]"
    yield "divergence", "none" if recipe.kl == "none" else f"{recipe.kl}, weight {recipe.kl_coef:g}"


def climbs(recipe: Recipe, rewards: Sequence[str]) -> str:
    """What the expected first step is the gradient of, or why there is nothing, on these rewards."""
    scheme = recipe.scheme
    if recipe.looks_at_batch:
        return _in_the_limit(recipe, rewards)
    if scheme is None:
        if recipe.beyond.startswith(("the baseline", "advantages are of a critic")):
            return recipe.beyond
        return f"not decided: {recipe.beyond}"
    return _of_groups(scheme, recipe, rewards)


def _in_the_limit(recipe: Recipe, rewards: Sequence[str]) -> str:
    """The same of an estimator that looks at the batch, in the limit of many prompts."""
    estimator = estimators.resolve_in_batch(recipe.estimator)
    like, plain = estimator.like, recipe.aggregation != "sequence_mean"
    # the batch's mean is 0 over sequences of centred groups; else 1/l, or the choice of groups, gives it a direction
    zero = not estimator.centred or (estimator.first is not None and estimator.over == "sequences")
    if not zero and not (plain and recipe.keep == "all"):
        why = "in groups that are kept" if plain else "with 1/l"
        return f"not decided: {why} the mean of the batch that is subtracted has a direction of its own"
    if like is None:
        return "not decided: it depends on the other prompts"
    aggregation: Aggregation = "trajectory" if plain else "sequence_mean"
    same = replace(recipe, estimator=str(like), aggregation=aggregation, eps=estimator.inner_eps or 0.0)
    found = _of_groups(Scheme(recipe.group_size, like, same.eps, recipe.ddof, aggregation), same, rewards)
    if found.startswith("not"):  # nothing, or not decided
        return f"{found}; in the limit of many prompts the direction is that of {like}, at one scale for all prompts"
    if not estimator.divisor[1]:
        return f"{found}, in the limit of many prompts"
    return f"{found}, in the limit of many prompts: the step is its gradient over {estimator.divisor[1]}"


def _of_groups(scheme: Scheme, recipe: Recipe, rewards: Sequence[str]) -> str:
    small = max(min(recipe.group_size, SMALL), scheme.estimator.smallest)
    lengths = [LENGTHS[m % len(LENGTHS)] for m in range(len(rewards))]
    try:
        found = estimators.objective(
            scheme.normalization, rewards, small, recipe.eps, recipe.ddof, lengths, recipe.aggregation
        )
    except (InputError, CapacityError) as error:
        return f"not decided: {error}"
    where = f"rewards {', '.join(rewards)}" + (f" of lengths {', '.join(map(str, lengths))}" if scheme.lengths else "")
    if found.closed:
        plain = recipe.aggregation in ("trajectory", "constant")
        text = type(scheme.estimator).climbs[1] if plain else ""
        return f"{text or 'a potential of its own'} ({where})"
    if found.witness is None:
        return f"not decided: an exchange is zero to all digits looked at ({where})"
    low, middle, high = (rewards[m] for m in found.witness.triple)
    others = ", ".join(rewards[m] for m in found.witness.others) or "nobody"
    total = str(found.witness.total)
    return (
        f"nothing: exchanging {low}, {middle} and {high} next to {others} gains "
        f"{total if len(total) < 24 else f'{float(balls.ball(found.witness.total).mid()):.6g}'} ({where})"
    )


def traps(recipe: Recipe, rewards: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(claim ids, text) of what is known to go wrong with this combination."""
    graded = len(set(map(Fraction, rewards))) > 2
    name = str(recipe.estimator).partition("(")[0]
    if recipe.looks_at_batch:
        like: Estimator | None = estimators.resolve_in_batch(recipe.estimator).like
        name = str(like)
        yield (
            "T1.drift",
            "with few prompts in a batch the deviation depends on the group's own rewards, as in sum_then_normalize, "
            "which is the batch of one group; the expected step can then lower the mean reward",
        )
    if name in ("sum_then_normalize", "range", "absolute_deviation", "rank", "sign", "mad") and graded:
        yield "L8, T4.affine, T4.scale", "with three reward values the expected step is no gradient of anything"
    if name in ("sum_then_normalize", "normalize_then_sum", "rank", "sign", "max_rl"):
        yield "T1.drift", "the expected step can lower the mean reward, even with one prompt and two arms"
    if name == "sum_then_normalize":
        yield (
            "L7",
            "with two reward values it climbs the sum of Psi_G(p): hard and easy prompts weigh more than even ones",
        )
    if name == "best_minus_second":
        yield "T4.slopes.best", "it climbs pass@G: a prompt with success probability p weighs (1-p)^(G-1)"
    if name == "max_rl":
        yield "T4.slopes.max_rl", "its order is G - 1: the log-likelihood of success, cut off there"
    if name == "length_baseline":
        yield "T5.drift.baseline", "a baseline weighted by length can make the expected step lower the mean reward"
    if recipe.aggregation == "sequence_mean":
        yield (
            "T5.seqmean, T5.drift.seqmean",
            "1/l climbs short successes and long failures, and can lower the mean reward",
        )
    if recipe.aggregation == "token_mean" and not recipe.looks_at_batch:
        yield (
            "T5.tokenmean.lower, T5.drift.tokenmean",
            "over tokens the length bias is of order 1/G, and can still lower it",
        )
    if recipe.keep == "mixed":
        yield (
            "T4.slopes.mixed",
            "on a given prompt weights are divided by 1 - p^G - (1-p)^G, but rare and sure prompts are kept as much "
            "less often: where silent groups get nothing, all prompts end up with one factor",
        )
    if recipe.kl == "k1":
        yield "L1.k1", "the gradient of k1 has mean zero: the penalty does nothing but add noise"
    if recipe.kl == "k3":
        yield "L1.k3", "the gradient of k3 is that of KL(ref || pi), not of KL(pi || ref)"
    if recipe.kl == "k2":
        yield "L1.k2", "the gradient of k2 is that of KL(pi || ref)"
    if recipe.scheme is not None and recipe.scheme.estimator.scales:
        worst, value = silent_noise(recipe.scheme, rewards)
        if worst > 1e-3:
            yield (
                "float32",
                f"a silent group of {value} gets advantages of {worst:.3g}: its mean rounds, and eps is small",
            )


def silent_noise(scheme: Scheme, rewards: Sequence[str]) -> tuple[float, str]:
    """The largest |A| that float32 arithmetic gives in a group whose rewards are all one of these, and which."""
    import torch

    worst, at = 0.0, ""
    for text in rewards:
        group = torch.full((scheme.group_size,), float(Fraction(text)), dtype=torch.float32)
        scale = group.std(correction=scheme.ddof) + np.float32(scheme.eps)
        found = float(((group - group.mean()) / scale).abs().max()) if float(scale) > 0 else 0.0
        if found > worst:
            worst, at = found, text
    return worst, at
