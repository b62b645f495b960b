"""Where sampled GRPO may be after t steps, in exact numbers: every parameter vector of a prompt's nodes, with its
probability (T1.exactly).

A tabular prompt's logits move by eta rho_q g_q whatever the other prompts do, so each prompt has a law of its own.

- With one decision and advantages that add up to zero, g_q = (1/G) sum_i A_i e_{a_i} does not depend on the logits, so
  they stay on a lattice: sums of increments whose coordinates are rational combinations of square roots. States are
  kept by those rationals and merge exactly; how many there will be is counted before any probability is computed.
- Elsewhere every sequence of groups is a state of its own: few steps, small processes.

Probabilities and logits are balls at the working precision.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations_with_replacement
from math import comb, factorial, lcm, prod

from flint import fmpq

from tamdp_theory.errors import CapacityError, InputError
from tamdp_theory.estimators.scheme import Scheme
from tamdp_theory.exact.balls import (
    ONE,
    ZERO,
    BallPolicy,
    Number,
    ball,
    group_of,
    is_zero,
    moves,
    number,
    root,
    tabular,
)
from tamdp_theory.exact.shape import one_decision
from tamdp_theory.exact.surds import Surd
from tamdp_theory.numbers import short_count

MAX_STATES = 5_000  # of all steps together
MAX_GROUPS = 2_000
MAX_MOVES = 200_000  # states times groups
_REMEDY = "use fewer steps, a smaller group or a smaller process"
Key = tuple[int, ...]
_Weighted = tuple[Number, tuple[Number, ...]]  # a state's probability and its numbers


@dataclass(frozen=True)
class _Kind:
    """A trajectory up to what does not matter: pairs taken, reward class within the prompt, and the product of its
    transition probabilities.
    """

    taken: tuple[int, ...]
    reward_class: int
    kernel: Number


@dataclass(frozen=True)
class _Group:
    """A multiset of kinds, in how many orders it is drawn, and the advantage of each of its kinds."""

    counts: tuple[tuple[int, int], ...]
    ways: int
    gains: tuple[Number, ...]


@dataclass(frozen=True, eq=False)
class PathLaw:
    """The law of one prompt's parameters under sampled GRPO from a tabular policy, eta rational.

    Raises InputError for a policy with shared parameters, CapacityError where groups are too many to list.
    """

    policy: BallPolicy
    prompt: int
    scheme: Scheme
    learning_rate: Fraction

    def __post_init__(self) -> None:
        if not self.policy.is_tabular:
            raise InputError("the law of a path is known for tabular policies alone")
        if self.scheme.lengths or not self.scheme.is_plain:
            raise InputError("scheme: paths are walked for all groups, and where lengths play no part")
        count = comb(len(self._kinds) + self.scheme.group_size - 1, self.scheme.group_size)
        if count > MAX_GROUPS:
            raise CapacityError(
                f"{self.policy.env.name}: {short_count(count)} groups exceed the limit of {MAX_GROUPS:,}; {_REMEDY}"
            )

    @property
    def on_lattice(self) -> bool:
        """Whether states merge: one decision, and exact advantages that add up to zero in every group."""
        return bool(one_decision(self.policy.env)[self.prompt]) and all(
            all(isinstance(gain, (fmpq, Surd)) for gain in group.gains)
            and is_zero(sum((gain * n for gain, (_, n) in zip(group.gains, group.counts, strict=True)), ZERO))
            for group in self._groups
        )

    def count_states(self, steps: int) -> int:
        """How many states steps 0, ..., steps - 1 have together; no probability is computed. CapacityError where they
        are too many.
        """
        if self.on_lattice:
            count = sum(len(keys) for keys in self._reach(steps))
        else:
            count = sum(self._moving**t for t in range(steps))
        self._check(count, steps)
        return count

    def expectations(self, of: Callable[[BallPolicy], tuple[Number, ...]], steps: int) -> list[tuple[Number, ...]]:
        """E of some numbers of the policy at each of t = 0, ..., steps - 1, each computed once for a state."""
        self.count_states(steps)
        found = []
        for states in self._on_lattice(of, steps) if self.on_lattice else self._listed(of, steps):
            terms = [tuple(probability * value for value in values) for probability, values in states]
            found.append(tuple(sum(column, ZERO) for column in zip(*terms, strict=True)))
        return found

    # -- what a group does ----------------------------------------------------------------------------------------

    @cached_property
    def _kinds(self) -> tuple[_Kind, ...]:
        env = self.policy.env
        first = int(env.prompt_classes[self.prompt][0])
        merged: dict[tuple[tuple[int, ...], int], Number] = {}
        waiting: list[tuple[int, Number, tuple[int, ...]]] = [(int(env.prompt_start[self.prompt]), ONE, ())]
        while waiting:
            node, kernel, taken = waiting.pop()
            if node >= env.n_nodes:
                key = (taken, node - env.n_nodes - first)
                merged[key] = merged.get(key, ZERO) + kernel
                continue
            waiting += [(target, kernel * p, (*taken, pair)) for pair, p, target in moves(env, node) if not is_zero(p)]
        return tuple(_Kind(taken, c, kernel) for (taken, c), kernel in sorted(merged.items(), key=lambda item: item[0]))

    @cached_property
    def _groups(self) -> tuple[_Group, ...]:
        size = self.scheme.group_size
        of_classes = group_of(self.policy.env, self.prompt, self.scheme)
        found = []
        for members in combinations_with_replacement(range(len(self._kinds)), size):
            counts = tuple((kind, members.count(kind)) for kind in sorted(set(members)))
            gains = of_classes.advantages([self._kinds[kind].reward_class for kind in members])
            ways = factorial(size) // prod(factorial(n) for _, n in counts)
            found.append(_Group(counts, ways, tuple(gains[self._kinds[kind].reward_class] for kind, _ in counts)))
        return tuple(found)

    @cached_property
    def _moving(self) -> int:
        """Groups that move the policy, and one for all that do not."""
        return 1 + sum(any(not is_zero(gain) for gain in group.gains) for group in self._groups)

    def _chances(self, policy: BallPolicy) -> list[Number]:
        """Probability of each group under a policy."""
        own = [kind.kernel * prod((policy.probability[pair] for pair in kind.taken), start=ONE) for kind in self._kinds]
        return [prod((own[kind] ** n for kind, n in group.counts), start=number(group.ways)) for group in self._groups]

    def _moved(self, shift: dict[int, Number]) -> BallPolicy:
        """The policy with shifted logits; the first one itself where nothing is shifted."""
        if not shift:
            return self.policy
        env, probability = self.policy.env, list(self.policy.probability)
        for x in {int(env.pair_node[pair]) for pair in shift}:
            own = range(int(env.pair_start[x]), int(env.pair_start[x] + env.pair_count[x]))
            weights = [probability[a] * (ball(shift[a]).exp() if a in shift else ONE) for a in own]
            total = sum(weights, ZERO)
            for a, weight in zip(own, weights, strict=True):
                probability[a] = weight / total
        return tabular(env, probability)

    @property
    def _pace(self) -> Fraction:
        """eta rho_q / G."""
        rho = Fraction(self.policy.env.exact_prompt_probability[self.prompt])
        return self.learning_rate * rho / self.scheme.group_size

    # -- on the lattice -------------------------------------------------------------------------------------------

    @cached_property
    def _axes(self) -> tuple[tuple[tuple[int, int], ...], int, tuple[Key, ...]]:
        """The coordinates, (pair, what stands under the root), their common denominator, and each group's increment."""
        steps: list[dict[tuple[int, int], Fraction]] = []
        for group in self._groups:
            one: dict[tuple[int, int], Fraction] = {}
            for gain, (kind, n) in zip(group.gains, group.counts, strict=True):
                for radicand, a in (gain.terms if isinstance(gain, Surd) else {1: gain}).items():
                    axis = (self._kinds[kind].taken[0], radicand)
                    one[axis] = one.get(axis, Fraction(0)) + n * Fraction(int(a.p), int(a.q))
            steps.append(one)
        axes = tuple(sorted({axis for one in steps for axis, v in one.items() if v}))
        unit = lcm(*(v.denominator for one in steps for v in one.values())) if axes else 1
        return axes, unit, tuple(tuple(int(one.get(axis, Fraction(0)) * unit) for axis in axes) for one in steps)

    def _reach(self, steps: int) -> list[set[Key]]:
        axes, _, increments = self._axes
        distinct = set(increments)
        found = [{(0,) * len(axes)}]
        total = 1
        for _ in range(steps - 1):
            found.append({_sum(key, move) for key in found[-1] for move in distinct})
            total += len(found[-1])
            self._check(total, steps)
        return found

    def _on_lattice(self, of: Callable[[BallPolicy], tuple[Number, ...]], steps: int) -> Iterator[list[_Weighted]]:
        axes, unit, increments = self._axes
        known: dict[Key, tuple[BallPolicy, tuple[Number, ...]]] = {}
        law: dict[Key, Number] = {(0,) * len(axes): ONE}
        for t in range(steps):
            for key in law.keys() - known.keys():
                policy = self._moved(self._shift(key, axes, unit))
                known[key] = policy, of(policy)
            yield [(probability, known[key][1]) for key, probability in law.items()]
            if t == steps - 1:
                return
            after: dict[Key, Number] = {}
            for key, probability in law.items():
                moves_of: dict[Key, Number] = {}
                for chance, move in zip(self._chances(known[key][0]), increments, strict=True):
                    moves_of[move] = moves_of.get(move, ZERO) + chance
                for move, chance in moves_of.items():
                    reached = _sum(key, move)
                    after[reached] = after.get(reached, ZERO) + probability * chance
            law = after

    def _shift(self, key: Key, axes: tuple[tuple[int, int], ...], unit: int) -> dict[int, Number]:
        shift: dict[int, Number] = {}
        for place, (pair, radicand) in zip(key, axes, strict=True):
            if place:
                part = number(self._pace * Fraction(place, unit)) * root(number(radicand))
                shift[pair] = shift.get(pair, ZERO) + part
        return shift

    # -- sequence by sequence -------------------------------------------------------------------------------------

    def _listed(self, of: Callable[[BallPolicy], tuple[Number, ...]], steps: int) -> Iterator[list[_Weighted]]:
        states: list[tuple[Number, dict[int, Number], BallPolicy]] = [(ONE, {}, self.policy)]
        for t in range(steps):
            yield [(probability, of(policy)) for probability, _, policy in states]
            if t < steps - 1:
                states = [one for state in states for one in self._after(*state)]

    def _after(
        self, probability: Number, shift: dict[int, Number], policy: BallPolicy
    ) -> Iterator[tuple[Number, dict[int, Number], BallPolicy]]:
        stay = ZERO
        for chance, group in zip(self._chances(policy), self._groups, strict=True):
            if all(is_zero(gain) for gain in group.gains):
                stay = stay + chance
                continue
            moved = dict(shift)
            for gain, (kind, n) in zip(group.gains, group.counts, strict=True):
                for pair in self._kinds[kind].taken:
                    for a, score in policy.scores[pair].items():
                        moved[a] = moved.get(a, ZERO) + number(self._pace) * gain * n * score
            yield probability * chance, moved, self._moved(moved)
        yield probability * stay, shift, policy

    def _check(self, count: int, steps: int) -> None:
        if count > MAX_STATES or count * len(self._groups) > MAX_MOVES:
            raise CapacityError(
                f"{self.policy.env.name}: {short_count(count)} states or more in {steps} steps, each with "
                f"{len(self._groups):,} groups, exceed the limit of {MAX_STATES:,} states and {MAX_MOVES:,} moves; "
                f"{_REMEDY}"
            )


def _sum(left: Key, right: Key) -> Key:
    return tuple(a + b for a, b in zip(left, right, strict=True))
