"""Facts about processes and schemes that claims assume, decided on rationals: nothing here is a float or a
tolerance.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Protocol

from tamdp_theory import TAMDP
from tamdp_theory.estimators import Contrast, Scheme
from tamdp_theory.exact.shape import trees


class OfGroups(Protocol):
    """What is known of groups alone: the scheme, and component weights (K,)."""

    @property
    def scheme(self) -> Scheme:
        """How groups become advantages."""

    @property
    def exact_weights(self) -> tuple[Fraction,]:
        """Component weights (K,)."""


class OfProcess(OfGroups, Protocol):
    """What a float and an exact instance share besides."""

    @property
    def env(self) -> TAMDP: ...


def both(scheme: Scheme) -> tuple[Scheme, Scheme]:
    """The joint and the decomposed scheme of one group size, eps and ddof."""
    return scheme.under("sum_then_normalize"), scheme.under("normalize_then_sum")


def contrast(scheme: Scheme, share: Fraction | float = 1) -> Scheme:
    """Joint less ``share`` times decomposed advantages, with the same group size, eps and ddof."""
    return scheme.under(Contrast(share=Fraction(share)))


def is_standardized(scheme: Scheme) -> bool:
    """Whether the composite or each component is standardized: what closed forms of two-valued rewards speak of."""
    return scheme in both(scheme)


def is_of_composite(subject: OfGroups) -> bool:
    """Whether advantages look at the composite reward alone, or at the one component that has weight."""
    return sum(bool(coefficient) for coefficient, _ in subject.scheme.estimator.mixtures(subject.exact_weights)) == 1


def is_plain(scheme: Scheme) -> bool:
    """Whether deviations are those of the closed forms."""
    return scheme.eps == 0 and scheme.ddof == 0


def is_tree(of: OfProcess) -> bool:
    """Whether every node but the first follows one action of one node."""
    return bool(trees(of.env).all())


def weighted_columns(env: TAMDP) -> Iterator[list[Fraction]]:
    """Values over a prompt's classes of each component with weight, prompt by prompt."""
    for classes in env.prompt_classes:
        rows = [env.exact_class_rewards[c] for c in classes]
        for k, w in enumerate(env.exact_weights):
            if w:
                yield [row[k] for row in rows]


def composites(env: TAMDP) -> Iterator[list[Fraction]]:
    """Composite rewards of a prompt's classes, prompt by prompt."""
    return ([env.exact_class_composite[c] for c in classes] for classes in env.prompt_classes)


def is_zero_one(env: TAMDP) -> bool:
    """Whether components with weight are 0 or 1."""
    return all(v in (0, 1) for values in weighted_columns(env) for v in values)


def has_two_valued_components(env: TAMDP) -> bool:
    """Whether each component with weight takes at most two values on each prompt."""
    return all(len(set(values)) <= 2 for values in weighted_columns(env))


def composite_varies(env: TAMDP) -> bool:
    """Whether some prompt has two composite rewards."""
    return any(len(set(values)) > 1 for values in composites(env))


def moves_something(env: TAMDP, target: Sequence[Fraction]) -> bool:
    """Whether another prompt distribution is another one, and there are two composite rewards, so that the risk could
    change.
    """
    return tuple(target) != tuple(env.exact_prompt_probability) and len(set(env.exact_class_composite)) > 1


def is_complementary(env: TAMDP) -> bool:
    """Whether there are two components that add up to one."""
    return env.n_components == 2 and all(sum(row) == 1 for row in env.exact_class_rewards)


def is_opposite(env: TAMDP) -> bool:
    """Whether there are two components and, on each prompt, one falls linearly as the other rises."""
    if env.n_components != 2:
        return False
    for classes in env.prompt_classes:
        rows = sorted({env.exact_class_rewards[c] for c in classes})
        (x, y), (u, v) = rows[0], rows[-1]
        line = all((b - y) * (u - x) == (a - x) * (v - y) for a, b in rows)
        if len(rows) > 1 and not (line and u > x and v < y):
            return False
    return True


def uninformed_law(env: TAMDP) -> dict[int, Fraction] | None:
    """The law of the reward classes of a one-prompt process in which no action says anything about them, whatever the
    policy; else None.

    At every node all actions have one law of what follows; and an action either ends the trajectory or leads to nodes
    with one law, so that a trajectory's length and scores are independent of its reward.
    """
    if env.n_prompts != 1:
        return None
    laws: list[dict[int, Fraction]] = [{} for _ in range(env.n_nodes)]
    for x in sorted(range(env.n_nodes), key=lambda x: -int(env.node_rank[x])):
        first, found = int(env.pair_start[x]), []
        for pair in range(first, first + int(env.pair_count[x])):
            edges = range(*env.edge_pair.searchsorted([pair, pair + 1]).tolist())
            targets = [int(env.edge_target[e]) for e in edges]
            inside = [t for t in targets if t < env.n_nodes]
            if inside and (len(inside) < len(targets) or any(laws[t] != laws[inside[0]] for t in inside)):
                return None
            law: dict[int, Fraction] = defaultdict(Fraction)
            for e, target in zip(edges, targets, strict=True):
                for c, p in ({target - env.n_nodes: Fraction(1)} if target >= env.n_nodes else laws[target]).items():
                    law[c] += env.numbers[env.edge_number[e]] * p
            found.append({c: p for c, p in law.items() if p})
        if any(law != found[0] for law in found):
            return None
        laws[x] = found[0]
    return laws[int(env.prompt_start[0])]


def fair_law(subject: OfProcess) -> dict[tuple[Fraction, ...], Fraction] | None:
    """The law of the reward vectors where components are fair, 0 or 1 and of weight one, under the decomposed scheme
    without eps or ddof.
    """
    env, scheme = subject.env, subject.scheme
    law = uninformed_law(env)
    if (
        law is None
        or not is_plain(scheme)
        or scheme.normalization != "normalize_then_sum"
        or any(w != 1 for w in env.exact_weights)
    ):
        return None
    rows = {env.exact_class_rewards[c]: p for c, p in law.items()}
    bits = all(v in (0, 1) for row in rows for v in row)
    half = all(sum(p for row, p in rows.items() if row[k]) == Fraction(1, 2) for k in range(env.n_components))
    return rows if bits and half else None


def is_independent(subject: OfProcess) -> bool:
    """Whether components are fair coins, independent of each other (and the scheme is plain and decomposed)."""
    law = fair_law(subject)
    count = 2**subject.env.n_components if subject.env.n_components < 64 else 0
    return law is not None and len(law) == count and all(p * count == 1 for p in law.values())


def is_comonotone(subject: OfProcess) -> bool:
    """Whether components are one fair coin (and the scheme is plain and decomposed)."""
    law = fair_law(subject)
    return law is not None and len(law) == 2 and all(len(set(row)) == 1 for row in law)
