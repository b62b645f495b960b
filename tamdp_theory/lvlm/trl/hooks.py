"""Every name of TRL that is not public, in one place.

Tested with the versions in TESTED. The trainer's method that generates and scores a batch returns, for the completions
of this process in their order before shuffling, the token ids, masks, image inputs and advantages that the update is
made of; nothing public gives them.

    _generate_and_score_completions(inputs) -> {"prompt_ids" (B, P) left-padded, "prompt_mask", "completion_ids" (B, C)
        right-padded, "completion_mask", "advantages" (B,), and where they exist "tool_mask" (B, C), "num_images" (B,),
        "pixel_values", "image_grid_thw", "pixel_attention_mask", "image_sizes", "token_type_ids" and
        "mm_token_type_ids" (B, P + C)}
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
import trl
from packaging.version import Version

from tamdp_theory.errors import InputError
from tamdp_theory.lvlm.sequences import Sequence

TESTED = ("1.16.0", "1.17")  # from the first, below the second
GENERATE = "_generate_and_score_completions"
REQUIRED = ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask", "advantages")
PER_TOKEN = ("token_type_ids", "mm_token_type_ids")
UNSUPPORTED = ("spatial_shapes", "num_tiles", "image_position_ids")


def check_version() -> None:
    """Warn if the installed TRL is not one that this file was tested with."""
    if not Version(TESTED[0]) <= Version(trl.__version__) < Version(TESTED[1]):
        warnings.warn(
            f"trl {trl.__version__}: advantages and scores are read through a private method, tested from {TESTED[0]} "
            f"to below {TESTED[1]}; "
            "compare recorded advantages with your own, or pass private_hooks=False",
            stacklevel=3,
        )


def after_generation(trainer: Any, look: Callable[[dict[str, Any]], None]) -> None:
    """Have ``look`` called with every generation batch of the trainer, training or evaluation. InputError if this TRL
    has no such method.
    """
    original = getattr(trainer, GENERATE, None)
    if not callable(original):
        raise InputError(
            f"trl {trl.__version__}: the trainer has no {GENERATE}; install trl>={TESTED[0]},<{TESTED[1]} or pass "
            f"private_hooks=False"
        )

    def observed(inputs: Any) -> Any:
        output = original(inputs)
        look(output)
        return output

    setattr(trainer, GENERATE, observed)


def check_output(output: dict[str, Any]) -> None:
    """InputError if a generation batch lacks what is read from it."""
    missing = [name for name in REQUIRED if name not in output]
    if missing:
        raise InputError(
            f"trl {trl.__version__}: {GENERATE} gives no {', '.join(missing)}; install trl>={TESTED[0]},<{TESTED[1]}"
        )


def sequences(output: dict[str, Any]) -> list[Sequence]:
    """Every completion of a generation batch with its prompt and images, without padding; tokens of tool results are
    not generated.
    """
    found = [name for name in UNSUPPORTED if name in output]
    if found:
        raise InputError(
            f"scores: the model's images come with {', '.join(found)}, which is not supported; record without scores"
        )
    ids = torch.cat([output["prompt_ids"], output["completion_ids"]], dim=1)
    mask = torch.cat([output["prompt_mask"], output["completion_mask"]], dim=1).bool()
    written = output["completion_mask"].bool()
    if output.get("tool_mask") is not None:
        written = written & output["tool_mask"].bool()
    generated = torch.cat([torch.zeros_like(output["prompt_mask"], dtype=torch.bool), written], dim=1)
    images = _images(output)
    items = []
    for row, kept in enumerate(mask):
        tokens = ids[row : row + 1, kept]
        inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
        inputs |= {name: output[name][row : row + 1, kept] for name in PER_TOKEN if name in output}
        items.append(Sequence(inputs | images[row], generated[row, kept]))
    return items


def _images(output: dict[str, Any]) -> list[dict[str, torch.Tensor]]:
    """The image inputs of every completion; {} for one without images."""
    rows = len(output["prompt_ids"])
    pixels = output.get("pixel_values")
    if pixels is None:
        return [{} for _ in range(rows)]
    counts = output.get("num_images") or [1] * rows
    parts: dict[str, Any] = {}
    if "image_grid_thw" in output:  # patches of all images in one list
        grids = output["image_grid_thw"].split(counts)
        parts = {"pixel_values": pixels.split([int(grid.prod(-1).sum()) for grid in grids]), "image_grid_thw": grids}
    elif len(pixels) == sum(counts):  # one entry per image
        parts = {"pixel_values": pixels.split(counts)}
    else:  # one entry per completion
        parts = {"pixel_values": pixels.split(1)}
    if "pixel_attention_mask" in output:
        parts["pixel_attention_mask"] = output["pixel_attention_mask"].split(1)
    if "image_sizes" in output:
        parts["image_sizes"] = output["image_sizes"].split(counts)
    return [{name: values[row] for name, values in parts.items()} if counts[row] else {} for row in range(rows)]
