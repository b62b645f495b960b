"""The claims of claims/lengths.py in rationals, square roots and balls."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import combinations

from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.objectives import group_on
from bounds.enclosed.quantities import total_gradient
from bounds.exact_instance import ExactInstance
from tamdp_theory import TAMDP, CapacityError, InputError
from tamdp_theory.exact import Scheme
from tamdp_theory.exact.balls import ZERO, BallGroup, BallLaw, Number, combine, dot, group_of, is_zero, number, vanishes
from tamdp_theory.exact.objectives import decide
from tamdp_theory.lengths import class_lengths

Classes = list[tuple[Fraction, int]]


def classes_of(env: TAMDP) -> list[Classes]:
    """(composite, length) of the classes of each prompt, split by length."""
    whole = env.by_length
    lengths = class_lengths(whole) or ()
    return [[(whole.exact_class_composite[c], lengths[c]) for c in own] for own in whole.prompt_classes]


def has_lengths(env: TAMDP) -> bool:
    """Whether every node is reached in one length, so that classes have lengths."""
    try:
        return env.by_length is not None
    except InputError:
        return False


def comes_in_two_lengths(env: TAMDP) -> bool:
    """Whether some composite of a prompt comes in two lengths."""
    return has_lengths(env) and any(next(pairs_of_lengths(kinds), None) for kinds in classes_of(env))


def law_by_length(i: ExactInstance) -> BallLaw:
    """The law of trajectories with classes split by length."""
    return replace(i.policy, env=i.env.by_length).law(i.think_weight)


def adds_up_to_zero(scheme: Scheme) -> bool:
    """Whether advantages add up to zero in every group of zeros and ones."""
    group, size = group_on((Fraction(0), Fraction(1)), scheme), scheme.group_size
    found = ((n, group.of_counts((size - n, n))) for n in range(size + 1))
    return all(vanishes(n * gains.get(1, ZERO) + (size - n) * gains.get(0, ZERO)) is True for n, gains in found)


def sequence_mean_rows(i: ExactInstance) -> list[Row]:
    """T5.seqmean: each component of the expected update, and what it is made of."""
    law, rows = law_by_length(i), list[Row]()
    scheme = replace(i.scheme, aggregation="sequence_mean")
    for q, kinds in enumerate(classes_of(i.env)):
        terms = law.classes[q]
        h = group_of(law.env, q, scheme).first([one.probability for one in terms])[0]
        mean = combine(h, terms, law.policy.size)
        p = sum((one.probability for one, (c, _) in zip(terms, kinds, strict=True) if c == 1), ZERO)
        plain = group_on((Fraction(0), Fraction(1)), i.scheme).first([1 - p, p])[0]
        over = [
            combine([number(Fraction(int(c == value), n)) for c, n in kinds], terms, law.policy.size)
            for value in (1, 0)
        ]
        for m, right, wrong in zip(mean, *over, strict=True):
            if not (is_zero(m) and is_zero(right) and is_zero(wrong)):
                found = {s.mean_lengths: m, s.slope: plain[1] - plain[0], s.p: p}
                rows.append({**found, s.right_over_length: right, s.wrong_over_length: wrong})
    return rows


def pairs_of_lengths(kinds: Classes) -> Iterator[tuple[int, int]]:
    """Places of two classes of one reward, the shorter first."""
    for one, other in combinations(range(len(kinds)), 2):
        if kinds[one][0] == kinds[other][0]:
            yield (one, other) if kinds[one][1] < kinds[other][1] else (other, one)


def token_mean_rows(i: ExactInstance) -> list[Row]:
    """T5.tokenmean: the ratio of effective rewards of each two lengths of one reward."""
    law, rows = law_by_length(i), list[Row]()
    scheme = replace(i.scheme, aggregation="token_mean")
    for q, kinds in enumerate(classes_of(i.env)):
        h = group_of(law.env, q, scheme).first([one.probability for one in law.classes[q]])[0]
        ends = (min(n for _, n in kinds), max(n for _, n in kinds))
        for short, long in pairs_of_lengths(kinds):
            rows.append(
                {
                    s.ratio_lengths: h[short] / h[long],
                    s.short: number(kinds[short][1]),
                    s.long: number(kinds[long][1]),
                    s.shortest: number(ends[0]),
                    s.longest: number(ends[1]),
                    s.G: number(i.scheme.group_size),
                }
            )
    return rows


def closed_by_length_rows(env: TAMDP, scheme: Scheme) -> list[Row]:
    """T5.closed: [gaps add up to zero] of advantages over lengths, and [(c, 1/l) in line], of each prompt."""
    rows: list[Row] = []
    for kinds in classes_of(env):
        values, lengths = zip(*kinds, strict=True)
        if len(kinds) < 2:
            continue
        columns = scheme.estimator.columns([(c,) for c in values], (Fraction(1),))
        found = decide(BallGroup(columns, replace(scheme, aggregation="sequence_mean"), lengths)).closed
        if found is None:
            raise CapacityError("closedness: a ball around zero, which no finite precision decides")
        rows.append({s.exchange: int(found), s.in_line: int(_in_line(kinds))})
    return rows


def _in_line(kinds: Classes) -> bool:
    points = [(c, Fraction(1, n)) for c, n in kinds]
    return all((b[0] - a[0]) * (c[1] - a[1]) == (c[0] - a[0]) * (b[1] - a[1]) for a, b, c in combinations(points, 3))


def drift_by_length(i: ExactInstance, scheme: Scheme) -> Number:
    """<grad J, m> under a scheme that looks at lengths."""
    law = law_by_length(i)
    mean = [ZERO] * law.policy.size
    for q in range(law.env.n_prompts):
        h = group_of(law.env, q, scheme).first([one.probability for one in law.classes[q]])[0]
        step = combine(h, law.classes[q], law.policy.size)
        rho = number(law.env.exact_prompt_probability[q])
        mean = [total + rho * one for total, one in zip(mean, step, strict=True)]
    return dot(total_gradient(law), mean)


def drift_rows(i: ExactInstance, **changes: object) -> list[Row]:
    """T5.drift: <grad J, m>; none where it is not negative, unless "witness" is dropped."""
    drift = drift_by_length(i, replace(i.scheme, **changes))  # type: ignore[arg-type]
    return [] if drift >= 0 and "witness" not in i.without else [{s.drift: drift}]
