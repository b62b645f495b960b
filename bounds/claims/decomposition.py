"""What Theorem 2 compares in single groups: joint and decomposed advantages, looked at exactly."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from bounds.claim import Grouped
from bounds.instance import Instance
from bounds.observation import Observation
from bounds.structure import contrast
from tamdp_theory import TAMDP, CapacityError, exact
from tamdp_theory.exact import Groups, Scheme, balls
from tamdp_theory.model import Floats

MAX_GROUPS = 2000  # of one prompt that a check of single groups looks at


def groups(instance: Grouped, limit: int = MAX_GROUPS) -> Iterator[Groups]:
    """The groups of each prompt: all of them, or ``limit`` drawn with the instance's seed where there are more; the
    first observed ones.
    """
    if isinstance(instance, Observation):
        yield instance.table(limit)
        return
    yield from instance.once(_listed, instance.env, instance.scheme.group_size, instance.seed, limit)


def _listed(env: TAMDP, size: int, seed: int, limit: int) -> list[Groups]:
    generator, found = np.random.default_rng(seed), []
    for classes in env.prompt_classes:
        rewards = tuple(env.exact_class_rewards[c] for c in classes)
        if exact.count_multisets(len(classes), size) <= limit:
            members = exact.list_multisets(len(classes), size)[0]
        else:
            members = np.sort(generator.integers(len(classes), size=(limit, size)), axis=1)
        found.append(Groups(members, rewards, env.exact_weights))
    return found


def are_listed(instance: Grouped, limit: int = MAX_GROUPS) -> bool:
    """Whether ``groups`` gives every group, not a sample of them."""
    if isinstance(instance, Observation):
        return len(instance.groups.prompt) <= limit
    return all(
        exact.count_multisets(len(classes), instance.scheme.group_size) <= limit
        for classes in instance.env.prompt_classes
    )


def is_zero(terms: list[tuple[Fraction, int]]) -> bool:
    """Whether sum a sqrt(n) = 0 (a rational, n > 0 integer), exactly."""
    return _is_zero(sum((balls.number(a) * balls.root(balls.number(n)) for a, n in terms), balls.ZERO))


def _is_zero(value: balls.Number) -> bool:
    found = balls.vanishes(value)
    if found is None:
        raise CapacityError(
            "a sum of roots of numbers with too many digits: no finite precision decides whether it vanishes; round "
            "the rewards"
        )
    return found


def agree(table: Groups, row: int, scheme: Scheme) -> bool:
    """Whether A^joint = A^decomposed for every member of a group, exactly."""
    if scheme.eps:
        gap = contrast(scheme)
        group = balls.BallGroup(gap.estimator.columns(table.rewards, table.weights), gap)
        return all(_is_zero(a) for a in group.advantages(table.members[row].tolist()).values())
    columns = [(-Fraction(1), table.composite), *zip(table.weights, table.components, strict=True)]
    active = [(w, column, int(column.squares[row])) for w, column in columns if column.squares[row]]
    # deviation / sqrt(squares): the factor that all standardized values share is left out
    members = np.unique(table.members[row], return_index=True)[1].tolist()  # equal members have equal advantages
    return all(is_zero([(w * int(column.deviation[row, i]) / n, n) for w, column, n in active]) for i in members)


def in_kernel(table: Groups, row: int) -> bool:
    """Whether C z = 0 in a group, exactly (eps = 0); silent components are left out."""
    joint, total = int(table.composite.squares[row]), table.composite.denominator
    active = [k for k, column in enumerate(table.components) if column.squares[row]]
    for k in active:
        # (C z)_k sigma_k = sum_l cov_kl w_l (1/sigma_c - 1/sigma_l), without the first term where the composite is
        # silent
        terms = []
        for m in active:
            column, product = table.components[m], int(table.covariance(k, m)[row]) * table.weights[m]
            if joint:
                terms.append((product * total / (column.denominator * joint), joint))
            terms.append((-product / int(column.squares[row]), int(column.squares[row])))
        if not is_zero(terms):
            return False
    return True


def weights_of(instance: Grouped) -> Floats:
    """w (K,)."""
    return np.array([float(w) for w in instance.exact_weights])


def vary(instance: Grouped, tables: Sequence[Groups]) -> dict[str, bool]:
    """Of rollouts, that a reward varies in some group: of silent ones every identity says 0 = 0."""
    if isinstance(instance, Instance):
        return {}
    return {"rewards vary": any(bool((column.squares != 0).any()) for table in tables for column in table.components)}
