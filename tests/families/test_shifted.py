"""Domains with a known shift: the facts of the module docstring, and that both sides are what the family makes."""

import math
from collections.abc import Callable
from fractions import Fraction as F
from typing import Any

import numpy as np
import pytest

from tamdp_theory import TAMDP, Domains, InputError, LogLinear, TabularSoftmax, risks
from tamdp_theory.domains import part
from tamdp_theory.families import coding, coding_domains, contextual_bandit, search, search_domains, shift
from tamdp_theory.model import TOOL
from tests.helpers.family_oracle import means, read, uniform
from tests.helpers.search_values import V

OVERLAPS = [F(0), F(1, 4), F(2, 3), F(1)]
IMAGES = ([("dark",), ()], [("rotated", "dark", "wide"), ("dark", "wide")])
CALLS: dict[str, Callable[[Any], Domains]] = {
    "search": lambda o: search_domains(overlap=o),
    "search, difficulties": lambda o: search_domains(
        2, 1, ("4/5", "4/5"), "1/10", overlap=o, difficulties=([0, 1], [2, 1])
    ),
    "coding": lambda o: coding_domains(2, 1, overlap=o),
    "coding, images": lambda o: coding_domains(2, 1, (1, 1), overlap=o, images=IMAGES),
}
each = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
on_overlaps = pytest.mark.parametrize("overlap", OVERLAPS, ids=str)


def playing(env: TAMDP, choose: Callable[[str, list[str]], str]) -> TabularSoftmax:
    """The policy that always takes choose(prompt/node id without the domain, names of the legal actions)."""
    table = np.full((env.n_nodes, env.n_actions), -1e4)
    for x in range(env.n_nodes):
        names = [env.action_names[i] for i in np.flatnonzero(env.pair_node == x)]
        table[x, names.index(choose(env.node_ids[x].split("/", 1)[1], names))] = 0.0
    return TabularSoftmax(env, table)


def at_once(answer: str) -> Callable[[str, list[str]], str]:
    return lambda _, names: answer


def one_call(tool: str, answer: str) -> Callable[[str, list[str]], str]:
    return lambda node, _: answer if "/" in node else tool


@each
@on_overlaps
def test_distances(call: Callable[[Any], Domains], overlap: F) -> None:
    domains, o = call(overlap), float(overlap)
    n = domains.env.n_prompts // 2
    assert domains.source == ((1 - overlap / 2) / n,) * n + (overlap / 2 / n,) * n
    assert domains.target == domains.source[n:] + domains.source[:n]
    assert domains.total_variation == 1 - overlap
    assert domains.divergence == (pytest.approx((1 - o) * math.log((2 - o) / o), abs=1e-15) if o else math.inf)
    assert domains.chi_squared == (4 * (1 - overlap) ** 2 / (overlap * (2 - overlap)) if o else math.inf)


@each
def test_risk_difference_is_linear_in_the_overlap(call: Callable[[Any], Domains]) -> None:
    policy = TabularSoftmax.random(call(0).env, np.random.default_rng(0))
    whole = risks(call(0), policy)
    gap = whole.target_components - whole.source_components
    assert np.abs(gap).max() > 1e-3
    for overlap in OVERLAPS:
        found = risks(call(overlap), policy)
        np.testing.assert_allclose(
            found.target_components - found.source_components, float(1 - overlap) * gap, atol=1e-15
        )
        assert found.target - found.source == pytest.approx(
            float(1 - overlap) * (whole.target - whole.source), abs=1e-15
        )
        assert (
            np.abs(found.target_components - found.source_components) <= float(1 - overlap) * found.oscillation + 1e-15
        ).all()
        np.testing.assert_allclose(found.oscillation, whole.oscillation, atol=1e-15)


def test_each_side_is_what_the_family_makes() -> None:
    easy, hard = [0, 1], [2, 3]
    shared: dict[str, Any] = {"think": True, "parse_failure": (0, "1/9"), "weights": (1, 2, 3)}
    domains = search_domains(2, 1, ("9/10", "1/3"), "1/7", difficulties=(easy, hard), name="mine", **shared)
    pictures = coding_domains(2, 1, ("9/10", "1/3"), images=IMAGES, name="mine", **shared)
    made = [
        search(2, 1, "9/10", "1/7", difficulties=easy, **shared),
        search(2, 1, "1/3", "1/7", difficulties=hard, **shared),
        coding(2, 1, "9/10", images=IMAGES[0], **shared),
        coding(2, 1, "1/3", images=IMAGES[1], **shared),
    ]
    sides = [domains.source_process, domains.target_process, pictures.source_process, pictures.target_process]
    for side, expected, key in zip(sides, made, ["source", "target"] * 2, strict=True):
        assert list(side.node_ids) == [f"{key}/{node_id}" for node_id in expected.node_ids]
        assert (side.observations, side.action_names) == (expected.observations, expected.action_names)
        assert (side.exact_prompt_probability, side.exact_weights) == (
            expected.exact_prompt_probability,
            expected.exact_weights,
        )
        np.testing.assert_array_equal(side.edge_probability, expected.edge_probability)
        np.testing.assert_array_equal(side.edge_target, expected.edge_target)
        np.testing.assert_array_equal(side.class_rewards, expected.class_rewards)
    assert domains.env.name == pictures.env.name == "mine"
    assert (search_domains(2, 1, think=True).env.name, coding_domains().env.name) == (
        "search-domains-2x1-think",
        "coding-domains-3x2",
    )


def test_a_policy_by_observation_acts_alike_in_both_domains() -> None:
    domains = search_domains(2, 1)
    linear = LogLinear(domains.env)
    assert linear.n_parameters == LogLinear(domains.source_process).n_parameters
    table = linear.with_parameters(np.random.default_rng(0).standard_normal(linear.n_parameters)).probabilities()
    half = domains.env.n_nodes // 2
    np.testing.assert_array_equal(table[:half], table[half:])


# -- what transfers free -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [search_domains, coding_domains], ids=["search", "coding"])
@on_overlaps
def test_tagged_answers_keep_the_format(make: Callable[..., Domains], overlap: F) -> None:
    """Whatever else the policy does; here the untagged answer is never taken, all else is random."""
    domains = make(overlap=overlap)
    env, table = domains.env, np.random.default_rng(1).standard_normal((domains.env.n_nodes, domains.env.n_actions))
    untagged = [i for i, name in enumerate(env.action_names) if name == "untagged"]
    table[env.pair_node[untagged], env.pair_action[untagged]] = -1e4
    found = risks(domains, TabularSoftmax(env, table))
    assert [found.source_components[0], found.target_components[0], found.oscillation[0]] == pytest.approx(
        [0, 0, 0], abs=1e-15
    )
    assert found.oscillation[1] > 1e-2 < found.oscillation[2]


def test_malformed_calls_and_thoughts_cost_format() -> None:
    """Each condition of the fact is needed."""
    for domains in (
        search_domains(2, 1, malformed="1/10", difficulties=([0, 0], [1, 1])),
        coding_domains(2, 1, think=True),
    ):
        env, in_source = domains.env, domains.source_process.n_nodes
        table = np.zeros((env.n_nodes, env.n_actions))
        for i, name in enumerate(env.action_names):
            x, calls_on_target = env.pair_node[i], env.pair_kind[i] == TOOL and env.pair_node[i] >= in_source
            table[x, env.pair_action[i]] = -1e4 if name == "untagged" or calls_on_target else 0.0
        assert risks(domains, TabularSoftmax(env, table)).oscillation[0] > 1e-2


@on_overlaps
def test_one_call_attains_the_bound_on_executability(overlap: F) -> None:
    """Its value is the reliability, everywhere; the shift term of T3.shift is attained."""
    found = {
        "search": (search_domains(3, 2, ("9/10", "2/5"), overlap=overlap), one_call("search+", "careful")),
        "coding": (coding_domains(3, 2, ("9/10", "2/5"), overlap=overlap), one_call("crop", "read")),
    }
    for domains, choose in found.values():
        risk = risks(domains, playing(domains.env, choose))
        assert risk.oscillation[2] == pytest.approx(0.5, abs=1e-14)
        assert risk.target_components[2] - risk.source_components[2] == pytest.approx(
            float(domains.total_variation) * risk.oscillation[2], abs=1e-14
        )
        assert risk.source_components[2] == pytest.approx(
            float((1 - overlap / 2) * F(1, 10) + overlap / 2 * F(3, 5)), abs=1e-14
        )
    lossy = search_domains(2, 1, ("9/10", "2/5"), "1/10", overlap=overlap)
    assert risks(lossy, playing(lossy.env, one_call("search+", "careful"))).oscillation[2] == pytest.approx(
        0.45, abs=1e-14
    )


def test_executability_transfers_free_between_difficulties_and_images() -> None:
    for domains, tool, answer in (
        (search_domains(2, 1, ("4/5", "4/5"), difficulties=([0, 1], [2, 3])), "search+", "careful"),
        (coding_domains(2, 1, ("4/5", "4/5"), images=IMAGES), "crop", "read"),
    ):
        once = risks(domains, playing(domains.env, one_call(tool, answer)))
        never = risks(domains, playing(domains.env, at_once(answer)))
        assert [once.oscillation[2], once.target_components[2]] == pytest.approx([0, 0.2], abs=1e-14)
        assert [never.oscillation[2], never.target_components[2]] == pytest.approx([0, 0], abs=1e-14)
        assert abs(once.target - once.source) > 1e-2 < abs(never.target - never.source)


@on_overlaps
def test_accuracy_of_answering_at_once(overlap: F) -> None:
    def gap(domains: Domains, answer: str) -> float:
        found = risks(domains, playing(domains.env, at_once(answer)))
        return float(found.target_components[1] - found.source_components[1])

    questions = search_domains(2, 1, overlap=overlap, difficulties=([0, 1], [1, 2]))
    assert gap(questions, "careful") == pytest.approx(float((1 - overlap) * (V[0] - V[2]) / 2), abs=1e-15)
    pictures = coding_domains(2, 1, overlap=overlap, images=IMAGES)
    assert gap(pictures, "read") == pytest.approx(
        float((1 - overlap) * F(9, 20) * (F(1, 2) + 1 - F(1, 8) - F(1, 4))), abs=1e-15
    )
    for only_tools in (search_domains(overlap=overlap), coding_domains(overlap=overlap)):
        assert gap(only_tools, "careful" if "careful" in only_tools.env.action_names else "read") == pytest.approx(
            0, abs=1e-15
        )


def test_risks_against_exact_means() -> None:
    domains = search_domains(2, 1, overlap="1/2", difficulties=([0, 2], [1, 1]))
    for law, found in ((domains.source, "source_components"), (domains.target, "target_components")):
        process = read(part(domains.env, law).to_dict())
        expected = means(process, uniform(process))
        assert getattr(risks(domains, TabularSoftmax(domains.env)), found) == pytest.approx(
            [float(1 - v) for v in expected], abs=1e-14
        )


# -- shift -------------------------------------------------------------------------------------------------------------


def test_shift_of_any_two_processes() -> None:
    source, target = contextual_bandit([[1], [0]], ["1/4", "3/4"]), contextual_bandit([[0]])
    domains = shift(source, target, "1/2", "two")
    assert domains.source == (F(3, 16), F(9, 16), F(1, 4)) and domains.target == (F(1, 16), F(3, 16), F(3, 4))
    assert domains.env.name == "two" and domains.env.prompt_names == ("source/q0", "source/q1", "target/q0")
    assert shift(source, target).total_variation == 1


@pytest.mark.parametrize("make", [search_domains, coding_domains], ids=["search", "coding"])
def test_full_overlap_is_no_shift(make: Callable[..., Domains]) -> None:
    domains = make(overlap=1)
    found = risks(domains, TabularSoftmax.random(domains.env, np.random.default_rng(2)))
    assert found.source == found.target and (found.source_components == found.target_components).all()
    assert domains.divergence == domains.chi_squared == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: search_domains(overlap=1.5), "overlap: must be in [0, 1], got 1.5"),
        (lambda: coding_domains(overlap=-1), "overlap: must be in [0, 1], got -1"),
        (lambda: search_domains(reliability=("1/2",)), "reliability: expected two, for source and target, got 1"),
        (lambda: search_domains(reliability="1/2"), "reliability: expected a sequence, got '1/2'"),
        (lambda: search_domains(reliability=(1, 0)), "target: reliability: must be in (0, 1], got 0"),
        (lambda: search_domains(difficulties=([0], None)), "source: difficulties: 1 given for 3 prompts"),
        (lambda: coding_domains(images=(None, [("blurred",)] * 3)), "target: images[0]: expected distinct defects"),
        (lambda: coding_domains(images=[None] * 3), "images: expected two, for source and target, got 3"),
        (lambda: shift(search(), search(weights=(1, 1, 1))), "processes['target']: components or weights differ"),
    ],
)
def test_messages(make: Callable[[], Domains], message: str) -> None:
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value).startswith(message)
