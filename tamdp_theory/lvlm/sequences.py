"""One prompt with one completion as a model takes it, and padded batches of them."""

from collections.abc import Sequence as Ordered
from dataclasses import dataclass
from typing import Literal

import torch

from tamdp_theory.errors import InputError
from tamdp_theory.guards import check_integer

PER_TOKEN = ("input_ids", "attention_mask", "mm_token_type_ids", "token_type_ids")
"""Inputs with one entry per token, (1, L); every other one is concatenated along its first dimension (pixel values,
grids).
"""


@dataclass(frozen=True, eq=False)
class Sequence:
    """Model inputs of one context and what was written after it.

    inputs: tensors with batch dimension 1, as a processor gives them, without padding: input_ids (1, L), attention_mask
    (1, L), and whatever else the model takes (pixel_values, image_grid_thw, mm_token_type_ids, ..); generated (L,)
    bool: the tokens that the policy wrote, end of sequence included, in several stretches where tool results stand
    between them; the first token cannot be one; weight (L,): of each written token in the score, None for one each.
    Raises InputError.
    """

    inputs: dict[str, torch.Tensor]
    generated: torch.Tensor
    weight: torch.Tensor | None = None

    def __post_init__(self) -> None:
        ids = self.inputs.get("input_ids")
        if ids is None or ids.ndim != 2 or ids.shape[0] != 1 or ids.shape[1] == 0:
            raise InputError(
                f"sequence: input_ids must have shape (1, L), got {None if ids is None else tuple(ids.shape)}; one "
                f"sequence at a time"
            )
        for name in PER_TOKEN:
            if name in self.inputs and self.inputs[name].shape != ids.shape:
                raise InputError(
                    f"sequence: {name} has shape {tuple(self.inputs[name].shape)}, input_ids {tuple(ids.shape)}"
                )
        if self.generated.shape != ids.shape[1:] or self.generated.dtype != torch.bool:
            raise InputError(
                f"sequence: generated must be bool of shape ({ids.shape[1]},), got {self.generated.dtype} of "
                f"{tuple(self.generated.shape)}"
            )
        if self.weight is not None and (self.weight.shape != ids.shape[1:] or not bool(self.weight.isfinite().all())):
            raise InputError(f"sequence: weight must be {ids.shape[1]} finite numbers, got {tuple(self.weight.shape)}")
        if bool(self.generated[0]):
            raise InputError(
                "sequence: the first token has no context, so the policy cannot have written it; put the prompt before "
                "it"
            )
        mask = self.inputs.get("attention_mask")
        if mask is not None and not bool(mask.all()):
            raise InputError("sequence: attention_mask has zeros; strip the padding first")

    @property
    def length(self) -> int:
        """L."""
        return int(self.inputs["input_ids"].shape[1])


Inputs = dict[str, torch.Tensor]


def collate(items: Ordered[Inputs], pad: int, side: Literal["left", "right"]) -> Inputs:
    """Join unpadded inputs of one sequence each into a batch, padded to the longest.

    Left for generation; right for teacher forcing, where causal attention makes padding invisible and positions are
    what they are alone.
    """
    length = max(item["input_ids"].shape[1] for item in items)

    def padded(values: torch.Tensor, fill: int) -> torch.Tensor:
        room = length - values.shape[1]
        return torch.nn.functional.pad(values, (room, 0) if side == "left" else (0, room), value=fill)

    batch = {}
    for name in items[0]:
        parts = [item[name] for item in items]
        batch[name] = torch.cat(
            [padded(part, pad if name == "input_ids" else 0) for part in parts] if name in PER_TOKEN else parts
        )
    batch["attention_mask"] = torch.cat([padded(torch.ones_like(item["input_ids"]), 0) for item in items])
    return batch


def batches(items: Ordered[Inputs], size: int) -> list[list[int]]:
    """Places of the items in batches of at most ``size``, each of items that can be joined: the same inputs, of the
    same shapes but for the first dimension.
    """
    check_integer("batch_size", size, 1)
    alike: dict[object, list[int]] = {}
    for place, item in enumerate(items):
        shapes = sorted((name, () if name in PER_TOKEN else tuple(values.shape[1:])) for name, values in item.items())
        alike.setdefault(tuple(shapes), []).append(place)
    return [places[start : start + size] for places in alike.values() for start in range(0, len(places), size)]
