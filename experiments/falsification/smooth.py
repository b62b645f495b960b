"""Gradient search: a claim's slack by torch autograd, where both sides are smooth in rewards, weights, logits and
transitions.

The exact quantities are sums over trajectories and groups of them, written here once more in torch for tabular
policies; both sides are the claim's own statement (lambdify over tensors). Whatever the descent proposes is judged by
the claim's check, never by this module.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from bounds import Claim
from bounds import symbols as s
from bounds.structure import both
from experiments.falsification.candidate import Candidate, decimal, edges, fractions, normal
from tamdp_theory import TAMDP
from tamdp_theory.exact import Scheme, count_multisets, count_trajectories, list_multisets

KNOWN = frozenset(
    {
        s.J,
        s.J_star,
        s.C_theta,
        s.grad_J,
        s.hessian,
        s.osc,
        s.energy,
        s.H,
        s.A_max,
        s.variance,
        s.second_law,
        s.kappa,
        s.W,
        s.G,
        s.K,
        s.w_squares,
        s.energy_squared_rho,
        s.drift,
        s.gap_norm,
        s.Q_gap,
        s.lambda_max,
    }
)
GROUPWISE = frozenset({s.variance, s.second_law, s.drift, s.gap_norm})
MAX_TRAJECTORIES = 60
MAX_GROUPS = 4000
STEPS = 200
RATE = 0.05
PAUSE = 20  # steps between two proposals


def is_smooth(claim: Claim, candidate: Candidate) -> bool:
    """Whether autograd can follow the slack of this claim on this candidate."""
    if not isinstance(claim.statement, (sp.Le, sp.Lt, sp.Ge, sp.Gt)) or not set(claim.quantities) <= KNOWN:
        return False
    if not isinstance(candidate.policy, tuple) or candidate.think_weight != 1 or not _has_slope(candidate.scheme):
        return False
    env = candidate.instance().env
    count = count_trajectories(env)
    lists_groups = bool(set(claim.quantities) & GROUPWISE)
    return count <= MAX_TRAJECTORIES and not (
        lists_groups and count_multisets(count, candidate.scheme.group_size) > MAX_GROUPS
    )


def descend(claim: Claim, candidate: Candidate) -> Iterator[Candidate]:
    """Candidates along a descent of the relative slack."""
    import torch

    torch.manual_seed(0)
    world = _World(candidate)
    functions = {"sqrt": lambda x: torch.as_tensor(x, dtype=torch.float64).sqrt(), "Abs": torch.abs}
    function = sp.lambdify(claim.quantities, (claim.statement.lhs, claim.statement.rhs), [functions])
    sign = -1.0 if isinstance(claim.statement, (sp.Ge, sp.Gt)) else 1.0
    parameters = world.parameters(torch)
    optimizer = torch.optim.Adam(parameters.values(), lr=RATE)
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        numbers = world.numbers(torch, parameters, set(claim.quantities))
        left, right = function(*(torch.as_tensor(numbers[q], dtype=torch.float64) for q in claim.quantities))
        left, right = torch.as_tensor(left, dtype=torch.float64), torch.as_tensor(right, dtype=torch.float64)
        loss = (sign * (right - left) / (left.abs() + right.abs() + 1e-12)).min()
        if not (loss.requires_grad and torch.isfinite(loss)):
            return
        loss.backward()
        if any(p.grad is not None and not torch.isfinite(p.grad).all() for p in parameters.values()):
            return
        optimizer.step()
        if step % PAUSE == 0:
            yield world.candidate({name: p.detach().numpy() for name, p in parameters.items()})


@dataclass
class _World:
    """The structure of a candidate: trajectories as index arrays over pairs, edges and terminal edges."""

    start: Candidate

    def __post_init__(self) -> None:
        self.env: TAMDP = self.start.instance().env
        env = self.env
        self.owner = np.array(env.pair_node)  # writable copies: torch warns about others
        self.edges = list(edges(self.start.content))
        self.terminal = {e: j for j, e in enumerate(e for e, edge in enumerate(self.edges) if "rewards" in edge)}
        first = np.searchsorted(env.edge_pair, np.arange(env.n_pairs + 1))
        self.paths: list[list[tuple[list[int], list[int]]]] = [[] for _ in range(env.n_prompts)]
        for q, x in enumerate(env.prompt_start.tolist()):
            stack: list[tuple[int, list[int], list[int]]] = [(x, [], [])]
            while stack:
                node, pairs, taken = stack.pop()
                for pair in range(env.pair_start[node], env.pair_start[node] + env.pair_count[node]):
                    for e in range(first[pair], first[pair + 1]):
                        target = int(env.edge_target[e])
                        if target < env.n_nodes:
                            stack.append((target, [*pairs, pair], [*taken, e]))
                        else:
                            self.paths[q].append(([*pairs, pair], [*taken, e]))

    def parameters(self, torch: Any) -> dict[str, Any]:
        """Unconstrained coordinates: logits, log weights, logits of rewards, log transition probabilities."""
        policy = self.start.policy
        assert isinstance(policy, tuple)
        rewards = np.array([[float(r) for r in edge["rewards"]] for edge in self.edges if "rewards" in edge])
        inner = np.clip(rewards, 0.02, 0.98)
        values = {
            "logits": np.log([float(p) for p in policy]),
            "weights": np.log([max(float(c["weight"]), 1e-6) for c in self.start.content["components"]]),
            "rewards": np.log(inner / (1 - inner)),
            "edges": np.log([float(edge["probability"]) for edge in self.edges]),
        }
        return {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in values.items()}

    def numbers(self, torch: Any, parameters: Mapping[str, Any], wanted: set[Any]) -> dict[Any, Any]:
        """The quantities of a statement as tensors."""
        env, scheme = self.env, self.start.scheme
        pi = _segments(torch, parameters["logits"], self.owner)
        p = _segments(torch, parameters["edges"], env.edge_pair)
        weights, rewards = parameters["weights"].exp(), torch.sigmoid(parameters["rewards"])
        rho = torch.tensor(np.array(env.prompt_probability))
        found: dict[Any, Any] = {
            s.W: weights.sum(),
            s.G: float(scheme.group_size),
            s.K: float(env.n_components),
            s.kappa: scheme.kappa,
            s.H: float(env.horizon),
            s.A_max: float(env.n_actions),
            s.w_squares: (weights**2).sum(),
        }
        prompts = [
            self._prompt(torch, q, pi, p=p, weights=weights, rewards=rewards, wanted=wanted)
            for q in range(env.n_prompts)
        ]
        total = {
            name: sum(r * one[name] for r, one in zip(rho, prompts, strict=True))
            for name in ("J", "gradient", "energy", "hessian", "mean")
        }
        found |= {
            s.J: total["J"],
            s.grad_J: _norm(torch, total["gradient"]),
            s.energy: total["energy"],
            s.drift: total["gradient"] @ total["mean"],
        }
        found[s.osc] = torch.stack([r * one["osc"] for r, one in zip(rho, prompts, strict=True)]).max()
        found[s.energy_squared_rho] = sum(r**2 * one["energy"] for r, one in zip(rho, prompts, strict=True))
        found[s.variance] = sum(r**2 * one["variance"] for r, one in zip(rho, prompts, strict=True))
        found[s.second_law] = found[s.variance] + total["mean"] @ total["mean"]
        if s.hessian in wanted:
            found[s.hessian] = torch.linalg.eigvalsh(total["hessian"]).abs().max()
        if s.C_theta in wanted or s.J_star in wanted:
            found[s.J_star], found[s.C_theta] = self._best(torch, pi, p, weights=weights, rewards=rewards, rho=rho)
        for name, key in ((s.gap_norm, "gap"), (s.Q_gap, "square"), (s.lambda_max, "top")):
            if name in wanted:
                found[name] = torch.stack([one[key] for one in prompts])
        if s.gap_norm in wanted:
            found[s.energy] = torch.stack([one["energy"] for one in prompts])
        return found

    def _prompt(
        self, torch: Any, q: int, pi: Any, p: Any, weights: Any, rewards: Any, wanted: set[Any]
    ) -> dict[str, Any]:
        env, paths = self.env, self.paths[q]
        visits = torch.zeros((len(paths), env.n_pairs), dtype=torch.float64)
        owner = torch.zeros((len(paths), env.n_nodes), dtype=torch.float64)
        chance = []
        for t, (pairs, taken) in enumerate(paths):
            visits[t, pairs] = 1.0
            owner[t, self.owner[pairs]] = 1.0
            chance.append(pi[pairs].prod() * p[taken].prod())
        law = torch.stack(chance)
        score = visits - owner[:, self.owner] * pi
        table = rewards[[self.terminal[taken[-1]] for _, taken in paths]]
        c = table @ weights
        gradient = (law * c) @ score
        second = score.T @ (law[:, None] * score)
        result = {"J": law @ c, "gradient": gradient, "energy": second.trace(), "osc": c.max() - c.min()}
        result["hessian"] = torch.zeros(())
        if s.hessian in wanted:
            same = torch.tensor(self.owner[:, None] == self.owner[None, :])
            block = torch.where(same, torch.diag(pi) - pi[:, None] * pi[None, :], 0.0)
            reach = (law * c) @ owner
            result["hessian"] = score.T @ ((law * c)[:, None] * score) - block * reach[self.owner][:, None]
        result["mean"], result["variance"] = gradient, torch.zeros(())
        if wanted & GROUPWISE:
            members, ways = list_multisets(len(paths), self.start.scheme.group_size)
            probability = torch.tensor(ways) * law[members].prod(dim=1)
            advantage = _advantages(torch, table[members], weights, self.start.scheme)
            estimate = torch.einsum("gi,gip->gp", advantage, score[members]) / members.shape[1]
            mean = probability @ estimate
            result["mean"], result["variance"] = mean, probability @ (estimate**2).sum(dim=1) - mean @ mean
            if s.gap_norm in wanted:
                joint, split = (_advantages(torch, table[members], weights, one) for one in both(self.start.scheme))
                gap = torch.einsum("gi,gip->gp", joint - split, score[members]) / members.shape[1]
                result["gap"] = _norm(torch, probability @ gap)
                result["square"] = probability @ ((joint - split) ** 2).mean(dim=1)
                result["top"] = torch.linalg.eigvalsh(second)[-1]
        return result

    def _best(self, torch: Any, pi: Any, p: Any, weights: Any, rewards: Any, rho: Any) -> tuple[Any, Any]:
        """J* and the constant of L4 for the greedy comparator."""
        env = self.env
        value: dict[int, Any] = {}
        chosen: dict[int, int] = {}
        first = np.searchsorted(env.edge_pair, np.arange(env.n_pairs + 1))
        for x in np.argsort(env.node_rank, kind="stable")[::-1].tolist():
            worth = []
            for pair in range(env.pair_start[x], env.pair_start[x] + env.pair_count[x]):
                parts = [
                    p[e]
                    * (
                        value[int(env.edge_target[e])]
                        if env.edge_target[e] < env.n_nodes
                        else rewards[self.terminal[e]] @ weights
                    )
                    for e in range(first[pair], first[pair + 1])
                ]
                worth.append(sum(parts))
            top = int(torch.stack(worth).argmax())
            value[x], chosen[x] = worth[top], int(env.pair_start[x]) + top
        optimum = sum(r * value[x] for r, x in zip(rho, env.prompt_start.tolist(), strict=True))
        star, now = torch.zeros(env.n_nodes, dtype=torch.float64), torch.zeros(env.n_nodes, dtype=torch.float64)
        for own in self.paths:
            for pairs, taken in own:
                chance, best = (
                    pi[pairs].prod() * p[taken].prod(),
                    p[taken].prod() * float(all(chosen[int(env.pair_node[i])] == i for i in pairs)),
                )
                for pair in pairs:
                    x = int(env.pair_node[pair])
                    now = now + chance * torch.eye(env.n_nodes, dtype=torch.float64)[x]
                    star = star + best * torch.eye(env.n_nodes, dtype=torch.float64)[x]
        ratio = star / (now * torch.stack([pi[chosen[x]] for x in range(env.n_nodes)]))
        return optimum, _norm(torch, ratio)

    def candidate(self, found: Mapping[str, Any]) -> Candidate:
        """The candidate at some coordinates."""
        env, content = self.env, fractions(self.env.to_dict())
        weights = np.exp(found["weights"] - max(found["weights"].max(), 0.0))
        rewards = 1 / (1 + np.exp(-found["rewards"]))
        for component, weight in zip(content["components"], weights, strict=True):
            component["weight"] = decimal(float(weight))
        ends = iter(rewards.tolist())
        policy: list[Fraction] = []
        pairs = iter(range(env.n_pairs))
        place = 0
        for node in content["nodes"]:
            own = [next(pairs) for _ in node["actions"]]
            policy += normal([decimal(float(v)) for v in np.exp(found["logits"][own] - found["logits"][own].max())])
            for action in node["actions"]:
                size = len(action["next"])
                logs = found["edges"][place : place + size]
                for edge, probability in zip(
                    action["next"], normal([decimal(float(v)) for v in np.exp(logs - logs.max())]), strict=True
                ):
                    edge["probability"] = probability
                    if "rewards" in edge:
                        edge["rewards"] = [decimal(v) for v in next(ends)]
                place += size
        return replace(self.start, content=content, policy=tuple(policy))


def _has_slope(scheme: Scheme) -> bool:
    """Whether advantages change smoothly with rewards."""
    return not scheme.estimator.binary and scheme.estimator.statistics != "counts"


def _advantages(torch: Any, rewards: Any, weights: Any, scheme: Scheme) -> Any:
    """A (S, G) of rewards (S, G, K)."""
    total = torch.zeros(rewards.shape[:-1], dtype=torch.float64)
    for coefficient, parts in scheme.estimator.mixtures(list(weights)):
        values = sum(_tensor(torch, part) * rewards[..., k] for k, part in enumerate(parts))
        total = total + _tensor(torch, coefficient) * scheme.estimator.gain(_Place(torch, values, scheme))
    return total


def _tensor(torch: Any, number: Any) -> Any:
    """A number as a tensor, so that rationals mix with tensors."""
    return number if torch.is_tensor(number) else torch.tensor(float(number), dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class _Place:
    """All members of groups (S, G) as tensors; a group that hardly varies counts as silent."""

    torch: Any
    values: Any
    scheme: Scheme

    @property
    def size(self) -> int:
        return self.scheme.group_size

    @property
    def distance(self) -> Any:
        return self.values - self.values.mean(dim=1, keepdim=True)

    deviation = distance

    @property
    def _squares(self) -> Any:
        return (self.distance**2).sum(dim=1, keepdim=True) / (self.size - self.scheme.ddof)

    @property
    def spread(self) -> Any:
        return self.torch.sqrt(self.torch.where(self._squares > 1e-20, self._squares, 1.0))

    @property
    def eps(self) -> float:
        return self.scheme.eps

    def ratio(self, numerator: Any, denominator: Any) -> Any:
        return self.torch.where(self._squares > 1e-20, numerator / denominator, 0.0)

    def times(self, value: Any, factor: Fraction) -> Any:
        return value * float(factor)

    def positive_part(self, value: Any) -> Any:
        return value.clamp(min=0.0)

    def look_up(self, table: Any) -> Any:
        raise TypeError("a table has no slope")  # _has_slope leaves binary estimators out


def _segments(torch: Any, logits: Any, owner: Any) -> Any:
    """Softmax within runs of equal ``owner``."""
    index = torch.as_tensor(np.array(owner))
    weight = (logits - logits.max().detach()).exp()
    return weight / torch.zeros(int(index.max()) + 1, dtype=torch.float64).index_add(0, index, weight)[index]


def _norm(torch: Any, vector: Any) -> Any:
    return torch.sqrt((vector**2).sum() + 1e-300)
