"""Risks and oscillations by listing every trajectory, and what does not fit."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction as F
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamdp_theory import TAMDP, Domains, InputError, LogLinear, Network, Policy, TabularSoftmax, exact, families, risks
from tamdp_theory.domains import extend, join, part, prompt_values, restrict
from tamdp_theory.policies.base import Floats
from tamdp_theory.strategies import documents, policies
from tests.helpers.domains import BOTH, DEEP, MAKERS, ONLY_SHALLOW, SHALLOW, laws
from tests.helpers.oracle import paths

# -- risks -------------------------------------------------------------------------------------------------------------


def brute(
    content: dict[str, Any],
    tables: Sequence[Floats],
    posterior: Sequence[float],
    source: Sequence[F],
    target: Sequence[F],
) -> dict[str, Any]:
    """Risks by listing every trajectory."""
    weights = [F(c["weight"]) for c in content["components"]]
    value = [[0.0] * len(weights) for _ in content["prompts"]]
    for table, share in zip(tables, posterior, strict=True):
        for path in paths(content, table):
            for k, r in enumerate(path.rewards):
                value[path.prompt][k] += share * path.probability * float(r)
    loss = [1 - sum(float(w) * v for w, v in zip(weights, row, strict=True)) / float(sum(weights)) for row in value]
    seen = [row for row, s, t in zip(value, source, target, strict=True) if s or t]

    def mean(law: Sequence[F], k: int) -> float:
        return sum(float(p) * (1 - row[k]) for p, row in zip(law, value, strict=True))

    return {
        "source": sum(float(s) * x for s, x in zip(source, loss, strict=True)),
        "target": sum(float(t) * x for t, x in zip(target, loss, strict=True)),
        "source_components": [mean(source, k) for k in range(len(weights))],
        "target_components": [mean(target, k) for k in range(len(weights))],
        "oscillation": [max(row[k] for row in seen) - min(row[k] for row in seen) for k in range(len(weights))],
        "per_prompt": loss,
    }


@settings(max_examples=50, deadline=None)
@given(st.data(), documents(max_prompts=3))
def test_risks_by_listing_every_trajectory(data: st.DataObject, content: dict[str, Any]) -> None:
    env = TAMDP.from_dict(content)
    source, target = data.draw(laws(env.n_prompts)), data.draw(laws(env.n_prompts))
    members = data.draw(st.lists(policies(env), min_size=1, max_size=3))
    posterior = [float(p) for p in data.draw(laws(len(members)))]
    tables = [policy.probabilities() for policy in members]
    domains = Domains.of(env, source, target)
    cases = [
        (members, posterior, brute(content, tables, posterior, source, target)),
        (members[0], None, brute(content, tables[:1], [1.0], source, target)),
    ]
    cases.append((members, None, brute(content, tables, [1 / len(members)] * len(members), source, target)))
    for chosen, shares, expected in cases:
        found = risks(domains, chosen, shares)
        for name, numbers in expected.items():
            np.testing.assert_allclose(getattr(found, name), numbers, atol=1e-13, err_msg=name)
            assert (np.asarray(getattr(found, name)) >= 0).all() and (np.asarray(getattr(found, name)) <= 1).all()
    values = prompt_values(env, members)
    assert values.shape == (len(members), env.n_prompts, env.n_components)
    for s, policy in enumerate(members):
        np.testing.assert_allclose(values[s], exact.values(env, policy).per_prompt, atol=1e-14)


@pytest.mark.parametrize("cells", [1, 600])
def test_blocks_of_policies_change_nothing(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    members = [TabularSoftmax.random(DEEP, np.random.default_rng(seed)) for seed in range(7)]
    together = prompt_values(DEEP, members)
    monkeypatch.setattr("tamdp_theory.domains.CELLS", cells)
    np.testing.assert_array_equal(prompt_values(DEEP, members), together)


def test_the_oscillation_is_of_averages_and_over_the_support() -> None:
    """Two policies, each good on one prompt: their average is the same on both; the third prompt is in
    neither domain.
    """
    env = families.contextual_bandit([[1, 0], [1, 0], ["1/2"]])
    far = 1e4
    first, second = (TabularSoftmax(env, [[0, side], [side, 0], [0, 0]]) for side in (-far, far))
    third_unseen = Domains.of(env, ["1/2", "1/2", 0], ["3/4", "1/4", 0])
    assert risks(third_unseen, [first, second]).oscillation == pytest.approx([0])
    assert risks(third_unseen, [first, second], [0.75, 0.25]).oscillation == pytest.approx([0.5])
    assert risks(third_unseen, first).oscillation == pytest.approx([1])
    assert risks(Domains.of(env, ["1/2", "1/2", 0], ["3/4", 0, "1/4"]), first).oscillation == pytest.approx([1])
    assert risks(Domains.of(env, [1, 0, 0], [0, 0, 1]), first).oscillation == pytest.approx([0.5])


def test_rounding_leads_nowhere_out_of_the_unit_interval() -> None:
    env = families.contextual_bandit([[1] * 7] * 3)
    members = [TabularSoftmax.random(env, np.random.default_rng(seed)) for seed in range(100)]
    assert prompt_values(env, members).max() > 1
    domains = Domains.of(env, ["1/3"] * 3, ["1/2", "1/4", "1/4"])
    for found in (risks(domains, policy) for policy in members):
        numbers = [found.source, found.target, *found.source_components, *found.target_components, *found.per_prompt]
        assert min(numbers) >= 0


def test_source_and_target_are_not_mixed_up() -> None:
    """T3.printed's instance: V = (0, 1), D_S = (1/2, 1/2), D_T = (3/4, 1/4)."""
    env = families.contextual_bandit([[0], [1]])
    found = risks(Domains.of(env, ["1/2", "1/2"], ["3/4", "1/4"]), TabularSoftmax(env))
    assert (found.source, found.target) == (0.5, 0.75)
    assert found.per_prompt.tolist() == [1, 0] and found.oscillation.tolist() == [1]


@settings(max_examples=30, deadline=None)
@given(st.data(), documents(max_prompts=3), st.randoms(use_true_random=False))
def test_order_of_the_prompts(data: st.DataObject, content: dict[str, Any], random: Any) -> None:
    env = TAMDP.from_dict(content)
    source, target = data.draw(laws(env.n_prompts)), data.draw(laws(env.n_prompts))
    order = list(range(env.n_prompts))
    random.shuffle(order)
    content["prompts"] = [content["prompts"][q] for q in order]
    turned, policy = TAMDP.from_dict(content), data.draw(policies(env))
    one = risks(Domains.of(env, source, target), policy)
    two = risks(Domains.of(turned, [source[q] for q in order], [target[q] for q in order]), restrict(policy, turned))
    for name in ("source", "target", "source_components", "target_components", "oscillation"):
        np.testing.assert_allclose(getattr(two, name), getattr(one, name), atol=1e-14, err_msg=name)
    np.testing.assert_allclose(two.per_prompt, one.per_prompt[order], atol=1e-14)


# -- what does not fit -------------------------------------------------------------------------------------------------

_TABULAR, _SHALLOW = TabularSoftmax(BOTH), part(BOTH, ONLY_SHALLOW, "shallow")


_HEAVY = SHALLOW.with_weights((1, 1, 1))


_PAIR = Domains.of(BOTH, ONLY_SHALLOW, ["1/4"] * 4)


def _network(hidden: int = 2, **parts: Any) -> Network:
    return Network(SHALLOW, hidden, generator=np.random.default_rng(0), **parts)


class _Odd(Policy):
    """A kind of policy that ``restrict`` does not know."""

    def __init__(self, env: TAMDP) -> None:
        self.env, self.parameters = env, np.zeros(0)

    def with_parameters(self, parameters: Floats) -> "_Odd":
        return self

    def pair_logits(self, parameters: Floats) -> Floats:
        return np.zeros((self.env.n_pairs, 1))

    def pull_back(self, sensitivities: Floats, parameters: Floats) -> Floats:
        return np.zeros((0, 1))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Domains.of(BOTH, [1], ["1/4"] * 4), "source: 1 given for 4 prompts"),
        (
            lambda: Domains.of(BOTH, ONLY_SHALLOW, [0.5, 0.5, 0.5, -0.5]),
            "target[3]: -0.5 must be 0 or between 1e-300 and 1",
        ),
        (lambda: Domains.of(BOTH, ONLY_SHALLOW, [F(1, 10**301), 1, 0, 0]), "target[0]: 1e-301 must be 0 or between"),
        (
            lambda: Domains.of(BOTH, [1 / 3, 1 / 3, 1 / 3, 0], ONLY_SHALLOW),
            "source: sums to one minus 1e-16, not to one exactly; write thirds as",
        ),
        (lambda: Domains.of(BOTH, [1, 1, 0, 0], ONLY_SHALLOW), "source: sums to one plus 1, not to one exactly"),
        (lambda: Domains.of(BOTH, ONLY_SHALLOW, [1, 0, "x", 0]), "target[2]: 'x' is not a number"),
        (lambda: Domains.of(BOTH, ONLY_SHALLOW, [1, 0, math.nan, 0]), "target[2]: expected a finite number, got nan"),
        (lambda: Domains.of(BOTH, "1000", ONLY_SHALLOW), "source: expected a sequence of 4 numbers, got '1000'"),
        (lambda: Domains(BOTH, (F(1),), (F(1),)), "source: 1 given for 4 prompts"),
        (lambda: part(BOTH, ["1/2", "1/4", 0, 0]), "probability: sums to one minus 0.25"),
        (lambda: join({}, []), "processes: empty"),
        (lambda: join({"a": SHALLOW}, ["1/2", "1/2"]), "probability: 2 given for 1 processes"),
        (lambda: join({"a": SHALLOW, "b": DEEP}, [1, 0]), "probability[1]: 0; leave process 'b' out"),
        (
            lambda: join({"a": SHALLOW, "b": _HEAVY}, [0.5, 0.5]),
            "processes['b']: components or weights differ from those of 'a'; see with_weights",
        ),
        (lambda: join({"a": SHALLOW, "b": families.coding()}, [0.5, 0.6]), "probability: sums to one plus 0.1"),
        (
            lambda: restrict(TabularSoftmax(SHALLOW), BOTH),
            "'search-2x0' has no node 'deep/q0'; 'deep+shallow' must be a part of it",
        ),
        (
            lambda: restrict(TabularSoftmax(DEEP), SHALLOW),
            "node 'q0': has other actions in 'search-2x0' than in 'search-2x1'; make it with part",
        ),
        (
            lambda: restrict(_Odd(SHALLOW), SHALLOW),
            "policy: cannot carry a _Odd; only tabular, log-linear and network policies",
        ),
        (lambda: extend(TabularSoftmax(SHALLOW), _TABULAR), "'deep+shallow' has no node 'q0'"),
        (
            lambda: extend(LogLinear(_SHALLOW), _TABULAR),
            "policy: not of the kind, features, encoding, outputs or width of ``like``",
        ),
        (lambda: extend(LogLinear(_SHALLOW), LogLinear(BOTH)), "policy: not of the kind, features"),
        (
            lambda: extend(Network(_SHALLOW, 3, generator=np.random.default_rng(0)), MAKERS["network"](BOTH)),
            "policy: not of the kind, features",
        ),
        (
            lambda: extend(_network(encoding=np.eye(2)), _network(encoding=np.ones((2, 2)))),
            "policy: not of the kind, features",
        ),
        (
            lambda: extend(
                _network(outputs=["x", *SHALLOW.action_names[:3]]), _network(outputs=[*SHALLOW.action_names[:3], "x"])
            ),
            "policy: not of the kind",
        ),
        (lambda: extend(_network(hidden=2), _network(hidden=3)), "policy: not of the kind, features"),
        (lambda: risks(_PAIR, TabularSoftmax(_SHALLOW)), "the policy belongs to 'shallow', not to 'deep+shallow'"),
        (lambda: risks(_PAIR, []), "policies: empty; give at least one"),
        (lambda: risks(_PAIR, [_TABULAR], [0.5, 0.5]), "posterior: expected 1 probabilities, got shape (2,)"),
        (
            lambda: risks(_PAIR, [_TABULAR], [[1.0]]),
            "posterior: expected one number for each of 1 policies, got shape (1, 1)",
        ),
        (lambda: risks(_PAIR, [_TABULAR, _TABULAR], [0.5, 0.6]), "posterior: probabilities must sum to 1"),
        (
            lambda: Network(BOTH, outputs=["careful"], generator=np.random.default_rng(0)),
            "outputs: no logit for action 'search+' of 'deep+shallow'; add it",
        ),
        (
            lambda: Network(SHALLOW, outputs=["a", "a"], generator=np.random.default_rng(0)),
            "outputs: an action name appears twice",
        ),
    ],
)
def test_what_does_not_fit(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value).startswith(says)
