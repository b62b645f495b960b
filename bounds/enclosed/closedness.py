"""The claims of claims/closedness.py in rationals, square roots and balls."""

from fractions import Fraction

from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.quantities import composite, probabilities
from bounds.exact_instance import ExactInstance
from tamdp_theory import TAMDP, CapacityError
from tamdp_theory.exact import Scheme
from tamdp_theory.exact.balls import BallGroup, Number, curl_norm, group_of, number
from tamdp_theory.exact.objectives import decide


def closed_rows(env: TAMDP, scheme: Scheme) -> list[Row]:
    """[curl = 0] and [two values] of each prompt on which a standardized reward varies. CapacityError where the test
    does not fit.
    """
    rows: list[Row] = []
    for classes in env.prompt_classes:
        rows_of = [env.exact_class_rewards[c] for c in classes]
        columns = [(w, values) for w, values in scheme.estimator.columns(rows_of, env.exact_weights) if w]
        # classes that agree in every column have equal advantages: one of each stands for all
        distinct = sorted(set(zip(*(values for _, values in columns), strict=True)))
        if len(distinct) > 1:
            chosen = zip((w for w, _ in columns), zip(*distinct, strict=True), strict=True)
            group = BallGroup(tuple(chosen), scheme)
            two = len({env.exact_class_composite[c] for c in classes}) <= 2
            rows.append({s.closed: int(is_closed(group)), s.two_valued: int(two)})
    return rows


def is_closed(group: BallGroup) -> bool:
    """Whether the exchange condition holds for every group and triple of its classes; CapacityError where they are too
    many, or at a ball around zero."""
    found = decide(group).closed
    if found is None:
        raise CapacityError("closedness: a ball around zero, which no finite precision decides")
    return found


FIXED_LAWS = (
    (1, 1, 1, 1, 1, 1, 1, 1),
    (1, 2, 3, 5, 7, 11, 13, 17),
    (8, 1, 5, 2, 9, 3, 4, 7),
)  # weights of class laws to look at


def fixed_laws(count: int) -> list[list[Number]]:
    """Class laws (M,) in general position."""
    rows = [[FIXED_LAWS[j][m % 8] + m // 8 for m in range(count)] for j in range(len(FIXED_LAWS))]
    return [[number(Fraction(v, sum(row))) for v in row] for row in rows]


def curl_pair_rows(i: ExactInstance) -> list[Row]:
    """L8.pair: the curl at fixed laws on three values of the first composite that has them."""
    values = next((v for v in (sorted(set(composite(i.env, q))) for q in range(i.env.n_prompts)) if len(v) >= 3), None)
    if values is None:
        return []
    chosen = (values[0], values[len(values) // 2], values[-1])
    group = BallGroup(((Fraction(1), chosen),), i.scheme)
    rows: list[Row] = []
    for law in fixed_laws(3):
        given = group.given_pair(law)
        skew = [[(given[n][m] - given[m][n]) * (group.size - 1) for n in range(3)] for m in range(3)]
        # (e_mid - e_low)' skew (e_top - e_low)
        rows.append({s.curl_pair: skew[1][2] - skew[1][0] - skew[0][2] + skew[0][0]})
    return rows


def open_rows(i: ExactInstance) -> list[Row]:
    """T2.open: the norm of the curl on the first prompt."""
    if len(set(composite(i.env, 0))) < 3:
        return []
    return [{s.curl_norm: curl_norm(group_of(i.env, 0, i.scheme), probabilities(i.law.classes[0]))}]
