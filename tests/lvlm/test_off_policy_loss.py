"""TRL's own loss with a divergence, and after the model has moved, against the surrogate of this package, as
``explain`` reads the same configuration. Expectations are over all groups, as in test_expected_loss.py.

Where a completion is one token, ratios and divergences of tokens, of sequences and of trajectories are the same.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("trl")

from tamdp_theory import exact
from tamdp_theory.policies import Policy
from tests.helpers.language_training import agree, expected, moments, recipe
from tests.helpers.languages import Language

pytestmark = [pytest.mark.lvlm, pytest.mark.filterwarnings("default")]

WORDS = {"p": {"yes": ["1"], "no": ["0"], "so": ["1/2"], "it": ["1/4"]}}  # one token each
NOW, REFERENCE, OLD = (Language(WORDS, seed=seed) for seed in (1, 2, 7))
TEXTS = {"p": {"yes": ["0"], "no": ["0"], "so it no": ["0"], "w": None}, "w": {"yes": ["0"], "no": ["0"]}}
BETA = 0.5


def probability(language: Language) -> Any:
    return np.array([language.probability[choice] for choice in language.choices])


def of(language: Language, policy: Language) -> Policy:
    """The policy of one language on the twin of another."""
    return language.policy.with_parameters(policy.policy.parameters)


def surrogate(size: int, **settings: Any) -> Any:
    """Gradient of the package's surrogate at the choices, groups drawn by OLD."""
    found = recipe(size, **settings)
    scheme = found.scheme
    assert scheme is not None and found.clip is not None and found.kl in ("none", "k3 times ratio")
    return exact.surrogate(
        NOW.twin,
        NOW.policy,
        of(NOW, OLD),
        size,
        scheme.normalization,
        found.clip,
        found.kl_coef,
        of(NOW, REFERENCE) if found.kl_coef else None,
        scheme.eps,
        scheme.ddof,
        aggregation=scheme.aggregation,
    ).gradient[NOW.places]


# Ratios


@pytest.mark.parametrize("importance_sampling_level", ["token", "sequence"])
@pytest.mark.parametrize("loss_type", ["grpo", "dapo", "bnpo", "dr_grpo"])
def test_clipped_ratios(tmp_path: Path, loss_type: str, importance_sampling_level: str) -> None:
    settings = {"loss_type": loss_type, "importance_sampling_level": importance_sampling_level}
    settings |= {"epsilon": 0.1, "epsilon_high": 0.15}
    found, _ = moments(NOW, tmp_path, 3, OLD, max_completion_length=1, **settings)
    mean = surrogate(3, **settings)
    agree(found, mean)
    for other in ({"epsilon": 1.0, "epsilon_high": 1e9}, {"epsilon": 0.7}, {"epsilon_high": 0.4}):  # each side counts
        assert np.linalg.norm(surrogate(3, **settings | other) - mean) > 0.02 * np.linalg.norm(mean)


@pytest.mark.parametrize("cap", [None, 1.2])
def test_cut_ratios(tmp_path: Path, cap: float | None) -> None:
    """CISPO: the ratio, cut to epsilon_high itself, times the advantage times the score. Unset, it is epsilon."""
    settings = {"loss_type": "cispo", "epsilon": 0.3} | ({} if cap is None else {"epsilon_high": cap})
    found, _ = moments(NOW, tmp_path, 3, OLD, max_completion_length=1, **settings)
    read = recipe(3, **settings)
    scheme = read.scheme
    assert scheme is not None and read.clip is not None and 1 - read.clip[0] == 0
    old, new = probability(OLD), probability(NOW)
    rewards = [NOW.moves[state][text] or () for state, text in NOW.choices]
    h = exact.group_moments(
        old, rewards, [1], 3, scheme.normalization, scheme.eps, scheme.ddof, [1] * 4, scheme.aggregation
    ).first
    pull = old * np.minimum(new / old, 1 + read.clip[1]) * h
    agree(found, pull - new * pull.sum())
    assert any("cuts ratios" in note for note in read.notes) is (cap is None)


# The divergence


@pytest.mark.parametrize("loss_type", ["grpo", "dapo"])
def test_divergence_and_ratios(tmp_path: Path, loss_type: str) -> None:
    """The ratio times k3, TRL's default, has the gradient of KL(pi || ref) whoever drew the groups."""
    settings = {"loss_type": loss_type, "beta": BETA}
    found, _ = moments(NOW, tmp_path, 2, OLD, reference=REFERENCE, max_completion_length=1, **settings)
    agree(found, surrogate(2, **settings))


@pytest.mark.parametrize("corrected", [True, False])
@pytest.mark.parametrize("loss_type", ["grpo", "dapo"])
def test_divergence_of_one_token(tmp_path: Path, corrected: bool, loss_type: str) -> None:
    """On policy, with the ratio: E grad = grad KL(pi || ref). k3 alone: grad KL(ref || pi), at logits pi - ref."""
    settings = {"loss_type": loss_type, "beta": BETA, "use_bias_correction_kl": corrected}
    found, _ = moments(NOW, tmp_path, 2, reference=REFERENCE, max_completion_length=1, **settings)
    forward = exact.divergence(NOW.twin, NOW.policy, of(NOW, REFERENCE)).gradient[NOW.places]
    gradient = {"k3 times ratio": forward, "k3": probability(NOW) - probability(REFERENCE)}
    assert np.linalg.norm(gradient["k3"] - forward) > 0.02
    read = recipe(2, **settings)
    agree(found, expected(NOW, 2, **settings)[0] - read.kl_coef * gradient[read.kl])


@pytest.mark.parametrize("corrected", [True, False])
def test_divergence_of_several_tokens(tmp_path: Path, corrected: bool) -> None:
    """TRL adds up estimates of the tokens, so visits to states are held fixed: E grad = sum_x d(x) grad KL_x, which is
    not the gradient of the divergence of trajectories (L1), as explain notes. Without rewards, over trajectories.
    """
    language, reference = Language(TEXTS, seed=1), Language(TEXTS, seed=8)
    settings = {"loss_type": "luspo", "beta": BETA, "use_bias_correction_kl": corrected}
    found, _ = moments(language, tmp_path, 2, reference=reference, **settings)
    pi, ref = probability(language), probability(reference)
    states = np.array([state for state, _ in language.choices])
    visits = np.where(states == "p", 1.0, language.probability["p", "w"])
    log_ratio = np.log(pi / ref)
    divergence = np.array([(pi * log_ratio)[states == state].sum() for state in states])
    agree(found, -BETA * visits * (pi * (log_ratio - divergence) if corrected else pi - ref))
    whole = exact.divergence(language.twin, language.policy, of(language, reference)).gradient
    assert np.linalg.norm(found + BETA * whole[language.places]) > 0.1 * np.linalg.norm(found)
    assert "several tokens" in " ".join(recipe(2, **settings).notes)
