"""Each named assumption decided on exact numbers, for certificates."""

from collections.abc import Callable
from fractions import Fraction

from bounds.decomposition import opposite
from bounds.enclosures import ExactInstance, composite, reward
from tamdp_theory.exact.balls import is_zero

# met where the claim's numbers exist: the enclosure has a row
EXISTENCE = frozenset({
    "potential", "two-valued", "three values", "witness", "active group", "gap", "comonotone groups", "uncorrelated groups", "rewards vary", "solvable",
    "informative",
})  # fmt: skip


def met_by(name: str, instance: ExactInstance) -> bool:
    """Whether an instance meets an assumption, by its name."""
    return _CONDITIONS[name](instance)


def _plain(i: ExactInstance) -> bool:
    return i.scheme.eps == 0 and i.scheme.ddof == 0


def _columns(i: ExactInstance) -> list[tuple[int, list[Fraction]]]:
    """(prompt, values over classes) of each component with weight."""
    return [(q, reward(i.env, q, k)) for q in range(i.env.n_prompts) for k, w in enumerate(i.env.exact_weights) if w]


def _uninformative(i: ExactInstance) -> bool:
    if i.env.n_prompts != 1:
        return False
    terms = i.law.classes[0]
    total = sum((one.energy for one in terms[1:]), terms[0].energy)
    return all(is_zero(one.energy - one.probability * total) and all(is_zero(g) for g in one.gradient) for one in terms)


def _fair(i: ExactInstance) -> bool:
    if i.env.n_prompts != 1:
        return False
    rows = [tuple(row) for row in i.env.exact_class_rewards]
    p = [one.probability for one in i.law.classes[0]]
    half = all(sum(x for x, row in zip(p, rows, strict=True) if row[k] == 1) * 2 == 1 for k in range(i.env.n_components))
    bits = all(v in (0, 1) for row in rows for v in row) and all(w == 1 for w in i.env.exact_weights)
    return bits and half and _plain(i) and i.scheme.normalization == "normalize_then_sum"


def _independent(i: ExactInstance) -> bool:
    count = 2**i.env.n_components
    return _fair(i) and len(i.law.classes[0]) == count and all(one.probability * count == 1 for one in i.law.classes[0])


_CONDITIONS: dict[str, Callable[[ExactInstance], bool]] = {
    "tabular": lambda i: i.policy.is_tabular,
    "listable": lambda i: True,  # the enclosure lists, or says that it cannot
    "full score": lambda i: i.think_weight == 1,
    "one decision": lambda i: i.env.horizon == 1,
    "center": lambda i: i.scheme.normalization == "center",
    "joint": lambda i: i.scheme.normalization == "sum_then_normalize",
    "decomposed": lambda i: i.scheme.normalization == "normalize_then_sum",
    "plain scaling": _plain,
    "no eps": lambda i: i.scheme.eps == 0,
    "pairs": lambda i: i.scheme.group_size == 2 and _plain(i),
    "plain joint": lambda i: _plain(i) and i.scheme.normalization == "sum_then_normalize",
    "uninformative scores": _uninformative,
    "independent": _independent,
    "comonotone": lambda i: _fair(i) and len(i.law.classes[0]) == 2 and all(len(set(row)) == 1 for row in i.env.exact_class_rewards),
    "unit weights": lambda i: i.env.n_components >= 2 and all(w == 1 for w in i.env.exact_weights),
    "weights sum to one": lambda i: sum(i.env.exact_weights) == 1,
    "equal weights": lambda i: len(set(i.env.exact_weights)) == 1,
    "complementary": lambda i: i.env.n_components == 2 and all(sum(row) == 1 for row in i.env.exact_class_rewards),
    "opposite": lambda i: opposite(i.env),
    "composite varies": lambda i: any(len(set(composite(i.env, q))) > 1 for q in range(i.env.n_prompts)),
    "zero-one": lambda i: all(v in (0, 1) for _, values in _columns(i) for v in values),
    "two-valued components": lambda i: all(len(set(values)) <= 2 for _, values in _columns(i)),
}
