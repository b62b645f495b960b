"""Two domains of one task: tools, difficulty or images differ between source and target, format and tool grammar do
not.

Two processes S and T, each with its own equally likely prompts, stand side by side (prompts "source/q0", ..,
"target/q0", ..). The domains mix them, with ``overlap`` o in [0, 1]:

    D_S = (1 - o/2) S + (o/2) T,   D_T = (o/2) S + (1 - o/2) T,   o = 0: disjoint, o = 1: no shift

Observations and action names are shared, so a policy that goes by them (log-linear, network) acts alike where both look
alike; reliability shows in no observation. A tabular policy learns nothing about T from S.

Facts, V_k(S), V_k(T) the means of E[R_k | q] over the prompts of S and of T:
    TV(D_S, D_T) = 1 - o,   KL(D_T||D_S) = (1 - o) ln((2 - o)/o),   chi^2(D_T||D_S) = 4 (1 - o)^2 / (o (2 - o))
        (inf for o = 0);
    for every policy and component, risk under D_T - risk under D_S = (1 - o) (V_k(S) - V_k(T)):  linear in o, and no
        more than (1 - o) osc_k, with equality if E[R_k | q] is constant over S and over T and V_k(S) >= V_k(T)
    format: 1 on every prompt, osc = 0, for every policy that never answers untagged, in ``search_domains`` with
        malformed = 0 and in ``coding_domains``, both without thoughts (or with parse_failure = (0, 0)): transfers free
    executability: 1 on every prompt, osc = 0, for every policy that calls no tool; r (search: r (1 - malformed)) on
        every prompt of reliability r for the one that makes one (good) call and then answers: free if only difficulty
        or images differ, else the risk difference is (1 - o) (r_S - r_T), and the bound of T3.shift on this component
        is attained if r_S >= r_T
    accuracy of answering at once: risk difference (1 - o) (E v(n_S) - E v(n_T)) for careful answers in
        ``search_domains``, (1 - o) (E a(m_S) - E a(m_T)) for reading in ``coding_domains``; v, a, n and m as in search
        and coding. Reliability is then no matter
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeVar

from tamdp_theory.domains import Domains, join
from tamdp_theory.errors import InputError
from tamdp_theory.families._build import PARSE_FAILURE, Number, probability, sequence
from tamdp_theory.families.coding import coding
from tamdp_theory.families.search import search
from tamdp_theory.model import TAMDP

HALF = Fraction(1, 2)
RELIABILITY = (Fraction(4, 5), Fraction(1, 2))
Value = TypeVar("Value")


def search_domains(
    prompts: int = 3,
    max_tool_depth: int = 2,
    reliability: Sequence[Number] = RELIABILITY,
    malformed: Number = 0,
    *,
    overlap: Number = 0,
    difficulties: Sequence[Sequence[int] | None] = (None, None),
    think: bool = False,
    parse_failure: Sequence[Number] = PARSE_FAILURE,
    weights: Sequence[Number] | None = None,
    name: str | None = None,
) -> Domains:
    """Return two domains of the search task.

    reliability, difficulties: (2,) for S and for T, each as in ``search``; overlap o in [0, 1]; ``prompts`` in each of
    S and T; the rest as in ``search`` and shared, malformed by default 0, so that format is a matter of tags alone.
    Raises InputError for an argument out of range. Facts: see the module and search.
    """
    works, needs = _pair(reliability, "reliability"), _pair(difficulties, "difficulties")

    def make(domain: int) -> TAMDP:
        return search(
            prompts,
            max_tool_depth,
            works[domain],
            malformed,
            difficulties=needs[domain],
            think=think,
            parse_failure=parse_failure,
            weights=weights,
        )

    return _shifted("search", make, overlap, name)


def coding_domains(
    prompts: int = 3,
    max_tool_depth: int = 2,
    reliability: Sequence[Number] = RELIABILITY,
    *,
    overlap: Number = 0,
    images: Sequence[Sequence[Sequence[str]] | None] = (None, None),
    think: bool = False,
    parse_failure: Sequence[Number] = PARSE_FAILURE,
    weights: Sequence[Number] | None = None,
    name: str | None = None,
) -> Domains:
    """Return two domains of the coding task.

    reliability, images: (2,) for S and for T, each as in ``coding``; overlap o in [0, 1]; ``prompts`` in each of S and
    T; max_tool_depth, think, parse_failure, weights and name as in ``coding``, shared by both. Raises InputError for an
    argument out of range. Facts: see the module and coding.
    """
    works, looks = _pair(reliability, "reliability"), _pair(images, "images")

    def make(domain: int) -> TAMDP:
        return coding(
            prompts,
            max_tool_depth,
            works[domain],
            images=looks[domain],
            think=think,
            parse_failure=parse_failure,
            weights=weights,
        )

    return _shifted("coding", make, overlap, name)


def shift(source: TAMDP, target: TAMDP, overlap: Number = 0, name: str | None = None) -> Domains:
    """Return the domains that mix the prompts of two processes with equal components and weights, each by its own
    probabilities.

    overlap o in [0, 1], see the module; its facts hold, but for those on single components.

    Args:
        source, target: processes with equal components and weights.
        overlap: o in [0, 1].
        name: of the union.
    """
    half = probability(overlap, "overlap") / 2
    env = join({"source": source, "target": target}, (HALF, HALF), name)

    def mixed(share: Fraction) -> tuple[Fraction, ...]:
        return tuple(
            [share * p for p in source.exact_prompt_probability]
            + [(1 - share) * p for p in target.exact_prompt_probability]
        )

    return Domains(env, mixed(1 - half), mixed(half))


def _shifted(task: str, make: Callable[[int], TAMDP], overlap: Number, name: str | None) -> Domains:
    made = []
    for i, domain in enumerate(("source", "target")):
        try:
            made.append(make(i))
        except InputError as error:
            raise InputError(f"{domain}: {error}") from error
    title = made[0].name.replace(task, f"{task}-domains", 1) if name is None else name
    return shift(made[0], made[1], overlap, title)


def _pair(values: Sequence[Value], name: str) -> tuple[Value, Value]:
    items: list[Value] = sequence(values, name)
    if len(items) != 2:
        raise InputError(f"{name}: expected two, for source and target, got {len(items)}")
    return items[0], items[1]
