"""Looking at what passes through a trainer without changing it: reward functions, the model, prompts."""

import functools
import hashlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch

from tamdp_theory.errors import InputError, quote
from tamdp_theory.lvlm.sequences import Sequence
from tamdp_theory.model import Floats, Ints

Score: TypeAlias = Callable[[Any, list[Sequence]], tuple[Any, Any]]
"""(model, B sequences) -> log-probabilities (B,) and their gradients (B, d), tensors or arrays."""


def tapped(function: Callable[..., Any], see: Callable[[list[Any], Mapping[str, Any]], None]) -> Callable[..., Any]:
    """The same reward function, its values shown to ``see``."""
    bare = function
    while isinstance(bare, functools.partial):
        bare = bare.func
    if inspect.iscoroutinefunction(bare) or inspect.iscoroutinefunction(getattr(bare, "__call__", None)):  # noqa: B004

        @functools.wraps(function)
        async def watched_later(*args: Any, **given: Any) -> list[Any]:
            values = list(await function(*args, **given))
            see(values, given)
            return values

        return watched_later

    @functools.wraps(function)
    def watched(*args: Any, **given: Any) -> list[Any]:
        values = list(function(*args, **given))
        see(values, given)
        return values

    return watched


def scored(model: Any, score: Score, items: list[Sequence]) -> tuple[Floats, Floats]:
    """Call ``score`` so that training does not notice."""
    modes = [(module, module.training) for module in model.modules()]
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    device = next(model.parameters()).device
    try:
        model.eval()
        for parameter, _ in gradients:
            parameter.grad = None
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.enable_grad():
            log_probability, scores = score(model, items)
            return as_array(log_probability), as_array(scores)
    finally:
        for module, training in modes:
            module.training = training
        for parameter, gradient in gradients:
            parameter.grad = gradient


def as_array(values: Any) -> Floats:
    """A tensor or sequence of numbers as an array of float64."""
    if isinstance(values, torch.Tensor):
        values = values.detach().to("cpu", torch.float64).numpy()
    return np.array(values, dtype=np.float64)


def prompts_of(given: Mapping[str, Any], column: str) -> Ints:
    """One integer for each completion: its prompt."""
    if column in given:
        values = list(given[column])
        if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            return np.array(values, dtype=np.int64)
        raise InputError(
            f"column {quote(column)}: must have the integers of prompts; name another one with prompt_column"
        )
    return np.array([prompt_digest(prompt) for prompt in given["prompts"]], dtype=np.int64)


def prompt_digest(value: Any) -> int:
    """A 63-bit integer for a prompt, the same in every run: its text, roles and the pixels of its images."""
    digest = hashlib.blake2b(digest_size=8)

    def add(part: Any) -> None:
        if isinstance(part, Mapping):
            items = sorted((key, inner) for key, inner in part.items() if inner is not None)
            digest.update(f"{{{len(items)}".encode())
            for key, inner in items:
                add(key)
                add(inner)
        elif isinstance(part, (list, tuple)):
            digest.update(f"[{len(part)}".encode())
            for inner in part:
                add(inner)
        elif hasattr(part, "tobytes"):
            pixels = part.tobytes()
            digest.update(f"i{getattr(part, 'mode', '')}{getattr(part, 'size', '')}{len(pixels)}:".encode() + pixels)
        else:
            text = str(part).encode("utf-8", "surrogatepass")
            digest.update(f"s{len(text)}:".encode() + text)

    add(value)
    return int.from_bytes(digest.digest(), "big") >> 1
