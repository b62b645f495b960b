"""A claim: a symbolic statement, what it assumes, how well it stands, and how to check it on an instance.

Numbers come from the statement itself: ``measure`` returns a number (or an array of them) for each symbol, and both
sides are the statement's own expressions, made numeric by lambdify. So nothing is written twice. Floats propose a
verdict; where they see a violation or cannot tell, the same statement is decided in exact arithmetic on what
``enclose`` gives (decision.py), or it stays undecided.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import sympy as sp

from bounds import cost
from bounds.check import Check
from bounds.comparison import Finding, Measured, Quantity, compare
from bounds.decision import Decision, Row, settle
from bounds.exact_instance import ExactInstance, exact_groups, exactly
from bounds.instance import Instance
from bounds.observation import Observation
from bounds.pac_bayes.formulas import numeric
from bounds.suite import Instances, everywhere
from bounds.symbols import INDICES, Probability
from bounds.verdicts import Evidence, Standing, Verdict
from tamdp_theory import TAMDP, CapacityError, InputError, Policy, TabularSoftmax
from tamdp_theory.exact import Normalization, Scheme, balls
from tamdp_theory.sources import ExactSource, RolloutGroups, RolloutSource

Grouped: TypeAlias = Instance | Observation
Shown: TypeAlias = Literal["", "groups", "scores", "training", "held-out"]
Subject: TypeAlias = Instance | ExactInstance | Observation
MAX_EXACT_GROUPS = 2000  # of an observation that an exact decision looks at


@dataclass(frozen=True)
class Assumption:
    """A condition of a claim; ``name`` is how ``--without`` and tables refer to it.

    met: decides it on exact facts of an instance, the float and the exact one alike; None where only the claim's
    numbers show it (they exist or not). groups: it speaks of scheme and weights alone, so that rollouts show it too.
    capacity: it limits the work, not what is true; exact arithmetic has limits of its own.
    """

    name: str
    text: str
    met: Callable[[Any], bool] | None = None
    groups: bool = False
    capacity: bool = False


FULL_SCORE = Assumption(
    "full score", "think_weight = 1: every action counts fully in the score", lambda i: bool(i.think_weight == 1)
)
_WORDS = {
    Finding.VIOLATED: "floats alone see a violation",
    Finding.TIE: "the sides are nearer than float64 can tell",
    Finding.FAINT: "both sides may be rounding, or the right side no better than the trivial bound",
    Finding.TRIVIAL: "the right side is no better than the trivial bound",
    Finding.EMPTY: "the left side is zero, or nothing but rounding: nothing here could fail",
}
_VERDICTS = {
    Finding.VIOLATED: Verdict.VIOLATED,
    Finding.TIE: Verdict.UNDECIDED,
    Finding.HOLDS: Verdict.HOLDS,
    Finding.FAINT: Verdict.UNDECIDED,
    Finding.TRIVIAL: Verdict.VACUOUS,
    Finding.EMPTY: Verdict.VACUOUS,
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Claim:
    """A statement of theory.md with its check.

    statement: an inequality or equation of sympy symbols (bounds.symbols); schemes: the group schemes that the standard
    verification checks it under, empty if it does not speak of groups; weighted: it survives with think scores
    weighted, or says so itself; enclose: the rows of its numbers in exact arithmetic, None where it trains, samples or
    sums over training sets; observe: how it is measured on rollouts alone, None if they do not show what it speaks of;
    zero_tells: a left side of zero is what it says, not emptiness; cost: seconds that a check may be expected to take;
    instances: what of a suite it is checked on, besides its example; shown_on: what rollouts must have for a table of
    their checks to show it ("": it is not shown); needs_reference: it compares with a reference policy; figure: that
    shows it best.
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
    enclose: Callable[[ExactInstance], list[Row]] | None = None
    zero_tells: bool = False
    cost: Callable[[Instance], float] = cost.engine
    instances: Instances = everywhere
    shown_on: Shown = ""
    needs_reference: bool = False
    figure: str = ""

    def __repr__(self) -> str:
        return f"Claim({self.id!r}: {self.title}; {self.standing} {self.kind})"

    def latex(self) -> str:
        """The statement as LaTeX."""
        names = {
            q: f"{{{q}}}" if str(q).startswith(r"\textstyle") else str(q)
            for q in self.statement.free_symbols
            if q.is_Symbol
        }
        return str(sp.latex(self.statement, symbol_names=names))

    @cached_property
    def quantities(self) -> tuple[Quantity, ...]:
        """What the statement takes numbers for: symbols, indexed ones once each, and probabilities as a whole."""
        return _numeric(self.statement)[0]

    @property
    def symbols(self) -> tuple[sp.Symbol | sp.IndexedBase, ...]:
        """Every symbol that a reader needs explained, those inside the events of probabilities too."""
        return tuple(sorted(_names(self.statement), key=str))

    @property
    def quantifier(self) -> str:
        """What a statement needs before it where it is not about every process: of an example, that there is one."""
        return "There are a process, a policy and a group size with" if self.kind == "example" else ""

    def sides(self, numbers: Mapping[Quantity, Any], statement: sp.Rel | None = None) -> tuple[Any, Any]:
        """Both sides of the statement at these numbers (floats or arrays; indexed ones with the index first)."""
        quantities, sides = _numeric(statement if statement is not None else self.statement)
        missing = [str(q) for q in quantities if q not in numbers]
        if missing:
            raise InputError(f"{self.id}: no number for {', '.join(missing)}")
        with np.errstate(
            invalid="ignore", over="ignore", divide="ignore"
        ):  # what leaves the floats is told from the result
            return sides(*(_from_one(q, numbers[q]) for q in quantities))

    def conditions(self, subject: Subject) -> dict[str, bool]:
        """Every declared assumption that exact facts decide, and the full score where the claim needs it without saying
        so.
        """
        on_rollouts = isinstance(subject, Observation)
        found = {
            a.name: a.met(subject) for a in self.assumptions if a.met is not None and (a.groups or not on_rollouts)
        }
        on_scores = not on_rollouts or self.shown_on in ("scores", "training")
        if on_scores and subject.think_weight != 1 and not self.weighted:
            found[FULL_SCORE.name] = False
        return found

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
        ``settings`` are further fields of ``Instance``, or of ``Observation`` for rollouts. A source that samples is
        asked for ``groups`` groups of twice the size, so that the variance within a prompt shows too, with a generator
        of the seed.

        Args:
            env: a process, a source of rollouts, groups of rollouts, an instance or an observation; None: the stored
                example.
            policy: on a process; None: uniform.
            group_size, normalization: of the scheme; None: the first that the claim names, else 8, centred.
            eps, ddof: of deviations, >= 0, and 0 or 1.
            groups: how many a sampling source is asked for.
        """
        if isinstance(env, (Instance, Observation)):
            return self.judge(env)
        if env is None:
            if self.example is None:
                raise InputError(f"{self.id}: has no stored example; pass a process")
            return self.judge(self.example())
        default = self.schemes[0] if self.schemes else Scheme(8, "center")
        size = default.group_size if group_size is None else group_size
        scheme = Scheme(size, default.normalization if normalization is None else normalization, eps, ddof)
        if not isinstance(env, (TAMDP, RolloutGroups)):
            drawn = size if isinstance(env, ExactSource) else 2 * size
            env = env.rollouts(drawn, groups, np.random.default_rng(settings.get("seed", 0)))
        if isinstance(env, RolloutGroups):
            return self.judge(Observation(env, scheme, **settings))
        return self.judge(Instance(env, policy or TabularSoftmax(env), scheme, **settings))

    def judge(self, instance: Instance | Observation) -> Check:
        """Evaluate every declared assumption, measure, compare; decide exactly what floats cannot."""
        conditions = self.conditions(instance)
        missing = [
            name
            for name, met in conditions.items()
            if not met and (name not in instance.without or not self._declares(name))
        ]
        if missing:
            return self._silent(instance, Verdict.ASSUMPTION_UNMET, conditions, f"not met: {', '.join(missing)}")
        if isinstance(instance, Observation):
            measured = (self.observe or _unobservable)(instance)
        else:
            self._check_budget(instance)
            measured = self.measure(instance)
        measured = replace(measured, assumptions={**conditions, **measured.assumptions})
        unknown = [name for name, met in measured.assumptions.items() if met is None]
        if unknown:
            return self._decided(instance, measured) or self._silent(
                instance,
                Verdict.ASSUMPTION_UNMET,
                measured.assumptions,
                f"not known to be met: {', '.join(unknown)}",
                measured.evidence,
            )
        missing = [name for name, met in measured.assumptions.items() if not met and name not in instance.without]
        if missing or not measured.numbers:
            verdict = Verdict.ASSUMPTION_UNMET if missing or not measured.empty else Verdict.VACUOUS
            note = measured.note or (f"not met: {', '.join(missing)}" if missing else measured.empty)
            return self._silent(instance, verdict, measured.assumptions, note, measured.evidence)
        return self._judge(instance, measured)

    def _check_budget(self, instance: Instance) -> None:
        seconds = self.cost(instance)
        if seconds > instance.budget:
            raise CapacityError(
                f"{self.id}: a check on {instance.env.name} may take about {seconds:.2g} s, the budget is "
                f"{instance.budget:g} s; "
                "use a smaller process, group or training, or a larger budget"
            )

    @property
    def of_single_groups(self) -> bool:
        """Whether it speaks of every group alone, so that a process and rollouts are measured alike."""
        observe: object = self.observe
        return observe is self.measure

    def _declares(self, name: str) -> bool:
        return any(a.name == name for a in self.assumptions)

    def _silent(
        self,
        instance: Grouped,
        verdict: Verdict,
        conditions: Mapping[str, bool | None],
        note: str,
        evidence: Evidence = Evidence.EXACT,
    ) -> Check:
        """A check without numbers."""
        return Check(
            claim_id=self.id,
            instance=instance.name,
            lhs=None,
            rhs=None,
            slack=None,
            verdict=verdict,
            evidence=evidence,
            assumptions={name: bool(met) for name, met in conditions.items()},
            error=0.0,
            note=note,
        )

    def _judge(self, instance: Grouped, measured: Measured) -> Check:
        statement = measured.statement if measured.statement is not None else self.statement
        found = compare(statement, self.sides(measured.numbers, statement), measured, self.zero_tells)
        evidence, note = measured.evidence, measured.note
        if measured.half_width is not None and evidence is not Evidence.ASYMPTOTIC:
            evidence = Evidence.STATISTICAL
        refuted = self.standing is Standing.PRINTED and isinstance(statement, sp.Eq)
        if refuted and evidence is Evidence.EXACT and found.finding is Finding.HOLDS:
            found = replace(found, finding=Finding.TIE)  # it may be false by less than floats can tell
        verdict = _VERDICTS[found.finding]
        doubtful = (Verdict.VIOLATED, Verdict.UNDECIDED) if evidence is Evidence.EXACT else (Verdict.UNDECIDED,)
        if evidence in (Evidence.EXACT, Evidence.CERTIFIED) and not measured.empty and verdict in doubtful:
            decided = self._decided(instance, measured)
            if decided is not None:
                return decided
            if self.standing in (Standing.PROVED, Standing.LITERATURE) and verdict is Verdict.VIOLATED:
                verdict = Verdict.UNDECIDED
            note = "; ".join(filter(None, (note, f"{_WORDS[found.finding]}, and exact arithmetic does not decide it")))
        elif measured.empty:
            verdict, note = Verdict.VACUOUS, measured.empty
        elif verdict is Verdict.VACUOUS:
            note = "; ".join(filter(None, (note, _WORDS[found.finding])))
        if evidence is Evidence.ASYMPTOTIC:
            verdict, note = _without_guarantee(verdict, note, instance.level)
        assumptions = {name: bool(met) for name, met in measured.assumptions.items()}
        return Check(
            claim_id=self.id,
            instance=instance.name,
            lhs=found.lhs,
            rhs=found.rhs,
            slack=found.slack,
            verdict=verdict,
            evidence=evidence,
            assumptions=assumptions,
            error=found.error,
            note=note,
        )

    def _decided(self, instance: Grouped, measured: Measured) -> Check | None:
        """The verdict of exact arithmetic, None where it has no say: no exact form, too large, or sides that no
        precision separates.
        """
        if self.enclose is None or (isinstance(instance, Observation) and not self.of_single_groups):
            return None
        try:
            subject = (
                exact_groups(instance, MAX_EXACT_GROUPS) if isinstance(instance, Observation) else exactly(instance)
            )
            decision, bits = settle(self, subject)
        except (InputError, CapacityError):
            return None
        if decision.verdict is None:
            return None
        return self._certified(instance, measured, decision, bits)

    def _certified(self, instance: Grouped, measured: Measured, decision: Decision, bits: int) -> Check:
        note = "; ".join(filter(None, (measured.note, "decided in exact arithmetic")))
        if decision.lhs is None:
            return self._silent(
                instance, decision.verdict or Verdict.UNDECIDED, decision.assumptions, note, Evidence.CERTIFIED
            )
        with balls.precision(bits):
            left, right, gap = (balls.ball(v) for v in (decision.lhs, decision.rhs, decision.rhs - decision.lhs))
            slack = float(gap.mid()) * (-1 if isinstance(self.statement, (sp.Ge, sp.Gt)) else 1)
            slack = -abs(slack) if isinstance(self.statement, sp.Eq) else slack
        return Check(
            claim_id=self.id,
            instance=instance.name,
            lhs=float(left.mid()),
            rhs=float(right.mid()),
            slack=slack,
            verdict=decision.verdict or Verdict.UNDECIDED,
            evidence=Evidence.CERTIFIED,
            assumptions=decision.assumptions,
            error=float(gap.rad()),
            note=note,
        )


def _without_guarantee(verdict: Verdict, note: str, level: float) -> tuple[Verdict, str]:
    """What may be said on an interval that is not valid at its sample size: nothing is decided, what it suggests is
    noted.
    """
    if verdict not in (Verdict.HOLDS, Verdict.VIOLATED):
        return verdict, note
    suggested = f"an asymptotic interval at {level:g} says {verdict}; no guarantee at this sample size"
    return Verdict.UNDECIDED, f"{note}; {suggested}" if note else suggested


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
        return np.float64(value) if isinstance(value, float) else value  # which divides by zero without a traceback
    array = np.asarray(value, dtype=np.float64)
    indices = INDICES[quantity]
    return np.pad(array, [(1, 0)] * indices + [(0, 0)] * (array.ndim - indices), constant_values=np.nan)


def _unobservable(observation: Observation) -> Measured:
    return Measured(
        numbers={}, assumptions={"process": False}, note="speaks of what rollouts do not show; check it on a process"
    )


def unmet(instance: Grouped, conditions: Mapping[str, bool]) -> Measured | None:
    """``Measured`` without numbers if a condition fails that was not dropped: lets a measure stop before
    costly work.
    """
    return (
        None
        if all(met or name in instance.without for name, met in conditions.items())
        else Measured(numbers={}, assumptions=conditions)
    )
