"""The process and its update in exact numbers: rationals and square roots (surds.py) while they last, then FLINT balls
(arb).

A route of its own from a file to numbers: trajectories walked one by one, groups summed as multisets of reward classes.
It shares no floating-point code with the rest of the engine; what it returns are rationals or enclosures that prove
what floats suggest. It is meant for small instances: what would take more than about ten seconds is refused before it
starts. Numbers and decisions are in ball_numbers.py, groups in ball_groups.py. Precision is FLINT's working precision:
wrap calls in ``precision(bits)``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from flint import arb, ctx

from tamdp_theory.errors import CapacityError, InputError
from tamdp_theory.estimators.scheme import Normalization, Scheme
from tamdp_theory.exact.ball_groups import MAX_TERMS, BallGroup, check_terms, curl_norm, group_advantages, group_of
from tamdp_theory.exact.ball_numbers import (
    ONE,
    ZERO,
    Number,
    absolute,
    ball,
    bits_of,
    check_effort,
    dot,
    effort,
    is_zero,
    largest,
    number,
    precision,
    root,
    vanishes,
)
from tamdp_theory.exact.surds import Surd
from tamdp_theory.exact.trajectories import prompt_trajectories
from tamdp_theory.model import TAMDP, THINK, check_same_process
from tamdp_theory.numbers import fraction, short_count
from tamdp_theory.policies.base import Policy
from tamdp_theory.policies.loglinear import LogLinear

__all__ = [
    "MAX_TERMS",
    "ONE",
    "ZERO",
    "BallGroup",
    "BallLaw",
    "BallPolicy",
    "BallUpdate",
    "ClassTerms",
    "Number",
    "Path",
    "absolute",
    "ball",
    "check_terms",
    "combine",
    "curl_norm",
    "dot",
    "gradient_of",
    "group_advantages",
    "group_of",
    "is_zero",
    "largest",
    "log_linear",
    "moves",
    "number",
    "order",
    "policy_of",
    "precision",
    "prompt_update",
    "root",
    "softmax",
    "tabular",
    "update",
    "vanishes",
]

_REMEDY = "use a smaller instance or probabilities of fewer digits"

# -- policies -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class BallPolicy:
    """pi of each pair, and the score g(x, a) of each pair by parameter; ``size`` parameters. source: features and
    parameters, if any.
    """

    env: TAMDP
    probability: tuple[Number, ...]
    scores: tuple[Mapping[int, Number], ...]
    size: int
    is_tabular: bool
    source: tuple[Sequence[Sequence[Fraction]], Sequence[Fraction]] | None = None

    @cached_property
    def _laws(self) -> dict[tuple[Fraction, int], "BallLaw"]:
        return {}

    def law(self, think_weight: Fraction = Fraction(1)) -> "BallLaw":
        """The law of trajectories, walked once for each precision."""
        key = (think_weight, int(ctx.prec))
        if key not in self._laws:
            self._laws[key] = BallLaw(self, think_weight)
        return self._laws[key]


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
    return BallPolicy(env, pi, tuple(scores), size=len(theta), is_tabular=False, source=(features, parameters))


def policy_of(policy: Policy, env: TAMDP | None = None) -> BallPolicy:
    """A float policy taken at its word: the decimals of its logits, or of its features and parameters."""
    env = policy.env if env is None else env
    check_same_process(env, policy.env)
    if isinstance(policy, LogLinear):
        features = [[fraction(float(v), "features") for v in row] for row in policy.features]
        return log_linear(env, features, [fraction(float(v), "parameters") for v in policy.parameters])
    if not policy.is_tabular:
        raise InputError(f"{type(policy).__name__}: enclosures know tabular and log-linear policies only")
    logits = [number(fraction(float(v), "logits")) for v in policy.parameters[env.pair_parameter]]
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
        env, policy = self.env, self.policy
        total = float(prompt_trajectories(env).sum())
        if not total <= MAX_TERMS:
            raise CapacityError(
                f"{env.name}: {short_count(total)} trajectories exceed the limit of {MAX_TERMS:,} for enclosures; use "
                f"a smaller instance"
            )
        rational = not any(isinstance(p, (arb, Surd)) for p in policy.probability)
        bits = (
            (env.horizon + 2) * (bits_of(policy.probability) + bits_of(map(number, env.numbers)))
            if rational
            else int(ctx.prec)
        )
        places = max(map(len, policy.scores))
        work = effort(3 * total * env.horizon * places, bits) + effort(env.n_classes * policy.size, 0)
        check_effort(work, f"{env.name}: walking {total:,.0f} trajectories of {env.horizon} decisions", _REMEDY)

    @property
    def env(self) -> TAMDP:
        """The process."""
        return self.policy.env

    @cached_property
    def updates(self) -> dict[tuple[int, Scheme], tuple[list[Number], Number]]:
        """What ``prompt_update`` found."""
        return {}

    @cached_property
    def paths(self) -> tuple[tuple[Path, ...], ...]:
        """Every trajectory of each prompt."""
        return tuple(tuple(self._walk(int(x))) for x in self.env.prompt_start)

    def _walk(self, start: int) -> Iterator[Path]:
        waiting: list[tuple[int, Number, tuple[int, ...]]] = [(start, ONE, ())]
        while waiting:
            node, probability, taken = waiting.pop()
            if node >= self.env.n_nodes:
                yield Path(node - self.env.n_nodes, probability, taken)
                continue
            after = [
                (target, probability * self.policy.probability[pair] * p, (*taken, pair))
                for pair, p, target in moves(self.env, node)
            ]
            waiting += reversed(after)

    def score(self, path: Path) -> list[Number]:
        """s(tau) (d,), think actions weighted."""
        result: list[Number] = [ZERO] * self.policy.size
        for place, value in self._score(path).items():
            result[place] = value
        return result

    def _score(self, path: Path) -> dict[int, Number]:
        """s(tau) by parameter, those that the path does not touch left out."""
        result: dict[int, Number] = {}
        for pair in path.taken:
            weight = number(self.think_weight) if self.env.pair_kind[pair] == THINK else ONE
            for place, value in self.policy.scores[pair].items():
                result[place] = result.get(place, ZERO) + weight * value
        return result

    @cached_property
    def classes(self) -> tuple[tuple[ClassTerms, ...], ...]:
        """P_m, E[s; m] and E[||s||^2; m] of each class of each prompt."""
        found = []
        for q, own in enumerate(self.env.prompt_classes):
            places = {c: m for m, c in enumerate(own.tolist())}
            probability, energy = [ZERO] * len(places), [ZERO] * len(places)
            gradient = [[ZERO] * self.policy.size for _ in places]
            for path in self.paths[q]:
                m, score = places[path.reward_class], self._score(path)
                probability[m] += path.probability
                for place, value in score.items():
                    gradient[m][place] += path.probability * value
                energy[m] += path.probability * sum((value * value for value in score.values()), ZERO)
            found.append(tuple(map(ClassTerms, probability, gradient, energy)))
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


# -- the update ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BallUpdate:
    """Enclosures, all prompts in the step: J, V, drift <grad J, m>, and per parameter grad J and m; per prompt m_q and
    V_q.
    """

    objective: arb
    gradient: tuple[arb, ...]
    mean: tuple[arb, ...]
    variance: arb
    drift: arb


def prompt_update(law: BallLaw, prompt: int, scheme: Scheme) -> tuple[list[Number], Number]:
    """m_q (d,) and V_q of one prompt; computed once for a law and a scheme."""
    if (prompt, scheme) not in law.updates:
        law.updates[prompt, scheme] = _prompt_update(law, prompt, scheme)
    return law.updates[prompt, scheme]


def _prompt_update(law: BallLaw, prompt: int, scheme: Scheme) -> tuple[list[Number], Number]:
    group = group_of(law.env, prompt, scheme)
    terms = law.classes[prompt]
    bits = bits_of(g for one in terms for g in one.gradient)
    check_effort(effort(len(terms) ** 2 * law.policy.size, 2 * bits), f"{law.env.name}: the update's variance", _REMEDY)
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
    return [
        sum((x * one.gradient[i] for x, one in zip(weights, terms, strict=True) if not is_zero(x)), ZERO)
        for i in range(size)
    ]


def gradient_of(law: BallLaw, prompt: int) -> list[Number]:
    """grad J_q (d,) of one prompt."""
    own = [number(law.env.exact_class_composite[c]) for c in law.env.prompt_classes[prompt].tolist()]
    bits = bits_of(own)
    check_effort(
        effort(len(own) * law.policy.size, bits),
        f"{law.env.name}: the gradient over {len(own)} rewards",
        "use rewards of fewer digits",
    )
    return combine(own, law.classes[prompt], law.policy.size)


def update(
    env: TAMDP,
    policy: Policy | None,
    group_size: int,
    normalization: Normalization,
    eps: float = 0.0,
    ddof: int = 0,
    bits: int = 256,
) -> BallUpdate:
    """Enclose J, grad J, m and V of a tabular or log-linear policy, None for the uniform one.

    Raises CapacityError where enumeration would not fit, InputError for a policy that enclosures do not know.

    Args:
        env, policy: the process and a tabular or log-linear policy.
        group_size, normalization, eps, ddof: of the scheme.
        bits: working precision.
    """
    scheme = Scheme(group_size, normalization, eps, ddof)
    with precision(bits):
        law = BallLaw(
            policy_of(policy, env) if policy is not None else tabular(env, softmax(env, [ZERO] * env.n_pairs))
        )
        objective, variance = ZERO, ZERO
        gradient, mean = [ZERO] * law.policy.size, [ZERO] * law.policy.size
        for prompt, own in enumerate(env.prompt_classes):
            rho = number(env.exact_prompt_probability[prompt])
            step, noise = prompt_update(law, prompt, scheme)
            objective += rho * sum(
                (
                    number(env.exact_class_composite[c]) * t.probability
                    for c, t in zip(own, law.classes[prompt], strict=True)
                ),
                ZERO,
            )
            gradient = [total + rho * g for total, g in zip(gradient, gradient_of(law, prompt), strict=True)]
            mean = [total + rho * g for total, g in zip(mean, step, strict=True)]
            variance += rho * rho * noise
        return BallUpdate(
            ball(objective),
            tuple(map(ball, gradient)),
            tuple(map(ball, mean)),
            ball(variance),
            ball(dot(gradient, mean)),
        )
