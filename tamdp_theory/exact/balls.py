"""The process and its update in exact numbers: rationals and square roots (surds.py) while they last, then FLINT balls (arb).

A route of its own from a file to numbers: trajectories walked one by one, groups summed as multisets of reward classes. It shares
no floating-point code with the rest of the engine; what it returns are rationals or enclosures that prove what floats suggest. It
is meant for small instances. Precision is FLINT's working precision: wrap calls in ``precision(bits)``.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations_with_replacement
from math import comb, factorial, prod
from typing import Any, TypeAlias

from flint import arb, ctx, fmpq

from tamdp_theory.errors import CapacityError, InputError
from tamdp_theory.exact.group import Normalization, Scheme
from tamdp_theory.exact.listing import Groups
from tamdp_theory.exact.surds import Surd, square_root
from tamdp_theory.model import TAMDP, THINK, check_same_process
from tamdp_theory.numbers import exact
from tamdp_theory.policies.base import Policy
from tamdp_theory.policies.loglinear import LogLinear

MAX_TERMS = 200_000
Number: TypeAlias = Any  # fmpq, Surd or arb; FLINT's types carry no annotations
ZERO, ONE = fmpq(0), fmpq(1)


def precision(bits: int) -> AbstractContextManager[Any]:
    """FLINT's working precision for a block, in bits."""
    context: AbstractContextManager[Any] = ctx.workprec(bits)
    return context


def number(value: Fraction | int) -> Number:
    """A rational, exactly."""
    fraction = Fraction(value)
    return fmpq(fraction.numerator, fraction.denominator)


def ball(value: Number) -> arb:
    """A number as a ball at the precision in force."""
    if isinstance(value, Surd):
        return value.ball()
    return value if isinstance(value, arb) else arb(value)


def root(value: Number) -> Number:
    """Square root: exact for rationals >= 0, else a ball."""
    if isinstance(value, fmpq):
        return square_root(value)
    return ball(value).nonnegative_part().sqrt()  # callers know that the number is not negative; its ball may not


def dot(left: Sequence[Number], right: Sequence[Number]) -> Number:
    """Inner product."""
    return sum((x * y for x, y in zip(left, right, strict=True) if not (is_zero(x) or is_zero(y))), ZERO)


def is_zero(value: Number) -> bool:
    """Whether a number is exactly zero, known without rounding."""
    return isinstance(value, fmpq) and bool(value == 0)


# -- policies -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class BallPolicy:
    """pi of each pair, and the score g(x, a) of each pair by parameter; ``size`` parameters. source: features and parameters, if any."""

    env: TAMDP
    probability: tuple[Number, ...]
    scores: tuple[Mapping[int, Number], ...]
    size: int
    is_tabular: bool
    source: tuple[Sequence[Sequence[Fraction]], Sequence[Fraction]] | None = None


def tabular(env: TAMDP, probability: Sequence[Number]) -> BallPolicy:
    """A tabular policy by its probabilities, one per pair; parameters are the pairs."""
    scores = []
    for i, x in enumerate(env.pair_node.tolist()):
        own = range(env.pair_start[x], env.pair_start[x] + env.pair_count[x])
        scores.append({j: (ONE if j == i else ZERO) - probability[j] for j in own})
    return BallPolicy(env, tuple(probability), tuple(scores), env.n_pairs, True)


def softmax(env: TAMDP, logits: Sequence[Number]) -> tuple[Number, ...]:
    """pi of each pair (P,) from one logit per pair; rational where the logits of a node agree."""
    result: list[Number] = []
    for x in range(env.n_nodes):
        own = logits[env.pair_start[x] : env.pair_start[x] + env.pair_count[x]]
        weights = [ONE if is_zero(value - own[0]) else ball(value - own[0]).exp() for value in own]
        total = sum(weights, ZERO)
        result += [weight / total for weight in weights]
    return tuple(result)


def log_linear(env: TAMDP, features: Sequence[Sequence[Fraction]], parameters: Sequence[Fraction]) -> BallPolicy:
    """Logits features (P, d) times parameters (d,)."""
    table, theta = [[number(v) for v in row] for row in features], [number(v) for v in parameters]
    pi = softmax(env, [dot(row, theta) for row in table])
    scores = []
    for i, x in enumerate(env.pair_node.tolist()):
        own = range(env.pair_start[x], env.pair_start[x] + env.pair_count[x])
        mean = [sum((pi[j] * table[j][c] for j in own), ZERO) for c in range(len(theta))]
        scores.append({c: table[i][c] - mean[c] for c in range(len(theta))})
    return BallPolicy(env, pi, tuple(scores), len(theta), False, (features, parameters))


def policy_of(policy: Policy, env: TAMDP | None = None) -> BallPolicy:
    """A float policy taken at its word: the decimals of its logits, or of its features and parameters."""
    env = policy.env if env is None else env
    check_same_process(env, policy.env)
    if isinstance(policy, LogLinear):
        features = [[exact(float(v), "features") for v in row] for row in policy.features]
        return log_linear(env, features, [exact(float(v), "parameters") for v in policy.parameters])
    if not policy.is_tabular:
        raise InputError(f"{type(policy).__name__}: enclosures know tabular and log-linear policies only")
    logits = [number(exact(float(v), "logits")) for v in policy.parameters[env.pair_parameter]]
    return tabular(env, softmax(env, logits))


# -- the law of trajectories --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Path:
    """A trajectory of a prompt: its class, its probability given the prompt, and the pairs taken."""

    reward_class: int
    probability: Number
    taken: tuple[int, ...]


@dataclass(frozen=True)
class ClassTerms:
    """Of one reward class: P_m, E[s; m] (d,) and E[||s||^2; m]."""

    probability: Number
    gradient: list[Number]
    energy: Number


@dataclass(frozen=True, eq=False)
class BallLaw:
    """The law of trajectories of a policy. Raises CapacityError where they are too many to walk."""

    policy: BallPolicy
    think_weight: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        env = self.env
        count = [1] * (env.n_nodes + env.n_classes)
        for x in reversed(order(env)):
            count[x] = sum(count[target] for _, _, target in moves(env, x))
        total = sum(count[x] for x in env.prompt_start.tolist())
        if total > MAX_TERMS:
            raise CapacityError(f"{env.name}: {total:,} trajectories exceed the limit of {MAX_TERMS:,} for enclosures; use a smaller instance")

    @property
    def env(self) -> TAMDP:
        """The process."""
        return self.policy.env

    @cached_property
    def paths(self) -> tuple[tuple[Path, ...], ...]:
        """Every trajectory of each prompt."""
        return tuple(tuple(self._walk(int(x), ONE, ())) for x in self.env.prompt_start)

    def _walk(self, node: int, probability: Number, taken: tuple[int, ...]) -> Iterator[Path]:
        for pair, p, target in moves(self.env, node):
            chance = probability * self.policy.probability[pair] * p
            if target < self.env.n_nodes:
                yield from self._walk(target, chance, (*taken, pair))
            else:
                yield Path(target - self.env.n_nodes, chance, (*taken, pair))

    def score(self, path: Path) -> list[Number]:
        """s(tau) (d,), think actions weighted."""
        result: list[Number] = [ZERO] * self.policy.size
        for pair in path.taken:
            weight = number(self.think_weight) if self.env.pair_kind[pair] == THINK else ONE
            for place, value in self.policy.scores[pair].items():
                result[place] += weight * value
        return result

    @cached_property
    def classes(self) -> tuple[tuple[ClassTerms, ...], ...]:
        """P_m, E[s; m] and E[||s||^2; m] of each class of each prompt."""
        found = []
        for q, own in enumerate(self.env.prompt_classes):
            terms = {c: (ZERO, [ZERO] * self.policy.size, ZERO) for c in own.tolist()}
            for path in self.paths[q]:
                score = self.score(path)
                total, vector, energy = terms[path.reward_class]
                vector = [v + path.probability * s for v, s in zip(vector, score, strict=True)]
                terms[path.reward_class] = (total + path.probability, vector, energy + path.probability * dot(score, score))
            found.append(tuple(ClassTerms(*terms[c]) for c in own.tolist()))
        return tuple(found)

    @cached_property
    def visits(self) -> tuple[Number, ...]:
        """d(x) given the prompt (X,)."""
        result = [ZERO] * self.env.n_nodes
        for own in self.paths:
            for path in own:
                for pair in path.taken:
                    result[self.env.pair_node[pair]] += path.probability
        return tuple(result)


def moves(env: TAMDP, node: int) -> Iterator[tuple[int, Number, int]]:
    """(pair, probability, target) of each edge out of a node."""
    first = int(env.pair_start[node])
    for pair in range(first, first + int(env.pair_count[node])):
        for edge in range(*env.edge_pair.searchsorted([pair, pair + 1]).tolist()):
            yield pair, number(env.numbers[env.edge_number[edge]]), int(env.edge_target[edge])


def order(env: TAMDP) -> list[int]:
    """Nodes so that edges lead to later ones."""
    result: list[int] = env.node_rank.argsort(kind="stable").tolist()
    return result


# -- groups -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class BallGroup:
    """Advantages as a combination of standardized columns: (coefficient, value of each class).

    ``centred``: deviations are not divided by anything.
    """

    columns: tuple[tuple[Fraction, tuple[Fraction, ...]], ...]
    size: int
    eps: Fraction = Fraction(0)
    ddof: int = 0
    centred: bool = False

    @cached_property
    def _known(self) -> dict[tuple[int, ...], dict[int, Number]]:
        return {}

    def advantages(self, group: tuple[int, ...]) -> dict[int, Number]:
        """A of each class in a group, a sorted tuple of classes."""
        if group not in self._known:
            self._known[group] = dict.fromkeys(set(group), ZERO) | self._standardize(group)
        return self._known[group]

    def _standardize(self, group: tuple[int, ...]) -> dict[int, Number]:
        # numerators over equal spreads add up before any root is taken, so that what cancels cancels exactly
        by_spread: dict[Fraction, dict[int, Fraction]] = {}
        for coefficient, values in self.columns:
            members = [values[m] for m in group]
            mean = sum(members, Fraction(0)) / self.size
            squares = sum(((v - mean) ** 2 for v in members), Fraction(0)) / (self.size - self.ddof)
            if squares:
                numerators = by_spread.setdefault(Fraction(1) if self.centred else squares, {})
                for m in set(group):
                    numerators[m] = numerators.get(m, Fraction(0)) + coefficient * (values[m] - mean)
        result: dict[int, Number] = {}
        for squares, numerators in by_spread.items():
            scale = ONE if self.centred else root(number(squares)) + number(self.eps)
            for m, value in numerators.items():
                if value:
                    result[m] = result.get(m, ZERO) + number(value) / scale
        return result

    def others(self, probability: Sequence[Number], count: int) -> Iterator[tuple[tuple[int, ...], Number]]:
        """Multisets of ``count`` classes and their probabilities."""
        for group in combinations_with_replacement(range(len(probability)), count):
            ways = factorial(count) // prod(factorial(group.count(c)) for c in set(group))
            yield group, prod((probability[c] for c in group), start=number(ways))

    def moments(self, probability: Sequence[Number]) -> tuple[list[Number], list[Number], list[list[Number]]]:
        """h, a and b (theory.md section 3)."""
        h, second = self.first(probability)
        classes = range(len(probability))
        cross = [[ZERO for _ in classes] for _ in classes]
        for others, p in self.others(probability, self.size - 2):
            for m in classes:
                for n in classes[m:]:
                    found = self.advantages(tuple(sorted((m, n, *others))))
                    cross[m][n] += p * found[m] * found[n]
        return h, second, [[cross[min(m, n)][max(m, n)] for n in classes] for m in classes]

    def first(self, probability: Sequence[Number]) -> tuple[list[Number], list[Number]]:
        """h and a."""
        classes = range(len(probability))
        h, second = [ZERO for _ in classes], [ZERO for _ in classes]
        for others, p in self.others(probability, self.size - 1):
            for m in classes:
                value = self.advantages(tuple(sorted((m, *others))))[m]
                h[m] += p * value
                second[m] += p * value * value  # a power of a ball around 0 is undefined
        return h, second

    def given_pair(self, probability: Sequence[Number]) -> list[list[Number]]:
        """E[A_1 | m, l]; dh_m/dP_l = (G - 1) times it."""
        classes = range(len(probability))
        result = [[ZERO for _ in classes] for _ in classes]
        for others, p in self.others(probability, self.size - 2):
            for m in classes:
                for n in classes:
                    result[m][n] += p * self.advantages(tuple(sorted((m, n, *others))))[m]
        return result


def group_of(env: TAMDP, prompt: int, scheme: Scheme, normalization: Normalization | None = None, share: Fraction | None = None) -> BallGroup:
    """The advantages of a prompt's classes under a scheme; ``share``: A^joint - share A^decomposed instead."""
    own = env.prompt_classes[prompt].tolist()
    name = normalization or scheme.normalization
    composite = (Fraction(1), tuple(env.exact_class_composite[c] for c in own))
    parts = [(w, tuple(env.exact_class_rewards[c][k] for c in own)) for k, w in enumerate(env.exact_weights)]
    if share is not None:
        columns = [composite, *((-share * w, values) for w, values in parts)]
    else:
        columns = parts if name == "normalize_then_sum" else [composite]
    check_terms(env, prompt, scheme.group_size)
    return BallGroup(tuple(columns), scheme.group_size, exact(float(scheme.eps), "eps"), scheme.ddof, name == "center" and share is None)


def check_terms(env: TAMDP, prompt: int, size: int) -> None:
    """CapacityError where a prompt has too many groups of classes."""
    classes = len(env.prompt_classes[prompt])
    terms = comb(size + classes - 2, classes - 1) * classes**2
    if terms > MAX_TERMS:
        raise CapacityError(f"{env.name}: {terms:,} terms exceed the limit of {MAX_TERMS:,} for enclosures; use a smaller instance")


def group_advantages(table: Groups, scheme: Scheme, row: int) -> Number:
    """Largest |A_i| of one listed group."""
    composite = tuple(sum((w * r for w, r in zip(table.weights, one, strict=True)), Fraction(0)) for one in table.rewards)
    columns = [(Fraction(1), composite)]
    if scheme.normalization == "normalize_then_sum":
        columns = [(w, tuple(one[k] for one in table.rewards)) for k, w in enumerate(table.weights)]
    group = BallGroup(tuple(columns), table.size, exact(float(scheme.eps), "eps"), scheme.ddof, scheme.normalization == "center")
    return largest([absolute(a) for a in group.advantages(tuple(table.members[row].tolist())).values()])


def absolute(value: Number) -> Number:
    """|value|."""
    return abs(value)


def largest(values: Sequence[Number]) -> Number:
    """The largest of numbers: exact if all are, else a ball that contains it."""
    if not any(isinstance(v, arb) for v in values):
        return max(values)
    result = ball(values[0])
    for value in values[1:]:
        result = result.max(ball(value))
    return result


# -- the update ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BallUpdate:
    """Enclosures, all prompts in the step: J, V, drift <grad J, m>, and per parameter grad J and m; per prompt m_q and V_q."""

    objective: arb
    gradient: tuple[arb, ...]
    mean: tuple[arb, ...]
    variance: arb
    drift: arb


def prompt_update(law: BallLaw, prompt: int, scheme: Scheme) -> tuple[list[Number], Number]:
    """m_q (d,) and V_q of one prompt."""
    terms, group = law.classes[prompt], group_of(law.env, prompt, scheme)
    h, second, cross = group.moments([one.probability for one in terms])
    mean = combine(h, terms, law.policy.size)
    noise = sum((a * one.energy for a, one in zip(second, terms, strict=True)), ZERO) / scheme.group_size
    kappa = number(Fraction(scheme.group_size - 1, scheme.group_size))
    for m, left in enumerate(terms):
        for n, right in enumerate(terms):
            noise += (kappa * cross[m][n] - h[m] * h[n]) * dot(left.gradient, right.gradient)
    return mean, noise


def combine(weights: Sequence[Number], terms: Sequence[ClassTerms], size: int) -> list[Number]:
    """sum_m weight_m E[s; m] (d,)."""
    return [sum((x * one.gradient[i] for x, one in zip(weights, terms, strict=True) if not is_zero(x)), ZERO) for i in range(size)]


def gradient_of(law: BallLaw, prompt: int) -> list[Number]:
    """grad J_q (d,) of one prompt."""
    env = law.env
    return combine([number(env.exact_class_composite[c]) for c in env.prompt_classes[prompt].tolist()], law.classes[prompt], law.policy.size)


def update(
    env: TAMDP, policy: Policy | None, group_size: int, normalization: Normalization, eps: float = 0.0, ddof: int = 0, bits: int = 256
) -> BallUpdate:
    """Enclose J, grad J, m and V of a tabular or log-linear policy, None for the uniform one.

    Raises CapacityError where enumeration would not fit, InputError for a policy that enclosures do not know.
    """
    scheme = Scheme(group_size, normalization, eps, ddof)
    with precision(bits):
        law = BallLaw(policy_of(policy, env) if policy is not None else tabular(env, softmax(env, [ZERO] * env.n_pairs)))
        objective, variance = ZERO, ZERO
        gradient, mean = [ZERO] * law.policy.size, [ZERO] * law.policy.size
        for prompt, own in enumerate(env.prompt_classes):
            rho = number(env.exact_prompt_probability[prompt])
            step, noise = prompt_update(law, prompt, scheme)
            objective += rho * sum((number(env.exact_class_composite[c]) * t.probability for c, t in zip(own, law.classes[prompt], strict=True)), ZERO)
            gradient = [total + rho * g for total, g in zip(gradient, gradient_of(law, prompt), strict=True)]
            mean = [total + rho * g for total, g in zip(mean, step, strict=True)]
            variance += rho * rho * noise
        return BallUpdate(ball(objective), tuple(map(ball, gradient)), tuple(map(ball, mean)), ball(variance), ball(dot(gradient, mean)))


def curl_norm(group: BallGroup, probability: Sequence[Number]) -> Number:
    """Frobenius norm of the curl of L8 at class probabilities."""
    given, count = group.given_pair(probability), len(probability)
    skew = [[(given[n][m] - given[m][n]) * (group.size - 1) for n in range(count)] for m in range(count)]
    rows = [sum(row, ZERO) / count for row in skew]  # the matrix is antisymmetric, so column means are minus these
    return root(sum(((skew[m][n] - rows[m] + rows[n]) * (skew[m][n] - rows[m] + rows[n]) for m in range(count) for n in range(count)), ZERO))
