"""The update's mean and variance in ball arithmetic: enclosures that prove what floats only suggest.

A route of its own from a process to numbers: rationals of the file and FLINT balls (arb), trajectories walked one by one, groups
summed as multisets of reward classes. It shares no floating-point code with the rest of the engine, and is meant for small
instances.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement
from math import comb, factorial, prod

from flint import arb, ctx, fmpq

from tamdp_theory.errors import CapacityError, InputError
from tamdp_theory.exact.group import Normalization, Scheme
from tamdp_theory.exact.trajectories import count_trajectories
from tamdp_theory.model import TAMDP

MAX_TERMS = 200_000


@dataclass(frozen=True)
class BallUpdate:
    """Enclosures for a tabular policy, all prompts in the step: J, V, drift <grad J, m>, and per pair grad J and m."""

    objective: arb
    gradient: tuple[arb, ...]
    mean: tuple[arb, ...]
    variance: arb
    drift: arb


def enclose(value: Fraction | int) -> arb:
    """A ball around a rational at the precision in force."""
    exact = Fraction(value)
    return arb(fmpq(exact.numerator, exact.denominator))


def policy_from_logits(env: TAMDP, logits: Sequence[Fraction | int]) -> tuple[arb, ...]:
    """Softmax of one logit per pair (P,)."""
    weights = [enclose(value).exp() for value in logits]
    return tuple(
        weights[i] / sum((weights[j] for j in range(env.pair_start[x], env.pair_start[x] + env.pair_count[x])), arb(0))
        for i, x in enumerate(env.pair_node.tolist())
    )


def update(
    env: TAMDP,
    logits: Sequence[Fraction | int] | None,
    group_size: int,
    normalization: Normalization,
    eps: Fraction = Fraction(0),
    ddof: int = 0,
    bits: int = 256,
) -> BallUpdate:
    """Enclose J, grad J, m and V of a tabular policy; logits one per pair (P,), None for the uniform policy.

    Raises CapacityError where enumeration would not fit.
    """
    Scheme(group_size, normalization, float(eps), ddof)
    if logits is not None and len(logits) != env.n_pairs:
        raise InputError(f"logits: expected {env.n_pairs}, one per legal action, got {len(logits)}")
    classes = max(len(c) for c in env.prompt_classes)
    terms = max(count_trajectories(env), comb(group_size + classes - 2, classes - 1) * classes**2)
    if terms > MAX_TERMS:
        raise CapacityError(f"{env.name}: {terms:,} terms exceed the limit of {MAX_TERMS:,} for enclosures; use a smaller instance")
    with ctx.workprec(bits):
        pi = policy_from_logits(env, logits if logits is not None else [0] * env.n_pairs)
        zero = arb(0)
        objective, variance = zero, zero
        gradient, mean = [zero] * env.n_pairs, [zero] * env.n_pairs
        for prompt, own in enumerate(env.prompt_classes):
            rho = enclose(env.exact_prompt_probability[prompt])
            law = _law(env, pi, prompt)
            rows = [env.exact_class_rewards[c] for c in own.tolist()]
            composite = [enclose(env.exact_class_composite[c]) for c in own.tolist()]
            table = _Group(rows, env.exact_weights, [p for p, _, _ in law], group_size, normalization, eps, ddof)
            h, second, cross = table.moments()
            objective += rho * sum((c * p for c, (p, _, _) in zip(composite, law, strict=True)), zero)
            for i in range(env.n_pairs):
                gradient[i] += rho * sum((c * g[i] for c, (_, g, _) in zip(composite, law, strict=True)), zero)
                mean[i] += rho * sum((x * g[i] for x, (_, g, _) in zip(h, law, strict=True)), zero)
            noise = sum((a * e for a, (_, _, e) in zip(second, law, strict=True)), zero) / group_size
            kappa = enclose(Fraction(group_size - 1, group_size))
            for m, (_, gm, _) in enumerate(law):
                for n, (_, gn, _) in enumerate(law):
                    inner = sum((x * y for x, y in zip(gm, gn, strict=True)), zero)
                    noise += (kappa * cross[m][n] - h[m] * h[n]) * inner
            variance += rho * rho * noise
        drift = sum((g * m for g, m in zip(gradient, mean, strict=True)), zero)
        return BallUpdate(objective, tuple(gradient), tuple(mean), variance, drift)


def _law(env: TAMDP, pi: Sequence[arb], prompt: int) -> list[tuple[arb, list[arb], arb]]:
    """Per reward class of a prompt: probability, E[s; m] per pair, E[||s||^2; m]."""
    own = env.prompt_classes[prompt].tolist()
    result = {c: (arb(0), [arb(0)] * env.n_pairs, arb(0)) for c in own}
    for c, probability, taken in _walk(env, pi, int(env.prompt_start[prompt]), arb(1), ()):
        score = [arb(0)] * env.n_pairs
        for pair in taken:
            first = int(env.pair_start[env.pair_node[pair]])
            for other in range(first, first + int(env.pair_count[env.pair_node[pair]])):
                score[other] += (1 if other == pair else 0) - pi[other]
        total, vector, energy = result[c]
        vector = [v + probability * s for v, s in zip(vector, score, strict=True)]
        result[c] = (total + probability, vector, energy + probability * sum((s * s for s in score), arb(0)))
    return [result[c] for c in own]


def _walk(env: TAMDP, pi: Sequence[arb], node: int, probability: arb, taken: tuple[int, ...]) -> Iterator[tuple[int, arb, tuple[int, ...]]]:
    first = int(env.pair_start[node])
    for pair in range(first, first + int(env.pair_count[node])):
        for edge in range(*env.edge_pair.searchsorted([pair, pair + 1])):
            p = probability * pi[pair] * enclose(env.numbers[env.edge_number[edge]])
            target = int(env.edge_target[edge])
            if target < env.n_nodes:
                yield from _walk(env, pi, target, p, (*taken, pair))
            else:
                yield target - env.n_nodes, p, (*taken, pair)


class _Group:
    """Moments of advantages by summing over multisets of the other members' classes."""

    def __init__(
        self,
        rows: Sequence[tuple[Fraction, ...]],
        weights: Sequence[Fraction],
        probability: Sequence[arb],
        group_size: int,
        normalization: Normalization,
        eps: Fraction,
        ddof: int,
    ) -> None:
        self.probability, self.size, self.eps, self.ddof = probability, group_size, eps, ddof
        self.centre = normalization == "center"
        columns = [(Fraction(1), [sum((w * r for w, r in zip(weights, row, strict=True)), Fraction(0)) for row in rows])]
        if normalization == "normalize_then_sum":
            columns = [(w, [row[k] for row in rows]) for k, w in enumerate(weights)]
        self.columns = columns

    def moments(self) -> tuple[list[arb], list[arb], list[list[arb]]]:
        """h, a and b."""
        classes = range(len(self.probability))
        h, second = [arb(0)] * len(classes), [arb(0)] * len(classes)
        cross = [[arb(0)] * len(classes) for _ in classes]
        for others, p in self._others(self.size - 1):
            for m in classes:
                value = self._advantage((m, *others), m)
                h[m] += p * value
                second[m] += p * value * value  # a power of a ball around 0 is undefined
        for others, p in self._others(self.size - 2):
            for m in classes:
                for n in classes:
                    group = (m, n, *others)
                    cross[m][n] += p * self._advantage(group, m) * self._advantage(group, n)
        return h, second, cross

    def _others(self, count: int) -> Iterator[tuple[tuple[int, ...], arb]]:
        for others in combinations_with_replacement(range(len(self.probability)), count):
            ways = factorial(count) // prod(factorial(others.count(c)) for c in set(others))
            yield others, prod((self.probability[c] for c in others), start=arb(ways))

    def _advantage(self, group: tuple[int, ...], of: int) -> arb:
        total = arb(0)
        for weight, values in self.columns:
            members = [values[c] for c in group]
            mean = sum(members, Fraction(0)) / self.size
            squares = sum(((v - mean) ** 2 for v in members), Fraction(0))
            if self.centre:
                total += enclose(weight * (values[of] - mean))
            elif squares:
                deviation = enclose(squares / (self.size - self.ddof)).sqrt() + enclose(self.eps)
                total += enclose(weight * (values[of] - mean)) / deviation
        return total
