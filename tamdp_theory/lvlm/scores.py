"""Log-probabilities of what a policy wrote, and their per-sequence gradients.

log pi(completion | context) = Σ over generated tokens of log softmax(logits / temperature)[token], suppressed tokens
masked: the law that ``generate`` samples from. A completion cut at the length limit has no end token and so no factor
for one, which is right for the truncated law. A score is the gradient of the same sum with each token's term times its
weight, one where a sequence has no weights.

Scores come in two ways that agree. The *loop* takes one backward pass per sequence, for any model. The *batched* way
takes one pass for a whole batch: for a linear layer y = W x the gradient of sequence b is Σ_l (∂/∂y_bl) x_blᵀ, so the
inputs and the gradients of the outputs of the trained layers are all that is needed. It holds where every trained
parameter belongs to one linear layer of the language model, as with LoRA; layers of the vision tower see images, not
sequences, and go the other way.
"""

from collections.abc import Iterator
from collections.abc import Sequence as Ordered
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import numpy as np
import torch

from tamdp_theory.errors import InputError
from tamdp_theory.lvlm.loading import base_model
from tamdp_theory.lvlm.projection import Projection
from tamdp_theory.lvlm.sequences import Sequence, batches, collate
from tamdp_theory.model import Floats

Method = Literal["auto", "loop", "batched"]


def log_probabilities(
    model: Any,
    sequences: Ordered[Sequence],
    temperature: float = 1.0,
    suppressed: Ordered[int] = (),
    batch_size: int = 16,
) -> Floats:
    """Log-probability of every sequence's generated tokens, teacher-forced, (B,) float64; the model in evaluation mode.

    temperature > 0 and suppressed token ids as in generation. InputError, naming the sequence, where one is not finite.
    """
    _check(model, temperature, suppressed)
    result = np.zeros(len(sequences))
    with evaluating(model), torch.no_grad():
        for places in batches([sequence.inputs for sequence in sequences], batch_size):
            value, _ = _forward(model, [sequences[place] for place in places], temperature, suppressed)
            result[places] = value.double().cpu().numpy()
    _check_finite(result, sequences, suppressed)
    return result


def scores(
    model: Any,
    sequences: Ordered[Sequence],
    temperature: float = 1.0,
    suppressed: Ordered[int] = (),
    batch_size: int = 16,
    projection: Projection | None = None,
    method: Method = "auto",
) -> tuple[Floats, Floats]:
    """Log-probabilities (B,) and their gradients (B, d) or projected gradients, float64; gradients of weighted
    log-probabilities where sequences have weights.

    model: a transformers model; sequences: prompts with their completions; temperature, suppressed (tokens that are
    never drawn): how they were sampled; batch_size: sequences in one pass, which changes memory and time alone.

    The d coordinates are the trainable parameters in the order of ``model.named_parameters()``, each flattened
    row-major, or the projection of that vector. method: "batched" where it holds (see the module), "loop" always,
    "auto" chooses. ``.grad`` and the random state stay as they are. Raises InputError: nothing trainable, "batched"
    where it does not hold, a value that is not finite.
    """
    _check(model, temperature, suppressed)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise InputError(
            "model: no parameter is trainable, so there is no score; put LoRA on it (with_lora) or set requires_grad"
        )
    layers = None if method == "loop" else _linear_layers(model, trained)
    if method == "batched" and layers is None:
        raise InputError(
            "method: batched needs every trained parameter in a linear layer of the language model; use loop"
        )
    value = np.zeros(len(sequences))
    width = projection.dimension if projection is not None else sum(parameter.numel() for parameter in trained)
    result = np.zeros((len(sequences), width))
    with evaluating(model), torch.enable_grad():
        for places in batches([sequence.inputs for sequence in sequences], batch_size if layers is not None else 1):
            chosen = [sequences[place] for place in places]
            if layers is not None:
                found, rows = _batched_gradients(model, chosen, temperature, suppressed, layers)
            else:
                found, weighted = _forward(model, chosen, temperature, suppressed)
                parts = torch.autograd.grad(weighted.sum(), trained, allow_unused=True, materialize_grads=True)
                rows = torch.cat([part.flatten() for part in parts])[None]
            value[places] = found.detach().double().cpu().numpy()
            gradients = rows.double().cpu().numpy()
            result[places] = gradients if projection is None else projection(gradients)
    _check_finite(value, sequences, suppressed)
    if not np.isfinite(result).all():
        place = int(np.flatnonzero(~np.isfinite(result).all(axis=1))[0])
        raise InputError(
            f"sequences[{place}]: the gradient of its log-probability is not finite; load the model in float32 or "
            f"float64"
        )
    return value, result


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Dropout off inside; afterwards every module's mode is what it was."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _forward(
    model: Any, sequences: Ordered[Sequence], temperature: float, suppressed: Ordered[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities (B,) and weighted ones, with their graphs, at least float32."""
    base = base_model(model)
    pad = getattr(base.config.get_text_config(), "pad_token_id", None)
    batch = on_model(collate([sequence.inputs for sequence in sequences], 0 if pad is None else pad, "right"), base)
    ids = batch["input_ids"]
    written = torch.zeros(ids.shape, dtype=torch.bool, device=ids.device)
    for row, sequence in zip(written, sequences, strict=True):
        row[: sequence.length] = sequence.generated.to(ids.device)
    columns = (
        written.any(dim=0).nonzero().flatten()
    )  # of tokens that somebody wrote; logits are only made where they are needed
    if not len(columns):
        columns = torch.ones(1, dtype=torch.long, device=ids.device)
    logits = model(**batch, logits_to_keep=columns - 1, use_cache=False).logits
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if len(suppressed):
        logits = logits.index_fill(-1, torch.tensor(list(suppressed), device=logits.device), -torch.inf)
    taken = torch.log_softmax(logits / temperature, dim=-1).gather(-1, ids[:, columns, None])[..., 0]
    terms = torch.where(written[:, columns], taken, 0.0)
    total = terms.sum(dim=1)
    if all(sequence.weight is None for sequence in sequences):
        return total, total
    weight = torch.ones(ids.shape, dtype=terms.dtype, device=ids.device)
    for row, sequence in zip(weight, sequences, strict=True):
        if sequence.weight is not None:
            row[: sequence.length] = sequence.weight.to(row)
    return total, (terms * weight[:, columns]).sum(dim=1)


def on_model(batch: dict[str, torch.Tensor], model: Any) -> dict[str, torch.Tensor]:
    """The inputs on the model's device, floating ones in its number format."""
    return {
        name: values.to(model.device, model.dtype if values.is_floating_point() else None)
        for name, values in batch.items()
    }


Layers = list[tuple[torch.nn.Linear, str]]


def _linear_layers(model: Any, trained: list[torch.nn.Parameter]) -> Layers | None:
    """Of every trained parameter the linear layer of the language model that alone holds it, and as what; None if some
    has none.
    """
    base = base_model(model)
    inside = {id(module) for module in base.get_decoder().modules()} | {id(base.get_output_embeddings())}
    holders: dict[int, Layers] = {}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            holders.setdefault(id(parameter), []).append((module, name))
    found = []
    for parameter in trained:
        module, name = holders[id(parameter)][0]
        if len(holders[id(parameter)]) > 1 or type(module) is not torch.nn.Linear or id(module) not in inside:
            return None
        found.append((module, name))
    return found


def _batched_gradients(
    model: Any, sequences: Ordered[Sequence], temperature: float, suppressed: Ordered[int], layers: Layers
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities (B,) and gradients (B, p) of a batch from one forward and one backward pass."""
    inputs: dict[int, torch.Tensor] = {}
    outputs: dict[int, torch.Tensor] = {}

    def keep(module: torch.nn.Module, given: tuple[torch.Tensor, ...], made: torch.Tensor) -> None:
        if id(module) in inputs or given[0].ndim != 3 or given[0].shape[0] != len(sequences):
            raise InputError(
                "method: a trained layer is not called once with one row per sequence, so batched does not hold; use "
                "loop"
            )
        inputs[id(module)], outputs[id(module)] = given[0].detach(), made

    modules = {id(module): module for module, _ in layers}
    with ExitStack() as hooks:
        for module in modules.values():
            hooks.callback(module.register_forward_hook(keep).remove)
        value, weighted = _forward(model, sequences, temperature, suppressed)
    if set(inputs) != set(modules):
        raise InputError("method: a trained layer is never called, so batched does not hold; use loop")
    order = list(modules)
    slopes = dict(
        zip(
            order,
            torch.autograd.grad(
                weighted.sum(), [outputs[key] for key in order], allow_unused=True, materialize_grads=True
            ),
            strict=True,
        )
    )
    rows = []
    for module, name in layers:
        slope, given = slopes[id(module)], inputs[id(module)]
        part = torch.einsum("blo,bli->boi", slope, given.to(slope.dtype)) if name == "weight" else slope.sum(dim=1)
        rows.append(part.flatten(start_dim=1))
    return value, torch.cat(rows, dim=1)


def _check(model: Any, temperature: float, suppressed: Ordered[int]) -> None:
    if not (np.isfinite(temperature) and temperature > 0):
        raise InputError(f"temperature: must be positive and finite, got {temperature!r}")
    size = int(base_model(model).config.get_text_config().vocab_size)
    for token in suppressed:
        if not 0 <= token < size:
            raise InputError(f"suppressed: token {token} is not in the vocabulary of {size}")


def _check_finite(value: Floats, sequences: Ordered[Sequence], suppressed: Ordered[int]) -> None:
    for place in map(int, np.flatnonzero(~np.isfinite(value))):
        sequence = sequences[place]
        banned = sorted(set(sequence.inputs["input_ids"][0, sequence.generated.cpu()].tolist()) & set(suppressed))
        reason = (
            f"it contains the suppressed token {banned[0]}"
            if banned
            else "the model's logits are not finite; load it in float32, or look at its weights"
        )
        raise InputError(f"sequences[{place}]: log-probability is {value[place]}: {reason}")
