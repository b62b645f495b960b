"""Shrinking a violation: fewer prompts, nodes, actions and members, then numbers with small denominators."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from fractions import Fraction
from typing import Any

from experiments.falsification.candidate import Behaviour, Candidate, Shared, edges

_DENOMINATORS = (1, 2, 3, 4, 5, 8, 10, 20, 100, 1000)


def shrink(candidate: Candidate, violates: Callable[[Candidate], bool], out_of_time: Callable[[], bool]) -> Candidate:
    """The smallest candidate found that still violates, by greedy passes until none helps."""
    changed = True
    while changed and not out_of_time():
        changed = False
        for smaller in _simpler(candidate):
            if out_of_time():
                return candidate
            if violates(smaller):
                candidate, changed = smaller, True
                break
    return candidate


def _simpler(candidate: Candidate) -> Iterator[Candidate]:
    yield from _structure(candidate)
    if candidate.scheme.eps and candidate.scheme.eps not in (1.0, 0.5):
        yield replace(candidate, scheme=replace(candidate.scheme, eps=1.0))
    for size in range(candidate.scheme.estimator.smallest, candidate.scheme.group_size):
        yield replace(candidate, scheme=replace(candidate.scheme, group_size=size))
    yield from _numbers(candidate)


# -- structure ----------------------------------------------------------------------------------------------------


def _structure(candidate: Candidate) -> Iterator[Candidate]:
    """Candidates with something left out; a log-linear policy loses the features of what is gone."""
    content = candidate.content
    if len(content["prompts"]) > 1:
        for q in range(len(content["prompts"])):
            yield from _without(candidate, lambda copy, q=q: copy["prompts"].pop(q))
    for x, node in enumerate(content["nodes"]):
        if len(node["actions"]) > 1:
            for a in range(len(node["actions"])):
                yield from _without(candidate, lambda copy, x=x, a=a: copy["nodes"][x]["actions"].pop(a))
        for a, action in enumerate(node["actions"]):
            if len(action["next"]) > 1:
                for e in range(len(action["next"])):
                    yield from _without(
                        candidate, lambda copy, x=x, a=a, e=e: copy["nodes"][x]["actions"][a]["next"].pop(e)
                    )
            for e, edge in enumerate(action["next"]):
                if "node" in edge:
                    for reward in (0, 1):
                        yield from _without(
                            candidate,
                            lambda copy, x=x, a=a, e=e, r=reward: _end(
                                copy["nodes"][x]["actions"][a]["next"][e], copy, r
                            ),
                        )
    if len(content["components"]) > 1:
        for k in range(len(content["components"])):
            yield from _without(candidate, lambda copy, k=k: _drop_component(copy, k))


def _end(edge: dict[str, Any], content: dict[str, Any], reward: int) -> None:
    del edge["node"]
    edge["rewards"] = [Fraction(reward)] * len(content["components"])


def _drop_component(content: dict[str, Any], k: int) -> None:
    content["components"].pop(k)
    for edge in edges(content):
        if "rewards" in edge:
            edge["rewards"] = [r for j, r in enumerate(edge["rewards"]) if j != k]


def _without(candidate: Candidate, change: Callable[..., Any]) -> Iterator[Candidate]:
    copy = deepcopy(dict(candidate.content))
    for place, action in enumerate(action for node in copy["nodes"] for action in node["actions"]):
        action["place"] = place  # where its probability is
    change(copy)
    _prune(copy)
    for items in (copy["prompts"], *(action["next"] for node in copy["nodes"] for action in node["actions"])):
        total = sum((item["probability"] for item in items), Fraction(0))
        for item in items:
            item["probability"] = item["probability"] / total
    groups = [[action["place"] for action in node["actions"]] for node in copy["nodes"]]
    for node in copy["nodes"]:
        for action in node["actions"]:
            del action["place"]
    copy["max_tool_depth"] = max(
        [node["depth"] + any(a["kind"] == "tool" for a in node["actions"]) for node in copy["nodes"]]
    )
    reference = None if candidate.reference is None else _kept(candidate.reference, groups)
    yield replace(candidate, content=copy, policy=_kept(candidate.policy, groups), reference=reference)


def _prune(content: dict[str, Any]) -> None:
    """Leave out nodes that are no longer reached."""
    by_id = {node["id"]: node for node in content["nodes"]}
    reached, queue = set(), [prompt["start"] for prompt in content["prompts"]]
    while queue:
        name = queue.pop()
        if name not in reached:
            reached.add(name)
            queue += [edge["node"] for action in by_id[name]["actions"] for edge in action["next"] if "node" in edge]
    content["nodes"] = [node for node in content["nodes"] if node["id"] in reached]


def _kept(behaviour: Behaviour, groups: list[list[int]]) -> Behaviour:
    if isinstance(behaviour, Shared):
        return Shared(tuple(behaviour.features[i] for group in groups for i in group), behaviour.parameters)
    result: list[Fraction] = []
    for group in groups:
        total = sum((behaviour[i] for i in group), Fraction(0))
        result += [behaviour[i] / total for i in group]
    return tuple(result)


# -- numbers ------------------------------------------------------------------------------------------------------


def _numbers(candidate: Candidate) -> Iterator[Candidate]:
    """Candidates with rounder numbers: first a whole kind at once, then one place alone."""
    for denominator in _DENOMINATORS:
        for kind in ("policy", "reference", "rewards", "weights", "transitions", "prompts"):
            yield from _rounded(candidate, kind, denominator)
    sizes = [len(node["actions"]) for node in candidate.content["nodes"]]
    for denominator in _DENOMINATORS:
        start = 0
        for size in sizes:
            if isinstance(candidate.policy, tuple):
                own = candidate.policy[start : start + size]
                short = _round_law(own, denominator)
                if short is not None and _cost(short) < _cost(own):
                    yield replace(
                        candidate, policy=(*candidate.policy[:start], *short, *candidate.policy[start + size :])
                    )
            start += size
        count = sum(len(edge.get("rewards", ())) for edge in edges(candidate.content))
        for place in range(count):
            yield from _one_reward(candidate, place, denominator)


def _rounded(candidate: Candidate, kind: str, denominator: int) -> Iterator[Candidate]:
    if kind in ("policy", "reference"):
        behaviour = getattr(candidate, kind)
        if behaviour is None:
            return
        short = _round_behaviour(behaviour, [len(node["actions"]) for node in candidate.content["nodes"]], denominator)
        if short is not None and _cost(_flat(short)) < _cost(_flat(behaviour)):
            yield replace(candidate, **{kind: short})
        return
    copy = deepcopy(dict(candidate.content))
    before = _cost(_content_numbers(copy))
    if kind == "weights":
        for component in copy["components"]:
            component["weight"] = _round(component["weight"], denominator)
        if not any(component["weight"] for component in copy["components"]):
            return
    elif kind == "rewards":
        for edge in edges(copy):
            if "rewards" in edge:
                edge["rewards"] = [_round(r, denominator) for r in edge["rewards"]]
    else:
        lists = (
            [copy["prompts"]]
            if kind == "prompts"
            else [action["next"] for node in copy["nodes"] for action in node["actions"]]
        )
        for items in lists:
            short_law = _round_law([item["probability"] for item in items], denominator)
            if short_law is None:
                return
            for item, p in zip(items, short_law, strict=True):
                item["probability"] = p
    if _cost(_content_numbers(copy)) < before:
        yield replace(candidate, content=copy)


def _one_reward(candidate: Candidate, place: int, denominator: int) -> Iterator[Candidate]:
    copy = deepcopy(dict(candidate.content))
    for edge in edges(copy):
        if "rewards" in edge:
            if place < len(edge["rewards"]):
                short = _round(edge["rewards"][place], denominator)
                if _cost([short]) < _cost([edge["rewards"][place]]):
                    edge["rewards"][place] = short
                    yield replace(candidate, content=copy)
                return
            place -= len(edge["rewards"])


def _round(value: Fraction, denominator: int) -> Fraction:
    return Fraction(round(value * denominator), denominator)


def _round_law(values: Any, denominator: int) -> list[Fraction] | None:
    """Positive multiples of 1/denominator near a law that sum to one; the uniform law first of all."""
    if denominator == 1:
        return [Fraction(1, len(values))] * len(values)
    if denominator < len(values):
        return None
    parts = [max(round(v * denominator), 1) for v in values]
    parts[parts.index(max(parts))] += denominator - sum(parts)
    return [Fraction(part, denominator) for part in parts] if min(parts) > 0 else None


def _round_behaviour(behaviour: Behaviour, sizes: list[int], denominator: int) -> Behaviour | None:
    if isinstance(behaviour, Shared):
        rows = tuple(tuple(_round(v, denominator) for v in row) for row in behaviour.features)
        return Shared(rows, tuple(_round(v, denominator) for v in behaviour.parameters))
    result: list[Fraction] = []
    start = 0
    for size in sizes:
        short = _round_law(behaviour[start : start + size], denominator)
        if short is None:
            return None
        result += short
        start += size
    return tuple(result)


def _flat(behaviour: Behaviour) -> list[Fraction]:
    if isinstance(behaviour, Shared):
        return [v for row in behaviour.features for v in row] + list(behaviour.parameters)
    return list(behaviour)


def _content_numbers(content: Any) -> list[Fraction]:
    numbers = [component["weight"] for component in content["components"]] + [
        prompt["probability"] for prompt in content["prompts"]
    ]
    for edge in edges(content):
        numbers += [edge["probability"], *edge.get("rewards", ())]
    return numbers


def _cost(values: Any) -> int:
    """Digits: a number with small numerator and denominator is simple."""
    return sum(abs(v.numerator).bit_length() + v.denominator.bit_length() for v in values)
