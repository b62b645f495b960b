"""A claim: a symbolic statement, what it assumes, how well it stands, and how to check it on an instance.

Numbers come from the statement itself: ``measure`` returns a number (or an array of them) for each symbol, and both sides are the
statement's own expressions, made numeric by lambdify. So nothing is written twice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from functools import cache, cached_property
from typing import Any, TypeAlias

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from bounds.generalization import Generalization
from bounds.observation import Observation
from bounds.pac_bayes import numeric
from bounds.symbols import INDICES, Probability
from tamdp_theory import TAMDP, InputError, Policy, TabularSoftmax
from tamdp_theory.exact import Normalization, Scheme
from tamdp_theory.model import Floats
from tamdp_theory.sources import ExactSource, RolloutGroups, RolloutSource

Bools: TypeAlias = NDArray[np.bool_]
Quantity: TypeAlias = sp.Symbol | sp.IndexedBase | Probability


class Standing(StrEnum):
    """How well a claim is established (theory.md, head)."""

    PROVED = "proved"
    LITERATURE = "literature"
    CONJECTURED = "conjectured"
    PRINTED = "printed"


class Verdict(StrEnum):
    """What a check found (theory.md section 8). Only ``holds`` is a pass."""

    HOLDS = "holds"
    VIOLATED = "violated"
    VACUOUS = "vacuous"
    ASSUMPTION_UNMET = "assumption_unmet"
    UNDECIDED = "undecided"


class Evidence(StrEnum):
    """How a verdict was reached (theory.md section 8). An asymptotic interval is not valid at its sample size: it is shown, and never a pass."""

    CERTIFIED = "certified"
    EXACT = "exact"
    STATISTICAL = "statistical"
    ASYMPTOTIC = "asymptotic"


@dataclass(frozen=True)
class Assumption:
    """A condition of a claim; ``name`` is how ``--without`` and tables refer to it."""

    name: str
    text: str


@dataclass(frozen=True)
class Instance:
    """What a claim is checked on: a process, a policy, and the scheme of its groups.

    seed drives everything random in a check (directions, training runs); steps, runs and learning_rate are for claims about
    training (learning_rate None: the step size that the claim recommends); level is the confidence of statistical evidence.
    without: names of assumptions to drop, for negative controls; the check still says that they are not met. think_weight: weight of
    think actions in the score that the estimator uses (theory.md section 2). generalization: training prompts, policies and target
    domain of Theorem 3 (None: drawn from the seed).
    """

    env: TAMDP
    policy: Policy
    scheme: Scheme = field(default_factory=lambda: Scheme(8, "center"))
    reference: Policy | None = None
    seed: int = 0
    steps: int = 400
    runs: int = 64
    learning_rate: float | None = None
    level: float = 0.999
    label: str = ""
    without: tuple[str, ...] = ()
    think_weight: float = 1.0
    generalization: Generalization | None = None

    def __post_init__(self) -> None:
        if self.steps < 1 or self.runs < 2:
            raise InputError(f"steps, runs: need at least 1 step and 2 runs, got {self.steps} and {self.runs}")
        if not 0 < self.level < 1:
            raise InputError(f"level: must be in (0, 1), ends excluded, got {self.level}")

    @property
    def exact_weights(self) -> tuple[Fraction, ...]:
        """Component weights (K,)."""
        return self.env.exact_weights

    @property
    def name(self) -> str:
        """For tables: process, policy and scheme."""
        return self.label or f"{self.env.name} G={self.scheme.group_size} {self.scheme.normalization}"


Grouped: TypeAlias = Instance | Observation


@dataclass(frozen=True)
class Measured:
    """Numbers for a statement's symbols on one instance.

    numbers: floats, or equal-length arrays to be judged jointly (the worst row is reported); for an indexed quantity the index comes
    first. assumptions: name -> met. error: bound on the error of slack, besides rounding, one number or one a row. half_width: of a confidence interval of the
    left side, valid at its sample size unless the evidence is asymptotic. trivial: the right side says nothing if it is at least this, one number or
    one a row. scale: magnitude below which numbers are rounding. attained: the bound is known to be an equality here (or on these rows), so it is
    judged as one. statement: what is compared, where one run can show an instance of the claim and not the claim itself (a bound, not how often it fails).
    """

    numbers: Mapping[Quantity, Any]
    assumptions: Mapping[str, bool] = field(default_factory=dict)
    error: float | Floats = 0.0
    half_width: float | None = None
    trivial: float | Floats = np.inf
    scale: float = 1.0
    evidence: Evidence = Evidence.EXACT
    attained: bool | Bools = False
    note: str = ""
    statement: sp.Rel | None = None


@dataclass(frozen=True)
class Check:
    """The result of one check (theory.md section 8). slack = rhs - lhs; for identities -|rhs - lhs|."""

    claim_id: str
    instance: str
    lhs: float | None
    rhs: float | None
    slack: float | None
    verdict: Verdict
    evidence: Evidence
    assumptions: Mapping[str, bool]
    error: float = 0.0
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain content for JSON."""
        return {
            "claim": self.claim_id, "instance": self.instance, "lhs": _finite(self.lhs), "rhs": _finite(self.rhs), "slack": _finite(self.slack),
            "verdict": str(self.verdict), "evidence": str(self.evidence), "assumptions": {name: bool(met) for name, met in self.assumptions.items()},
            "error": _finite(self.error), "note": self.note,
        }  # fmt: skip


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


FULL_SCORE = Assumption("full score", "think_weight = 1: every action counts fully in the score")
ROUNDING = 1e-9  # relative error allowed to float64 results; the engine's own is below 1e-12


@dataclass(frozen=True, eq=False)
class Claim:
    """A statement of theory.md with its check.

    statement: an inequality or equation of sympy symbols (bounds.symbols); schemes: the group schemes that the standard
    verification checks it under, empty if it does not speak of groups; weighted: it survives with think scores weighted, or says so itself;
    observe: how it is measured on rollouts alone, None if they do not show what it speaks of.
    """

    id: str
    title: str
    standing: Standing
    kind: str
    statement: sp.Rel
    measure: Callable[[Instance], Measured]
    reference: str
    assumptions: tuple[Assumption, ...] = ()
    proof: str = ""
    depends_on: tuple[str, ...] = ()
    schemes: tuple[Scheme, ...] = ()
    example: Callable[[], Instance] | None = None
    weighted: bool = False
    observe: Callable[[Observation], Measured] | None = None

    def latex(self) -> str:
        """The statement as LaTeX."""
        names = {q: f"{{{q}}}" if str(q).startswith(r"\textstyle") else str(q) for q in self.statement.free_symbols if q.is_Symbol}
        return str(sp.latex(self.statement, symbol_names=names))

    @cached_property
    def quantities(self) -> tuple[Quantity, ...]:
        """What the statement takes numbers for: symbols, indexed ones once each, and probabilities as a whole."""
        return _numeric(self.statement)[0]

    @property
    def symbols(self) -> tuple[sp.Symbol | sp.IndexedBase, ...]:
        """Every symbol that a reader needs explained, those inside the events of probabilities too."""
        return tuple(sorted(_names(self.statement), key=str))

    def sides(self, numbers: Mapping[Quantity, Any], statement: sp.Rel | None = None) -> tuple[Any, Any]:
        """Both sides of the statement at these numbers (floats or arrays; indexed ones with the index first)."""
        quantities, sides = _numeric(statement if statement is not None else self.statement)
        missing = [str(q) for q in quantities if q not in numbers]
        if missing:
            raise InputError(f"{self.id}: no number for {', '.join(missing)}")
        return sides(*(_from_one(q, numbers[q]) for q in quantities))

    def check(
        self,
        env: TAMDP | Instance | Observation | RolloutSource | RolloutGroups | None = None,
        policy: Policy | None = None,
        *,
        group_size: int | None = None,
        normalization: Normalization | None = None,
        eps: float = 0.0,
        ddof: int = 0,
        groups: int = 256,
        **settings: Any,
    ) -> Check:
        """Check the claim on a process and a policy (default: uniform), on a source of rollouts, or on what one gave.

        Without arguments: on the claim's stored example. The scheme defaults to the first that the claim speaks about;
        ``settings`` are further fields of ``Instance``, or of ``Observation`` for rollouts. A source that samples is asked for ``groups``
        groups of twice the size, so that the variance within a prompt shows too, with a generator of the seed.
        """
        if isinstance(env, (Instance, Observation)):
            return self.judge(env)
        if env is None:
            if self.example is None:
                raise InputError(f"{self.id}: has no stored example; pass a process")
            return self.judge(self.example())
        default = self.schemes[0] if self.schemes else Scheme(8, "center")
        size = default.group_size if group_size is None else group_size
        scheme = Scheme(size, normalization or default.normalization, eps, ddof)
        if not isinstance(env, (TAMDP, RolloutGroups)):
            drawn = size if isinstance(env, ExactSource) else 2 * size
            env = env.rollouts(drawn, groups, np.random.default_rng(settings.get("seed", 0)))
        if isinstance(env, RolloutGroups):
            return self.judge(Observation(env, scheme, **settings))
        return self.judge(Instance(env, policy or TabularSoftmax(env), scheme, **settings))

    def judge(self, instance: Instance | Observation) -> Check:
        """Measure and compare."""
        if isinstance(instance, Observation):
            return self._judge(instance, self.observe or _unobservable)
        if instance.think_weight != 1 and not self.weighted:
            conditions = {FULL_SCORE.name: False}
            note = f"not met: {FULL_SCORE.name}"
            return Check(self.id, instance.name, None, None, None, Verdict.ASSUMPTION_UNMET, Evidence.EXACT, conditions, 0.0, note)
        return self._judge(instance, self.measure)

    def _judge(self, instance: Any, measure: Callable[[Any], Measured]) -> Check:
        measured = measure(instance)
        missing = [name for name, met in measured.assumptions.items() if not met and name not in instance.without]
        if missing or not measured.numbers:
            note = measured.note or f"not met: {', '.join(missing)}"
            return Check(self.id, instance.name, None, None, None, Verdict.ASSUMPTION_UNMET, measured.evidence, measured.assumptions, 0.0, note)
        lhs, rhs, slack, error, verdict = self._compare(measured)
        evidence, note = measured.evidence, measured.note
        if evidence is Evidence.ASYMPTOTIC:
            verdict, note = _without_guarantee(verdict, note, instance.level)
        elif measured.half_width is not None:
            evidence = Evidence.STATISTICAL
        return Check(self.id, instance.name, lhs, rhs, slack, verdict, evidence, measured.assumptions, error, note)

    def _compare(self, measured: Measured) -> tuple[float, float, float, float, Verdict]:
        statement = measured.statement if measured.statement is not None else self.statement
        left, right = (np.atleast_1d(np.asarray(side, dtype=np.float64)) for side in self.sides(measured.numbers, statement))
        left, right = np.broadcast_arrays(left, right)
        if np.isnan(left).any() or np.isnan(right).any():
            return float("nan"), float("nan"), float("nan"), float("nan"), Verdict.UNDECIDED
        relative = 0.0 if measured.evidence is Evidence.CERTIFIED else ROUNDING
        rounding = relative * (np.maximum(np.abs(left), np.abs(right)) + 1e-4 * measured.scale)
        error = rounding + measured.error + (measured.half_width or 0.0)
        slack = right - left
        if not np.isfinite(error).all():  # too few draws to say anything
            return float(left[0]), float(right[0]), float(slack[0]), float("inf"), Verdict.UNDECIDED
        if isinstance(statement, sp.Eq):
            slack = -np.abs(slack)
            excess = error + slack
        elif isinstance(statement, (sp.Le, sp.Lt)):
            excess = slack - error
        elif isinstance(statement, (sp.Ge, sp.Gt)):
            slack = -slack
            excess = slack - error
        else:
            raise TypeError(f"{self.id}: cannot judge a statement of type {type(statement).__name__}")
        # a row known to be an equality is judged as one, and is then not the one to look at
        excess = np.where(measured.attained & (np.abs(slack) <= error), excess + 2 * error, excess)
        # rows in which both numbers are rounding, or both are zero, speak only if no other does
        size = np.maximum(np.abs(left), np.abs(right))
        telling = (slack < -error) | (size > 10 * error)
        excess = np.where(np.isnan(excess) | (~telling & telling.any()), np.inf, excess)
        worst = int(np.argmin(excess))
        s, e, x, y = (float(side[worst]) for side in (slack, error, left, right))
        trivial, attained = (np.broadcast_to(given, slack.shape)[worst] for given in (measured.trivial, measured.attained))
        return x, y, s, e, _verdict(statement, s, e, x, y, float(trivial), bool(attained), measured.half_width is not None)


def _without_guarantee(verdict: Verdict, note: str, level: float) -> tuple[Verdict, str]:
    """What may be said on an interval that is not valid at its sample size: nothing is decided, what it suggests is noted."""
    if verdict not in (Verdict.HOLDS, Verdict.VIOLATED):
        return verdict, note
    suggested = f"an asymptotic interval at {level:g} says {verdict}; no guarantee at this sample size"
    return Verdict.UNDECIDED, f"{note}; {suggested}" if note else suggested


def _verdict(
    statement: sp.Rel, slack: float, error: float, left: float, right: float, trivial: float, attained: bool, is_estimate: bool
) -> Verdict:
    if isinstance(statement, sp.Eq):
        if -slack > error:
            return Verdict.VIOLATED
        # two numbers below the error agree without saying anything
        return Verdict.HOLDS if left == right == 0.0 or max(abs(left), abs(right)) > 10 * error else Verdict.UNDECIDED
    weak = not isinstance(statement, (sp.Lt, sp.Gt))
    if weak and left == right == 0.0 and not is_estimate:
        return Verdict.HOLDS
    if slack < -error:
        return Verdict.VIOLATED
    if right >= trivial:
        return Verdict.VACUOUS
    if slack > error or (weak and attained):
        return Verdict.HOLDS
    return Verdict.UNDECIDED


@cache
def _numeric(statement: sp.Rel) -> tuple[tuple[Quantity, ...], Callable[..., tuple[Any, Any]]]:
    """The quantities of a statement and its two sides as a function of them."""
    events = statement.atoms(Probability)
    outside = sp.Tuple(statement.lhs, statement.rhs).xreplace(dict.fromkeys(events, sp.S.Zero))
    quantities = tuple(sorted(_names(outside) | events, key=str))
    return quantities, numeric(quantities, statement.lhs, statement.rhs)


def _names(expression: sp.Basic) -> set[sp.Symbol | sp.IndexedBase]:
    indexed: set[sp.IndexedBase] = expression.atoms(sp.IndexedBase)
    return {q for q in expression.free_symbols if q.is_Symbol and q not in {base.label for base in indexed}} | indexed


def _from_one(quantity: Quantity, value: Any) -> Any:
    """Values of an indexed quantity with an unused first entry on each index: sums run from 1, as on paper."""
    if not isinstance(quantity, sp.IndexedBase):
        return value
    array = np.asarray(value, dtype=np.float64)
    indices = INDICES[quantity]
    return np.pad(array, [(1, 0)] * indices + [(0, 0)] * (array.ndim - indices), constant_values=np.nan)


def _unobservable(observation: Observation) -> Measured:
    return Measured({}, {"process": False}, note="speaks of what rollouts do not show; check it on a process")


def unmet(instance: Grouped, conditions: Mapping[str, bool]) -> Measured | None:
    """``Measured`` without numbers if a condition fails that was not dropped: lets a measure stop before costly work."""
    return None if all(met or name in instance.without for name, met in conditions.items()) else Measured({}, conditions)
