"""The claims of claims/literature/disco.py in rationals, square roots and balls."""

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.literature.success import slope_at, successes
from bounds.enclosed.quantities import composite
from bounds.exact_instance import ExactInstance
from tamdp_theory.exact.balls import ZERO, Number, is_zero, prompt_update, root


def _mean_scores(i: ExactInstance, q: int, p: Number) -> tuple[list[Number], list[Number]]:
    """Mean score of the successes and of the failures of a prompt (d,), trajectory by trajectory."""
    first = int(i.env.prompt_classes[q][0])
    values = composite(i.env, q)
    right, wrong = [ZERO] * i.policy.size, [ZERO] * i.policy.size
    for path in i.law.paths[q]:
        total = right if values[path.reward_class - first] == 1 else wrong
        for place, value in enumerate(i.law.score(path)):
            if not is_zero(value):
                total[place] = total[place] + path.probability * value
    return [x / p for x in right], [x / (1 - p) for x in wrong]


def contrast_rows(i: ExactInstance) -> list[Row]:
    """P.contrast: each prompt and parameter that moves p."""
    rows: list[Row] = []
    for one in successes(i):
        spread = root(one.p * (1 - one.p))
        right, wrong = _mean_scores(i, one.prompt, one.p)
        for up, high, low in zip(one.gradient, right, wrong, strict=True):
            # (1 - p) / sqrt(p (1 - p)) on successes, -p / sqrt(p (1 - p)) on failures, whose gradient is the opposite
            population = ((1 - one.p) * up + one.p * up) / spread
            if not is_zero(up):
                rows.append({ls.slope_population: population, ls.score_right: high, ls.score_wrong: low, s.p: one.p})
    return rows


def group_rows(i: ExactInstance) -> list[Row]:
    """P.contrast.group: each prompt and parameter that moves p."""
    rows: list[Row] = []
    for one in successes(i):
        slope = slope_at(one.group, one.p)
        update = prompt_update(i.law, one.prompt, i.scheme)[0]
        right, wrong = _mean_scores(i, one.prompt, one.p)
        for up, own, high, low in zip(one.gradient, update, right, wrong, strict=True):
            if not is_zero(up):
                rows.append({ls.mean_along: own, s.slope: slope, ls.score_right: high, ls.score_wrong: low, s.p: one.p})
    return rows
