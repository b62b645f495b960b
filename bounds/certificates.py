"""Certificates: an instance and both sides of a claim in exact form, re-verified from the file alone.

    certificate = certify(bounds.CLAIMS["T1.drift"], instance)    # decides in rationals or balls, or says why not
    save(certificate, "drift.json")
    verify("drift.json")                                            # computes everything anew from the file

A ``tamdp-certificate/1`` file holds the process, the policy (probabilities as rationals, or features and parameters),
the scheme, the verdict, and both sides: a rational "a/b", a sum of square roots "1/2 + 3/4*sqrt(2)", or an enclosure
"[0.25 +/- 1e-30]". Verification shares no floating-point code with the engine (``bounds.enclosed``) and refuses a file
that was changed, cut, or does not say what it claims.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import msgspec
from flint import arb

from bounds import symbols as s
from bounds.claim import Claim
from bounds.decision import PRECISIONS, Decision, decide, settle
from bounds.exact_instance import ExactInstance, exactly
from bounds.exact_sides import separated
from bounds.instance import Instance
from bounds.registry import CLAIMS
from bounds.verdicts import Verdict
from tamdp_theory import TAMDP, CapacityError, InputError, storage
from tamdp_theory.errors import quote
from tamdp_theory.exact import Scheme, balls
from tamdp_theory.files import check_schema, decode_json, readable
from tamdp_theory.guards import check_unit
from tamdp_theory.numbers import Decimal, fraction, to_json

SCHEMA = "tamdp-certificate/1"
MAX_POLICIES = 64  # of a posterior in a certificate
_SIZE = r"[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?"
_BALL = re.compile(rf"\[(-?{_SIZE} )?\+/- {_SIZE}\]")


class TabularRecord(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind", tag="tabular"):
    """Probabilities of the legal actions of each node, in file order."""

    probabilities: Mapping[str, list[Any]]


class LogLinearRecord(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind", tag="log-linear"):
    """Features (P, d) of the legal actions, node by node, and parameters (d,)."""

    features: list[list[Any]]
    parameters: list[Any]


class InstanceRecord(msgspec.Struct, forbid_unknown_fields=True):
    """Everything a claim is evaluated on."""

    process: dict[str, Any]
    policy: TabularRecord | LogLinearRecord
    group_size: int
    normalization: str
    eps: Any = 0
    ddof: int = 0
    think_weight: Any = 1
    reference: TabularRecord | LogLinearRecord | None = None
    without: list[str] = []
    target: list[Any] = []
    samples: int = 0
    # a distribution over policies; left out: all mass on the policy
    policies: list[TabularRecord | LogLinearRecord] | msgspec.UnsetType = msgspec.UNSET
    posterior: list[Any] | msgspec.UnsetType = msgspec.UNSET
    # of claims about training
    steps: int | msgspec.UnsetType = msgspec.UNSET
    learning_rate: Any = msgspec.UNSET


class Certificate(msgspec.Struct, forbid_unknown_fields=True):
    """Content of a tamdp-certificate/1 file. lhs, rhs, slack: "a/b" or "[mid +/- radius]"; bits: working precision that
    separates.
    """

    claim: str
    statement: str
    verdict: str
    lhs: str
    rhs: str
    slack: str
    bits: int
    assumptions: dict[str, bool]
    instance: InstanceRecord
    digest: str
    schema: str = SCHEMA

    @property
    def is_exact(self) -> bool:
        """Whether both sides are exact: rationals or sums of their square roots."""
        return not (self.lhs.startswith("[") or self.rhs.startswith("["))


def certify(claim: Claim, instance: Instance | ExactInstance) -> Certificate:
    """Decide a claim on an instance and record it. A float policy is taken at nearby rational probabilities
    (``exactly``).

    Raises InputError where an assumption is unmet, the claim is vacuous or the policy has no exact form, CapacityError
    where balls do not separate the sides.
    """
    if claim.enclose is None:
        known = ", ".join(one.id for one in CLAIMS.values() if one.enclose is not None)
        raise InputError(
            f"{claim.id}: its check trains, samples or sums over training sets, so there is nothing to enclose; "
            f"certificates exist for {known}"
        )
    found = exactly(instance) if isinstance(instance, Instance) else instance
    if s.R_T not in claim.symbols:
        found = replace(found, target=(), samples=0, policies=(), posterior=())
    if s.T not in claim.symbols:
        found = replace(found, steps=1)
    if s.eta not in claim.symbols:
        found = replace(found, learning_rate=None)
    decision, bits = settle(claim, found)
    if decision.verdict is Verdict.ASSUMPTION_UNMET:
        missing = [name for name, met in decision.assumptions.items() if not met]
        raise InputError(f"{claim.id}: does not speak of this instance; not met: {', '.join(missing)}")
    if decision.verdict is Verdict.VACUOUS:
        raise InputError(f"{claim.id}: {_VACUOUS}")
    if decision.verdict is None:
        raise CapacityError(
            f"{claim.id}: {PRECISIONS[-1]} bits do not separate the sides; they may be equal, which balls cannot show"
        )
    return _record(claim, found, decision, bits)


_VACUOUS = (
    "vacuous here: the right side is no better than the trivial bound, or nothing varies; a certificate would say "
    "nothing"
)


def _record(claim: Claim, instance: ExactInstance, decision: Decision, bits: int) -> Certificate:
    with balls.precision(bits):
        lhs, rhs, slack = (_text(v, bits) for v in (decision.lhs, decision.rhs, decision.rhs - decision.lhs))
    assert decision.verdict is not None
    content = Certificate(
        claim.id,
        claim.latex(),
        str(decision.verdict),
        lhs,
        rhs,
        slack,
        bits,
        decision.assumptions,
        _write_instance(instance),
        "",
    )
    content.digest = digest(_decode(json.dumps(msgspec.to_builtins(content)).encode(), "certificate"))
    return content


def _text(value: Any, bits: int) -> str:
    if not isinstance(value, arb):
        return str(value)
    text = str(value.str(max(bits * 3 // 10, 10), radius=True))
    return text if text.startswith("[") else f"[{text} +/- 0]"


def digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of everything but the digest, in canonical form."""
    rest = {key: value for key, value in content.items() if key != "digest"}
    return hashlib.sha256(
        json.dumps(rest, sort_keys=True, separators=(",", ":"), default=lambda number: number.text).encode()
    ).hexdigest()


# -- exact instances ----------------------------------------------------------------------------------------------


def _write_instance(instance: ExactInstance) -> InstanceRecord:
    scheme = instance.scheme
    reference = None if instance.reference is None else _write_policy(instance.reference)
    if not isinstance(scheme.normalization, str):
        raise InputError(f"{scheme.normalization}: a certificate needs an estimator that is known by its name")
    return InstanceRecord(
        process=instance.env.to_dict(),
        policy=_write_policy(instance.policy),
        group_size=scheme.group_size,
        normalization=scheme.normalization,
        eps=to_json(fraction(float(scheme.eps), "eps")),
        ddof=scheme.ddof,
        think_weight=to_json(instance.think_weight),
        reference=reference,
        without=list(instance.without),
        target=[to_json(p) for p in instance.target],
        samples=instance.samples,
        policies=[_write_policy(policy) for policy in instance.policies] or msgspec.UNSET,
        posterior=[to_json(p) for p in instance.posterior] or msgspec.UNSET,
        steps=instance.steps if instance.steps > 1 else msgspec.UNSET,
        learning_rate=msgspec.UNSET if instance.learning_rate is None else to_json(instance.learning_rate),
    )


def _write_policy(policy: balls.BallPolicy) -> TabularRecord | LogLinearRecord:
    env = policy.env
    if policy.source is not None:
        features, parameters = policy.source
        return LogLinearRecord([[str(v) for v in row] for row in features], [str(v) for v in parameters])
    if any(isinstance(p, arb) for p in policy.probability):
        raise InputError("a tabular policy goes into a certificate by rational probabilities")
    return TabularRecord(
        {
            node: [str(policy.probability[env.pair_start[x] + a]) for a in range(env.pair_count[x])]
            for x, node in enumerate(env.node_ids)
        }
    )


def _read_policy(env: TAMDP, record: TabularRecord | LogLinearRecord, place: str) -> balls.BallPolicy:
    if isinstance(record, LogLinearRecord):
        features = [
            [fraction(v, f"{place}.features[{i}][{c}]") for c, v in enumerate(row)]
            for i, row in enumerate(record.features)
        ]
        parameters = [fraction(v, f"{place}.parameters[{c}]") for c, v in enumerate(record.parameters)]
        if len(features) != env.n_pairs or any(len(row) != len(parameters) for row in features) or not parameters:
            raise InputError(
                f"{place}.features: need one row for each of {env.n_pairs} legal actions, as long as the parameters"
            )
        return balls.log_linear(env, features, parameters)
    found: list[Any] = []
    for x, node in enumerate(env.node_ids):
        values = [
            fraction(v, f"{place}.probabilities[{quote(node)}][{a}]")
            for a, v in enumerate(record.probabilities.get(node, []))
        ]
        if len(values) != env.pair_count[x] or any(v <= 0 for v in values) or sum(values) != 1:
            raise InputError(
                f"{place}.probabilities[{quote(node)}]: need {env.pair_count[x]} positive numbers that sum to one"
            )
        found += [balls.number(v) for v in values]
    if len(record.probabilities) != env.n_nodes:
        raise InputError(
            f"{place}.probabilities: {len(record.probabilities)} nodes given, the process has {env.n_nodes}"
        )
    return balls.tabular(env, found)


def _read_instance(record: InstanceRecord) -> ExactInstance:
    env = _within("instance.process", lambda: TAMDP.from_dict(record.process))
    eps, think = fraction(record.eps, "instance.eps"), fraction(record.think_weight, "instance.think_weight")
    check_unit("instance.think_weight", think)
    if not 0 <= eps <= 10**300 or Fraction(repr(float(eps))) != eps:
        raise InputError(
            "instance.eps: must be 0 or a positive decimal that float64 holds"
        )  # a scheme holds a float, taken at its decimal
    scheme = _within("instance", lambda: Scheme(record.group_size, record.normalization, float(eps), record.ddof))
    reference = None if record.reference is None else _read_policy(env, record.reference, "instance.reference")
    target = tuple(fraction(p, f"instance.target[{q}]") for q, p in enumerate(record.target))
    if target and (any(p < 0 for p in target) or sum(target) != 1):
        raise InputError(
            f"instance.target: probabilities must not be negative and must sum to 1, got the sum {sum(target)}"
        )
    if record.samples < (1 if target else 0):
        raise InputError(f"instance.samples: must be a whole number of at least 1, got {record.samples}")
    policies, posterior = _read_posterior(env, record, bool(target))
    return ExactInstance(
        env=env,
        policy=_read_policy(env, record.policy, "instance.policy"),
        scheme=scheme,
        reference=reference,
        think_weight=think,
        without=tuple(record.without),
        target=target,
        samples=record.samples,
        policies=policies,
        posterior=posterior,
        steps=_read_steps(record),
        learning_rate=_read_rate(record),
    )


def _read_steps(record: InstanceRecord) -> int:
    if isinstance(record.steps, int):
        if record.steps < 1:
            raise InputError(f"instance.steps: must be at least 1, got {record.steps}")
        return record.steps
    return 1


def _read_rate(record: InstanceRecord) -> Fraction | None:
    if record.learning_rate is msgspec.UNSET:
        return None
    rate = fraction(record.learning_rate, "instance.learning_rate")
    if rate <= 0:
        raise InputError(f"instance.learning_rate: must be positive, got {rate}")
    return rate


def _read_posterior(
    env: TAMDP, record: InstanceRecord, compares: bool
) -> tuple[tuple[balls.BallPolicy, ...], tuple[Fraction, ...]]:
    """Policies and their shares, both empty where the file names none."""
    records, given = (one if isinstance(one, list) else [] for one in (record.policies, record.posterior))
    if len(records) > MAX_POLICIES or len(records) != len(given):
        raise InputError(
            f"instance.posterior: need one share for each of at most {MAX_POLICIES} policies, got {len(given)} for "
            f"{len(records)}"
        )
    if records and not compares:
        raise InputError("instance.posterior: belongs to a target, which the file does not name")
    shares = tuple(fraction(p, f"instance.posterior[{j}]") for j, p in enumerate(given))
    if shares and (any(p < 0 for p in shares) or sum(shares) != 1):
        raise InputError(
            f"instance.posterior: shares must not be negative and must sum to 1, got the sum {sum(shares)}"
        )
    return tuple(_read_policy(env, one, f"instance.policies[{j}]") for j, one in enumerate(records)), shares


def _within(place: str, make: Any) -> Any:
    try:
        return make()
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


# -- files --------------------------------------------------------------------------------------------------------


def save(certificate: Certificate, path: str | Path) -> None:
    """Write a tamdp-certificate/1 file atomically."""
    storage.write_atomically(path, json.dumps(msgspec.to_builtins(certificate), indent=1) + "\n")


def verify(path: str | Path) -> Certificate:
    """Compute a certificate anew from its file alone; InputError with the reason if it is not what it says."""
    content = storage.read_bytes(path)
    data = _decode(content, str(path))
    try:
        check_schema(data, SCHEMA)
        certificate = msgspec.convert(data, Certificate)
        if certificate.digest != digest(data):
            raise InputError("digest: does not fit the content; the file was changed or cut after it was written")
        check(certificate)
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: refused: {readable(error)}") from error
    except (InputError, CapacityError) as error:
        raise type(error)(f"{path}: refused: {error}") from error
    except RecursionError as error:
        raise InputError(f"{path}: refused: JSON nested too deep; a {SCHEMA} file has at most 11 levels") from error
    return certificate


def _decode(content: bytes, place: str) -> dict[str, Any]:
    """JSON with numbers kept as they are written."""
    found: dict[str, Any] = decode_json(
        content, place, SCHEMA, msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
    )
    return found


def check(certificate: Certificate) -> None:
    """Raise InputError unless everything a certificate says comes out again when it is computed anew."""
    if certificate.claim not in CLAIMS:
        raise InputError(f"claim: {quote(certificate.claim)} is not in the registry")
    claim = CLAIMS[certificate.claim]
    if certificate.statement != claim.latex():
        raise InputError(f"statement: the registry states {claim.id} as {claim.latex()}")
    if not 32 <= certificate.bits <= PRECISIONS[-1]:
        raise InputError(f"bits: {certificate.bits} is not between 32 and {PRECISIONS[-1]}")
    unknown = set(certificate.instance.without) - {a.name for a in claim.assumptions}
    if unknown:
        raise InputError(f"instance.without: {claim.id} has no assumption {quote(sorted(unknown)[0])}")
    if certificate.verdict not in (Verdict.HOLDS, Verdict.VIOLATED):
        raise InputError(f"verdict: {quote(certificate.verdict)} is neither 'holds' nor 'violated'")
    with balls.precision(certificate.bits + 64):
        instance = _read_instance(certificate.instance)
        decision = decide(claim, instance)
        if decision.assumptions != certificate.assumptions:
            raise InputError(f"assumptions: computed {decision.assumptions}, the file says {certificate.assumptions}")
        if decision.verdict is Verdict.VACUOUS:
            raise InputError(_VACUOUS)
        if str(decision.verdict or "undecided") != certificate.verdict:
            raise InputError(
                f"verdict: computed {decision.verdict or 'undecided'}, the file says {quote(certificate.verdict)}"
            )
        sides = [
            _side(getattr(certificate, name), found, name)
            for name, found in (("lhs", decision.lhs), ("rhs", decision.rhs), ("slack", decision.rhs - decision.lhs))
        ]
        truths = {separated(claim.statement, sides[0], sides[1]), separated(claim.statement, balls.ZERO, sides[2])}
        if truths != {certificate.verdict == Verdict.HOLDS}:
            raise InputError(
                f"lhs, rhs, slack: as written they do not show {certificate.verdict!r}; the enclosures are too wide"
            )


def _side(text: str, found: Any, place: str) -> Any:
    """A side as written, which must be the number found, letter by letter, or an enclosure that contains it."""
    if not text.startswith("["):
        if isinstance(found, arb) or text != str(found):
            raise InputError(f"{place}: computed {_text(found, 64)[:60]}, the file says {quote(text)}")
        return found
    if len(text) > 2000 or not _BALL.fullmatch(text):
        raise InputError(f"{place}: {quote(text)} is not an enclosure such as [0.25 +/- 1e-30]")
    with balls.precision(PRECISIONS[-1] + 128):
        said = arb(text)
    if not said.contains(balls.ball(found)):
        raise InputError(f"{place}: computed {_text(found, 64)[:60]}, which the file's {quote(text)} does not contain")
    return said


def shipped() -> dict[str, Path]:
    """The certificates that come with the package, by claim id: each refuted step and each claim that is proved by an
    example.
    """
    folder = Path(str(package_files("bounds") / "certified"))
    return {path.stem: path for path in sorted(folder.glob("*.json"))}


def example_certificate(claim: Claim) -> Certificate:
    """The certificate of a claim's stored example."""
    if claim.example is None:
        raise InputError(f"{claim.id}: has no stored example")
    return certify(claim, replace(claim.example()))
