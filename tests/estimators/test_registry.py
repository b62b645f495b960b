"""Estimators are found by name, everywhere, and what is not known is refused everywhere."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bounds import CLAIMS
from tamdp_theory import InputError, TabularSoftmax, estimators, exact, families, grpo
from tamdp_theory.estimators import Contrast, Estimator, Place, Scheme, resolve
from tamdp_theory.estimators.center import Center
from tamdp_theory.exact import balls
from tests.helpers.command import here, refused

ENV = families.bandit([(0,), ([("1/4", (1,)), ("3/4", (0,))])], name="rare")
POLICY = TabularSoftmax(ENV)
KNOWN = "normalization: must be one of "
ENTRIES: dict[str, Callable[[Any], object]] = {
    "scheme": lambda name: Scheme(4, name),
    "group moments": lambda name: exact.group_moments([0.5, 0.5], [[0], [1]], [1], 4, name),
    "update": lambda name: exact.update_moments(ENV, POLICY, 4, name),
    "surrogate": lambda name: exact.surrogate(ENV, POLICY, POLICY, 4, name),
    "curl": lambda name: exact.curl([0.5, 0.5], [[0], [1]], [1], 4, name),
    "balls": lambda name: balls.update(ENV, POLICY, 4, name),
    "advantages": lambda name: grpo.advantages([[[0.0], [1.0]]], [1.0], name),
    "training": lambda name: grpo.train(ENV, POLICY, grpo.Config(normalization=name, steps=1)),
    "claim": lambda name: CLAIMS["L5"].check(ENV, POLICY, group_size=4, normalization=name),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("name", ["centre", "", "joint", 3])
def test_the_unknown_is_refused(entry: str, name: object) -> None:
    with pytest.raises(InputError, match=KNOWN):
        ENTRIES[entry](name)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("name", ["leave_one_out", "pass_at_1"])
def test_the_known_is_taken(entry: str, name: str) -> None:
    size = 2 if entry == "advantages" else 4
    ENTRIES[entry]("leave_one_out" if size == 2 else name)


@pytest.mark.parametrize("command", ["exact", "train", "certify"])
def test_commands_refuse_the_unknown(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ENV.save(tmp_path / "env.json")
    claim = ["--claim", "L5"] if command == "certify" else []
    done = here(capsys, command, str(tmp_path / "env.json"), *claim, "--normalization", "centre")
    assert refused(done).startswith(KNOWN)


def test_names_and_objects_are_one() -> None:
    assert Scheme(4, Center()) == Scheme(4, "center") and Scheme(4, Center()).normalization == "center"
    assert set(estimators.names()) >= {"center", "sum_then_normalize", "normalize_then_sum", "leave_one_out"}
    assert str(resolve("pass_at_3")) == "pass_at_3" and resolve("pass_at_3") == resolve("pass_at_3")
    scheme = Scheme(4, Contrast(share=Fraction(1, 2)), 1e-3, 1)
    assert pickle.loads(pickle.dumps(scheme)) == scheme and scheme.under("center") == Scheme(4, "center", 1e-3, 1)
    assert replace(scheme, group_size=5).estimator == scheme.estimator != Contrast()


@dataclass(frozen=True, kw_only=True)
class Doubled(Estimator):
    """An estimator that nobody has registered: twice the centred one, without saying so."""

    name: str = "doubled"
    statistics: Any = "total"
    linear: bool = True

    def gain(self, place: Place) -> Any:
        return place.times(place.distance, Fraction(2))


def test_an_object_of_ones_own_goes_everywhere() -> None:
    rows, weights, p = [[0], ["1/3"], [1]], [1], np.array([0.2, 0.3, 0.5])
    own = exact.group_moments(p, rows, weights, 5, Doubled())
    center = exact.group_moments(p, rows, weights, 5, "center")
    np.testing.assert_allclose(own.first, 2 * center.first, rtol=1e-12)
    np.testing.assert_allclose(own.second, 4 * center.second, rtol=1e-12)
    np.testing.assert_allclose(own.cross, 4 * center.cross, rtol=1e-12)
    found = CLAIMS["L6"].check(ENV, POLICY, group_size=3, normalization=Doubled())
    assert str(found.verdict) == "holds"


@pytest.mark.parametrize("name", ["leave_one_out", "pass_at_2"])
@pytest.mark.parametrize("claim", ["L7", "L7.upper", "L9", "L9.decomposed", "T1.stationary", "T2.closed"])
def test_claims_about_other_estimators_do_not_speak(claim: str, name: str) -> None:
    """What is proved of the standardized reward is not said of another estimator, in floats or exactly."""
    env = families.bandit([(0,), (1,)])
    instance_scheme = Scheme(4, name)
    check = CLAIMS[claim].check(env, group_size=4, normalization=instance_scheme.normalization, steps=3, runs=4)
    assert str(check.verdict) == "assumption_unmet"


@pytest.mark.parametrize(
    "name", ["mad", "rank", "softmax", "signed(negative=0)", "max_at_2", "leave_one_out_normalize"]
)
def test_no_claim_is_wrong_about_an_estimator(name: str) -> None:
    """Every claim either does not speak of it, or holds; also where nothing bounds its advantages in general."""
    env = families.bandit([(0,), ("1/2",), (1,)])
    told = 0
    for claim in CLAIMS.values():
        if claim.needs_reference or claim.id.startswith("T3"):
            continue
        found = str(claim.check(env, group_size=4, normalization=name, steps=3, runs=4).verdict)
        assert found in ("holds", "assumption_unmet", "vacuous"), claim.id
        told += found == "holds"
    assert told >= 8
