"""Two distributions over the prompts of one process, and what a policy loses from one to the other (theory.md section
7).

A process with a prompt for each image and question holds both domains; ``Domains`` puts two laws on its prompts.
``part`` cuts a process down to some of its prompts and ``join`` puts processes side by side. What domains share are
observations and action names, so policies with shared parameters carry over: ``restrict`` takes a policy to a part,
``extend`` brings a trained one back.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from tamdp_theory.compiling import SMALLEST_PROBABILITY
from tamdp_theory.document import SCHEMA
from tamdp_theory.errors import InputError, quote
from tamdp_theory.model import TAMDP, Floats, Ints, check_same_process
from tamdp_theory.numbers import fraction, show
from tamdp_theory.policies import LogLinear, Network, Policy, TabularSoftmax

Number: TypeAlias = Fraction | int | float | str
SomePolicy = TypeVar("SomePolicy", bound=Policy)
CELLS = 1 << 19  # node values held at once by prompt_values; more are slower, as they leave the cache


# -- two domains -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Domains:
    """A process ``env`` with the prompts of both domains, and the laws ``source`` D_S and ``target`` D_T of its prompts
    (N,).

    Entries >= 0 that sum to one exactly; the prompt probabilities of ``env`` itself play no role. ``Domains.of`` reads
    other numbers.
    """

    env: TAMDP
    source: tuple[Fraction, ...]
    target: tuple[Fraction, ...]

    def __post_init__(self) -> None:
        for name in ("source", "target"):
            object.__setattr__(self, name, _distribution(getattr(self, name), name, self.env.n_prompts))

    @staticmethod
    def of(env: TAMDP, source: Sequence[Number], target: Sequence[Number]) -> "Domains":
        """Two laws as int, float (its shortest decimal), Fraction or "a/b". InputError names the place of
        what is off.
        """
        n = env.n_prompts
        return Domains(env, _distribution(source, "source", n), _distribution(target, "target", n))

    @property
    def total_variation(self) -> Fraction:
        """TV(D_S, D_T) in [0, 1]: half the sum of |D_S - D_T|."""
        return sum((abs(t - s) for s, t in self._both), Fraction(0)) / 2

    @property
    def divergence(self) -> float:
        """KL(D_T||D_S) >= 0; inf where the source does not cover the target."""
        if not self._covered:
            return math.inf
        # the sum of s (u ln u - u + 1), u = t/s, is the same; no term is negative, so that nearby domains keep their
        # digits
        return math.fsum(float(s) * _entropy(float((t - s) / s)) for s, t in self._both if s)

    @property
    def chi_squared(self) -> Fraction | float:
        """chi^2(D_T||D_S) = sum of (D_T - D_S)^2 / D_S >= 0; inf where the source does not cover the target."""
        if not self._covered:
            return math.inf
        return sum(((t - s) ** 2 / s for s, t in self._both if s), Fraction(0))

    @cached_property
    def support(self) -> Ints:
        """Prompts of positive probability in either domain, in order."""
        return np.flatnonzero([s > 0 or t > 0 for s, t in self._both])

    @cached_property
    def source_process(self) -> TAMDP:
        """The process of the source's prompts alone, with their source probabilities."""
        return part(self.env, self.source, f"{self.env.name}, source")

    @cached_property
    def target_process(self) -> TAMDP:
        """The process of the target's prompts alone, with their target probabilities."""
        return part(self.env, self.target, f"{self.env.name}, target")

    @property
    def _both(self) -> list[tuple[Fraction, Fraction]]:
        return list(zip(self.source, self.target, strict=True))

    @property
    def _covered(self) -> bool:
        return all(s > 0 or t == 0 for s, t in self._both)


def _entropy(excess: float) -> float:
    """u ln u - u + 1 >= 0 at u = 1 + excess >= 0."""
    return 1.0 if excess == -1 else max((1 + excess) * math.log1p(excess) - excess, 0.0)


# -- parts and unions of processes -------------------------------------------------------------------------------------


def part(env: TAMDP, probability: Sequence[Number], name: str | None = None) -> TAMDP:
    """Return the process of the prompts with positive ``probability`` (N,), their probabilities now those.

    Order, ids, observations, max_tool_depth, components and weights stay; nodes of other prompts go. ``name``: by
    default that of ``env``.
    """
    shares = _distribution(probability, "probability", env.n_prompts)
    kept = np.array([p > 0 for p in shares])
    prompts, classes = np.flatnonzero(kept), np.flatnonzero(kept[env.class_prompt])
    nodes, pairs = np.flatnonzero(kept[env.node_prompt]), np.flatnonzero(kept[env.pair_prompt])
    edges = np.flatnonzero(kept[env.pair_prompt[env.edge_pair]])
    targets = np.concatenate([nodes, env.n_nodes + classes])
    arrays: dict[str, Any] = {
        "prompt_start": np.searchsorted(nodes, env.prompt_start[prompts]),
        "node_depth": env.node_depth[nodes],
        "node_prompt": np.searchsorted(prompts, env.node_prompt[nodes]),
        "pair_node": np.searchsorted(nodes, env.pair_node[pairs]),
        "pair_kind": env.pair_kind[pairs],
        "pair_tokens": env.pair_tokens[pairs],
        "edge_pair": np.searchsorted(pairs, env.edge_pair[edges]),
        "edge_target": np.searchsorted(targets, env.edge_target[edges]),
        "edge_number": env.edge_number[edges],
        "class_prompt": np.searchsorted(prompts, env.class_prompt[classes]),
        "node_rank": env.node_rank[nodes],
    }
    if env.class_length is not None:
        arrays["class_length"] = env.class_length[classes]
    for array in arrays.values():
        array.setflags(write=False)
    return replace(
        env,
        name=env.name if name is None else name,
        prompt_names=tuple(env.prompt_names[q] for q in prompts),
        exact_prompt_probability=tuple(shares[q] for q in prompts),
        node_ids=tuple(env.node_ids[x] for x in nodes),
        observations=tuple(env.observations[x] for x in nodes),
        action_names=tuple(env.action_names[i] for i in pairs),
        exact_class_rewards=tuple(env.exact_class_rewards[c] for c in classes),
        **arrays,
    )


def join(processes: Mapping[str, TAMDP], probability: Sequence[Number], name: str | None = None) -> TAMDP:
    """Return one process with the prompts of all, process k taken with ``probability[k]`` > 0 (in the order of the
    mapping).

    Prompt names and node ids get the prefix "key/"; observations and action names stay, so that policies which go by
    them share their parameters between the processes. max_tool_depth is the largest. ``name``: by default the keys
    joined by "+". Raises InputError if components or weights differ.
    """
    if not processes:
        raise InputError("processes: empty; give at least one")
    shares = _distribution(probability, "probability", len(processes), "processes")
    first = next(iter(processes))
    shape = (processes[first].component_names, processes[first].exact_weights)
    prompts, nodes = [], []
    for k, (key, env) in enumerate(processes.items()):
        if (env.component_names, env.exact_weights) != shape:
            raise InputError(
                f"processes[{quote(key)}]: components or weights differ from those of {quote(first)}; see with_weights"
            )
        if not shares[k]:
            raise InputError(f"probability[{k}]: 0; leave process {quote(key)} out, or give it some")
        content = env.to_dict()
        for prompt, p in zip(content["prompts"], env.exact_prompt_probability, strict=True):
            prompts.append(
                {"name": f"{key}/{prompt['name']}", "probability": shares[k] * p, "start": f"{key}/{prompt['start']}"}
            )
        for node in content["nodes"]:
            node["id"] = f"{key}/{node['id']}"
            for edge in (edge for action in node["actions"] for edge in action["next"] if "node" in edge):
                edge["node"] = f"{key}/{edge['node']}"
        nodes += content["nodes"]
    components = [{"name": c, "weight": w} for c, w in zip(*shape, strict=True)]
    depth = max(env.max_tool_depth for env in processes.values())
    title = "+".join(processes) if name is None else name
    return TAMDP.from_dict(
        {
            "schema": SCHEMA,
            "name": title,
            "max_tool_depth": depth,
            "components": components,
            "prompts": prompts,
            "nodes": nodes,
        }
    )


# -- policies on a part and on the whole -------------------------------------------------------------------------------


def restrict(policy: Policy, env: TAMDP) -> Policy:
    """Return ``policy`` on a part ``env`` of its process: the same probabilities at the nodes, found by id, that are
    left.

    Log-linear and network policies keep their parameters. Raises InputError if a node of ``env`` is not in the policy's
    process or has other actions there.
    """
    nodes, pairs = _found(env, policy.env)
    if isinstance(policy, TabularSoftmax):
        return TabularSoftmax(env, policy.logits[nodes, : env.n_actions])
    if isinstance(policy, LogLinear):
        return LogLinear(env, policy.features[pairs], policy.parameters)
    if isinstance(policy, Network):
        return Network(
            env, policy.hidden, encoding=policy.encoding[nodes], outputs=policy.outputs, parameters=policy.parameters
        )
    raise InputError(f"policy: cannot carry a {type(policy).__name__}; only tabular, log-linear and network policies")


def extend(policy: Policy, like: SomePolicy) -> SomePolicy:
    """Return ``policy``, made by ``restrict`` and perhaps trained since, on the whole process of ``like``.

    Log-linear and network policies bring their parameters; a tabular one brings its logits, and nodes outside its
    process keep those of ``like``. Raises InputError unless both are of one kind and agree in features, or in encoding,
    outputs and width.
    """
    if not _alike(policy, restrict(like, policy.env)):
        raise InputError(
            f"policy: not of the kind, features, encoding, outputs or width of ``like``; make it with restrict(like, "
            f"{quote(policy.env.name)})"
        )
    if not isinstance(policy, TabularSoftmax):
        return like.with_parameters(policy.parameters)
    _, pairs = _found(policy.env, like.env)
    parameters = like.parameters.copy()
    parameters[like.env.pair_parameter[pairs]] = policy.parameters[policy.env.pair_parameter]
    return like.with_parameters(parameters)


def _alike(one: Policy, two: Policy) -> bool:
    if isinstance(one, LogLinear) and isinstance(two, LogLinear):
        return np.array_equal(one.features, two.features)
    if isinstance(one, Network) and isinstance(two, Network):
        return (one.hidden, one.outputs) == (two.hidden, two.outputs) and np.array_equal(one.encoding, two.encoding)
    return isinstance(one, TabularSoftmax) and isinstance(two, TabularSoftmax)


def _found(env: TAMDP, whole: TAMDP) -> tuple[Ints, Ints]:
    """The nodes (X,) and pairs (P,) of ``env`` in ``whole``."""
    index = {node_id: x for x, node_id in enumerate(whole.node_ids)}
    missing = next((node_id for node_id in env.node_ids if node_id not in index), None)
    if missing is not None:
        raise InputError(
            f"{quote(whole.name)} has no node {quote(missing)}; {quote(env.name)} must be a part of it, see "
            f"tamdp_theory.domains.part"
        )
    nodes = np.array([index[node_id] for node_id in env.node_ids])
    for x, y in enumerate(nodes.tolist()):
        if _actions(env, x) != _actions(whole, y):
            raise InputError(
                f"node {quote(env.node_ids[x])}: has other actions in {quote(env.name)} than in {quote(whole.name)}; "
                f"make it with part"
            )
    return nodes, np.repeat(whole.pair_start[nodes] - env.pair_start, env.pair_count) + np.arange(env.n_pairs)


def _actions(env: TAMDP, x: int) -> tuple[str, ...]:
    start = int(env.pair_start[x])
    return env.action_names[start : start + int(env.pair_count[x])]


# -- risks -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Risks:
    """Mean losses of a policy, or averaged over a posterior Q on policies, in both domains; all in [0, 1].

    source R_S, target R_T: 1 - V_c/W; source_components, target_components (K,): 1 - V_k; oscillation osc_k (K,): range
    of E_Q V_k(q) over the prompts q in the support of either domain; per_prompt (N,): the loss 1 - E_Q V_c(q)/W on each
    prompt of the process.
    """

    source: float
    target: float
    source_components: Floats
    target_components: Floats
    oscillation: Floats
    per_prompt: Floats


def risks(domains: Domains, policies: Policy | Sequence[Policy], posterior: ArrayLike | None = None) -> Risks:
    """Risks of one policy, or of several under a ``posterior`` (S,) >= 0 that sums to one (None: equal shares).

    Policies belong to ``domains.env``; see ``extend``. Source: theory.md section 7, T3.shift.
    """
    from tamdp_theory.posteriors import check_distribution

    members = [policies] if isinstance(policies, Policy) else list(policies)
    values = prompt_values(domains.env, members)
    shares = (
        np.full(len(members), 1 / len(members))
        if posterior is None
        else check_distribution(posterior, "posterior", len(members))
    )
    if shares.ndim != 1:
        raise InputError(
            f"posterior: expected one number for each of {len(members)} policies, got shape {shares.shape}"
        )
    loss = _unit(1 - np.einsum("s,snk->nk", shares, values))
    per_prompt = _unit(loss @ (domains.env.weights / domains.env.total_weight))
    source, target = (np.array([float(p) for p in law]) for law in (domains.source, domains.target))
    return Risks(
        source=float(_unit(source @ per_prompt)),
        target=float(_unit(target @ per_prompt)),
        source_components=_unit(source @ loss),
        target_components=_unit(target @ loss),
        oscillation=np.ptp(loss[domains.support], axis=0),
        per_prompt=per_prompt,
    )


def prompt_values(env: TAMDP, policies: Sequence[Policy]) -> Floats:
    """E[R_k | q] in [0, 1] of S policies of one process (S, N, K): one backward pass for as many policies as the cache
    holds.
    """
    from tamdp_theory.exact.passes import backward

    if not policies:
        raise InputError("policies: empty; give at least one")
    for policy in policies:
        check_same_process(env, policy.env)
    block = max(1, CELLS // ((env.n_nodes + env.n_classes) * env.n_components))
    found = np.empty((len(policies), env.n_prompts, env.n_components))
    for i in range(0, len(policies), block):
        pi = np.stack([policy.pair_probability for policy in policies[i : i + block]], axis=1)
        node, _ = backward(env, pi, env.class_rewards[:, :, None])
        found[i : i + block] = np.moveaxis(node[env.prompt_start], -1, 0)
    return found


def _unit(values: ArrayLike) -> Floats:
    """Rounding may lead out of [0, 1]."""
    return np.clip(np.asarray(values, dtype=np.float64), 0.0, 1.0)


def _distribution(values: Any, place: str, size: int, what: str = "prompts") -> tuple[Fraction, ...]:
    """Rationals >= 0, one for each of ``size``, that sum to one exactly; InputError otherwise."""
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__iter__"):
        raise InputError(f"{place}: expected a sequence of {size} numbers, got {values!r}")
    numbers = tuple(fraction(value, f"{place}[{i}]") for i, value in enumerate(values))
    if len(numbers) != size:
        raise InputError(f"{place}: {len(numbers)} given for {size} {what}")
    for i, number in enumerate(numbers):
        if number < 0 or 0 < number < SMALLEST_PROBABILITY:
            raise InputError(f"{place}[{i}]: {show(number)} must be 0 or between 1e-300 and 1")
    off = sum(numbers, Fraction(0)) - 1
    if off:
        raise InputError(
            f"{place}: sums to one {'plus' if off > 0 else 'minus'} {show(abs(off))}, not to one exactly; write "
            f'thirds as "1/3"'
        )
    return numbers
