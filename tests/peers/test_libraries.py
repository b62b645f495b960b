"""Advantages against the libraries' own functions, run from their wheels without what they depend on.

``make test-peers`` fetches the wheels into .peers/ and runs this; nothing of them is kept in the project.
"""

import importlib.util
import os
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tamdp_theory import grpo
from tests.helpers.seeds import moved

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers
FOLDER = Path(os.environ.get("TAMDP_PEERS", ".peers"))
if not (FOLDER / "verl").is_dir():
    pytest.skip("no wheels here; run make test-peers", allow_module_level=True)


class _Anything(dict[str, Any]):
    __getattr__ = dict.get


def _stub(name: str, **content: Any) -> ModuleType:
    module = types.ModuleType(name)
    vars(module).update(content)
    module.__path__ = []  # type: ignore[attr-defined]
    sys.modules[name] = module
    parent, _, own = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], own, module)
    return module


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    parent, _, own = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], own, module)
    return module


@pytest.fixture(scope="module")
def verl() -> Iterator[ModuleType]:
    before = dict(sys.modules)
    root = FOLDER / "verl" / "verl"
    _stub("omegaconf", DictConfig=_Anything)
    _stub("tensordict", TensorDict=_Anything)
    _stub("transformers", PreTrainedTokenizer=object)
    for name in ("verl", "verl.utils", "verl.trainer", "verl.trainer.ppo", "verl.workers"):
        _stub(name)
    _stub("verl.utils.device", get_device_name=lambda: "cpu", get_torch_device=lambda: torch.cpu)
    _stub("verl.trainer.config", AlgoConfig=_Anything)
    _stub("verl.workers.config", ActorConfig=_Anything)
    groupwise = _load("verl.utils.groupwise", root / "utils" / "groupwise.py")
    _load("verl.utils.import_utils", root / "utils" / "import_utils.py")
    _load("verl.utils.torch_functional", root / "utils" / "torch_functional.py")
    utils: Any = sys.modules["verl.utils"]
    utils.as_torch_index, utils.group_mean_std = groupwise.as_torch_index, groupwise.group_mean_std
    yield _load("verl.trainer.ppo.core_algos", root / "trainer" / "ppo" / "core_algos.py")
    for name in set(sys.modules) - set(before):
        del sys.modules[name]
    sys.modules.update(before)


@pytest.fixture(scope="module")
def swift() -> Iterator[ModuleType]:
    before = dict(sys.modules)
    _stub("swift")
    _stub("swift.utils", nanstd=lambda x, **_: torch.std(x, dim=-1, keepdim=True))
    yield _load("swift_advantage", FOLDER / "ms_swift" / "swift" / "rl_core" / "advantage.py")
    for name in set(sys.modules) - set(before):
        del sys.modules[name]


def rewards(size: int, prompts: int = 50) -> Any:
    """Graded composites with ties, (prompts, size), as float32 tells them apart."""
    return np.random.default_rng(moved(size)).integers(0, 5, (prompts, size)) / 4


def own(c: Any, name: str, eps: float = 0.0, ddof: int = 0, lengths: Any = None) -> Any:
    return grpo.advantages(c[..., None], [1.0], name, eps, ddof, lengths)


VERL: list[tuple[str, dict[str, Any], str, float, int]] = [
    ("compute_grpo_outcome_advantage", {}, "sum_then_normalize", 1e-6, 1),
    ("compute_grpo_outcome_advantage", {"norm_adv_by_std_in_grpo": False}, "center", 0.0, 0),
    ("compute_grpo_vectorized_outcome_advantage", {}, "sum_then_normalize", 1e-6, 1),
    ("compute_grpo_passk_outcome_advantage", {}, "best_minus_second(std=True)", 1e-6, 1),
    ("compute_grpo_passk_outcome_advantage", {"norm_adv_by_std_in_grpo": False}, "best_minus_second", 0.0, 0),
    ("compute_rloo_outcome_advantage", {}, "leave_one_out", 0.0, 0),
    ("compute_rloo_vectorized_outcome_advantage", {}, "leave_one_out", 0.0, 0),
    ("compute_opo_outcome_advantage", {}, "length_baseline", 0.0, 0),
]


@pytest.mark.parametrize(("function", "options", "name", "eps", "ddof"), VERL)
@pytest.mark.parametrize("size", [2, 5, 8])
def test_verl(
    verl: ModuleType, function: str, options: dict[str, Any], name: str, eps: float, ddof: int, size: int
) -> None:
    c, generator = rewards(size), np.random.default_rng(moved(1))
    lengths = generator.integers(1, 7, c.shape)
    mask, at_the_end = tokens_of(c, lengths)
    index = np.repeat(np.arange(len(c)), size).astype(object)
    if "passk" in function or "norm_adv_by_std_in_grpo" in options:
        options = {**options, "config": _Anything(options or {"norm_adv_by_std_in_grpo": True})}
    call: Callable[..., Any] = getattr(verl, function)
    found, _ = call(at_the_end, mask, index=index, **options)
    first = found[:, 0].reshape(c.shape).double().numpy()
    np.testing.assert_allclose(first, own(c, name, eps, ddof, lengths), rtol=2e-6, atol=2e-6)


SWIFT = [
    ("grpo", "group", "sum_then_normalize", 1e-4, 1),
    ("grpo", "none", "center", 0.0, 0),
    ("rloo", "none", "leave_one_out", 0.0, 0),
    ("reinforce_plus_plus", "group", "sum_then_normalize", 1e-4, 1),
    ("reinforce_plus_plus", "none", "center", 0.0, 0),
]


@pytest.mark.parametrize(("kind", "scaling", "name", "eps", "ddof"), SWIFT)
@pytest.mark.parametrize("size", [2, 5, 8])
def test_ms_swift(swift: ModuleType, kind: str, scaling: str, name: str, eps: float, ddof: int, size: int) -> None:
    c = rewards(size)
    table = torch.tensor(c.reshape(-1, 1), dtype=torch.float32)
    found = swift.compute_advantages(
        table, torch.ones(1), num_generations=size, advantage_estimator=kind, scale_rewards=scaling
    )
    found = found[0] if isinstance(found, tuple) else found
    np.testing.assert_allclose(found.reshape(c.shape).double().numpy(), own(c, name, eps, ddof), rtol=2e-6, atol=2e-6)


def both(c: Any, weights: Any, name: str, eps: float, lengths: Any) -> Any:
    return grpo.batch_advantages(c, weights, name, eps, 1, lengths)


BATCH = [
    ("compute_reinforce_plus_plus_outcome_advantage", "reinforce_plus_plus(guard=variance)"),
    ("compute_reinforce_plus_plus_baseline_outcome_advantage", "reinforce_plus_plus_baseline(guard=variance)"),
]


@pytest.mark.parametrize(("function", "name"), BATCH)
@pytest.mark.parametrize("size", [2, 5, 8])
def test_verl_over_the_batch(verl: ModuleType, function: str, name: str, size: int) -> None:
    c, generator = rewards(size, 6), np.random.default_rng(moved(2))
    lengths = generator.integers(1, 7, c.shape)
    mask, at_the_end = tokens_of(c, lengths)
    index = np.repeat(np.arange(len(c)), size).astype(object)
    found, _ = getattr(verl, function)(at_the_end, mask, index=index, config=_Anything(gamma=1.0))
    first = found[:, 0].reshape(c.shape).double().numpy()
    expected = both(c[..., None], [1.0], name, 1e-8, lengths)
    np.testing.assert_allclose(first, expected, rtol=1e-5, atol=2e-6)
    assert np.abs(first - first.mean()).max() > 0.5


@pytest.mark.parametrize("size", [2, 5, 8])
def test_verl_gdpo(verl: ModuleType, size: int) -> None:
    generator = np.random.default_rng(moved(3))
    table, weights = generator.integers(0, 5, (6, size, 2)) / 4, [1.0, 0.5]
    lengths = generator.integers(1, 7, table.shape[:2])
    mask, at_the_end = tokens_of(table[..., 0], lengths)
    found, _ = verl.compute_gdpo_outcome_advantage(
        at_the_end,
        mask,
        np.repeat(np.arange(6), size).astype(object),
        config=_Anything(gdpo_reward_keys=["x", "y"], gdpo_reward_weights=weights, norm_adv_by_std_in_grpo=True),
        non_tensor_batch={"x": table[..., 0].ravel(), "y": table[..., 1].ravel()},
        batch={
            "prompts": torch.zeros(6 * size, 3),
            "attention_mask": torch.cat([torch.ones(6 * size, 3), mask], 1).long(),
        },
    )
    first = found[:, 0].reshape(table.shape[:2]).double().numpy()
    expected = both(table, weights, "gdpo_batch(over=tokens, guard=variance, eps_in=1e-6)", 1e-8, lengths)
    np.testing.assert_allclose(first, expected, rtol=2e-5, atol=1e-5)


def tokens_of(c: Any, lengths: Any) -> tuple[Any, Any]:
    """Mask and token rewards, each reward at its last token."""
    mask = torch.tensor(np.arange(7) < lengths.reshape(-1, 1)).to(torch.float32)
    at_the_end = torch.zeros_like(mask)
    at_the_end[torch.arange(len(mask)), torch.tensor(lengths.ravel() - 1)] = torch.tensor(
        c.ravel(), dtype=torch.float32
    )
    return mask, at_the_end


SWIFT_BATCH = [
    ("grpo", "batch", "batch_std", 1e-4),
    ("reinforce_plus_plus", "batch", "reinforce_plus_plus_baseline(over=sequences)", 1e-4),
    ("grpo", "gdpo", "gdpo_batch(eps_in=1e-8)", 1e-8),
]


@pytest.mark.parametrize(("kind", "scaling", "name", "eps"), SWIFT_BATCH)
@pytest.mark.parametrize("size", [2, 5, 8])
def test_ms_swift_over_the_batch(swift: ModuleType, kind: str, scaling: str, name: str, eps: float, size: int) -> None:
    table, weights = np.random.default_rng(moved(4)).integers(0, 5, (6, size, 2)) / 4, [1.0, 0.5]
    found = swift.compute_advantages(
        torch.tensor(table.reshape(-1, 2), dtype=torch.float32),
        torch.tensor(weights),
        num_generations=size,
        advantage_estimator=kind,
        scale_rewards=scaling,
    )[0]
    expected = both(table, weights, name, eps, None)
    np.testing.assert_allclose(found.reshape(expected.shape).double().numpy(), expected, rtol=2e-5, atol=1e-5)
